"""What is wrong with a recipe, as data: a code, a place, what is the matter, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from engine.language.nodes import Span

Severity = Literal["error", "warning"]

CODES: dict[str, str] = {
    "RCP1001": "The text is not YAML.",
    "RCP1002": "The same key stands twice in one mapping.",
    "RCP1003": "YAML that recipes do not use: tags, merge keys, other documents, keys that are not words.",
    "RCP1004": "A number that recipes do not have: infinite, not a number, or too large.",
    "RCP1005": "The text is too large, too deep or has too many parts.",
    "RCP1006": "The file cannot be read.",
    "RCP2001": "A word that the vocabulary does not have.",
    "RCP2002": "A value of the wrong kind or out of range.",
    "RCP2003": "A word that a complete recipe needs is missing.",
    "RCP2201": "A layer that is extended cannot be found, or extends itself.",
    "RCP2202": "A mapping meets a value that is not one.",
    "RCP2301": "A hardware profile sets what is learnt.",
    "RCP2302": "Only a file of kind `recipe` runs.",
    "RCP2401": "An override that cannot be read.",
    "RCP4001": "A frame count that the video codec would cut silently.",
    "RCP4002": "A width or height that the model cannot tile.",
    "RCP4003": "A warm-up that never ends.",
    "RCP4004": "A revision that can change under you.",
    "RCP4005": "Numbers of the model that do not fit together.",
    "RCP4006": "A pattern that is not a regular expression.",
    "RCP4007": "A prompt name that cannot be a file name.",
    "RCP4008": "A pattern that matches no layer of the model.",
    "RCP4101": "The folder of clips is not there, or holds no clips.",
    "RCP4102": "Clips that cannot be used.",
    "RCP4103": "Clips without captions.",
    "RCP4104": "Fewer frames than asked.",
    "RCP4106": "Results that would lie among the clips.",
}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        path: dotted path of the word that it is about; may be empty.
        message: what is wrong, with the value.
        help: why, and what to do.
        related: further places, each with its role.
    """

    code: str
    message: str
    span: Span
    path: str = ""
    help: str = ""
    severity: Severity = "error"
    related: tuple[tuple[str, Span], ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"the code {self.code} is not in the table")

    def as_json(self) -> dict[str, Any]:
        """Return plain data for machines."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "help": self.help,
            "path": self.path,
            "at": _place(self.span),
            "related": [{"role": role, "at": _place(span)} for role, span in self.related],
        }


class RecipeError(Exception):
    """The recipe is wrong; carries every finding, sorted by place."""

    def __init__(self, findings: Iterable[Diagnostic]) -> None:
        self.findings = in_order(findings)
        super().__init__("\n".join(f"{found.span}: {found.message}" for found in self.findings))


def in_order(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort findings by file and place."""
    return tuple(
        sorted(findings, key=lambda found: (found.span.source.name, found.span.line, found.span.column))
    )


def render(found: Diagnostic) -> str:
    """Write a finding for people: the place, the line with a caret under the token, and what to do."""
    lines = [f"{found.span}: {found.severity}[{found.code}]: {found.message}", *_excerpt(found.span)]
    for role, span in found.related:
        lines += [f"  {role} {span}"]
    if found.help:
        lines += [f"  help: {found.help}"]
    return "\n".join(lines)


def _excerpt(span: Span) -> list[str]:
    text = span.source.text.splitlines()
    if not 0 < span.line <= len(text):
        return []
    line = text[span.line - 1]
    # a tab before the caret stays a tab, so that the caret stands under its token on any terminal
    pad = "".join("\t" if character == "\t" else " " for character in line[: span.column - 1])
    marks = "^" + "~" * (min(span.end, len(line) + 1) - span.column - 1)
    gutter = f"{span.line:>5} | "
    return [f"{gutter}{line}", f"{'':>5} | {pad}{marks}"]


def _place(span: Span) -> dict[str, str | int]:
    return {"file": span.source.name, "line": span.line, "column": span.column, "end": span.end}
