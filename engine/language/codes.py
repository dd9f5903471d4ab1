"""Every code that a finding can have. Codes are stable: people search for them, and silence them by name.

1xxx YAML and its limits · 20xx words and values · 22xx and 24xx composition · 23xx contracts of layers · 3xxx age of a file
· 4xxx what is known about training Wan · 5xxx sharing, trust and secrets.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means.

    Attributes:
        title: one sentence.
        exit: exit code of the program when the finding is an error.
    """

    title: str
    exit: int = 1


CODES: dict[str, Code] = {
    "RCP1001": Code("The text is not YAML."),
    "RCP1002": Code("The same key stands twice in one mapping."),
    "RCP1003": Code(
        "YAML that recipes do not use: tags, merge keys, other documents, keys that are not words."
    ),
    "RCP1004": Code("A number that recipes do not have: infinite, not a number, or too large."),
    "RCP1005": Code("The text is too large, too deep or has too many parts.", exit=5),
    "RCP1006": Code("The file cannot be read."),
    "RCP2001": Code("A word that the vocabulary does not have."),
    "RCP2002": Code("A value of the wrong kind or out of range."),
    "RCP2003": Code("A word that a complete recipe needs is missing."),
    "RCP2201": Code("A layer that is extended cannot be found, or extends itself."),
    "RCP2202": Code("A mapping meets a value that is not one."),
    "RCP2301": Code("A hardware profile sets what is learnt."),
    "RCP2302": Code("Only a file of kind `recipe` runs."),
    "RCP2401": Code("An override that cannot be read."),
    "RCP4001": Code("A frame count that the video codec would cut silently."),
    "RCP4002": Code("A width or height that the model cannot tile."),
    "RCP4003": Code("A warm-up that never ends."),
    "RCP4004": Code("A revision that can change under you."),
    "RCP4005": Code("Numbers of the model that do not fit together."),
    "RCP4006": Code("A pattern that is not a regular expression."),
    "RCP4007": Code("A prompt name that cannot be a file name."),
    "RCP4008": Code("A pattern that matches no layer of the model."),
    "RCP4101": Code("The folder of clips is not there, or holds no clips."),
    "RCP4102": Code("Clips that cannot be used."),
    "RCP4103": Code("Clips without captions."),
    "RCP4104": Code("Fewer frames than asked."),
    "RCP4106": Code("Results that would lie among the clips."),
}
