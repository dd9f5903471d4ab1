"""41xx: the clips of a recipe, which a plan looks at."""

from engine.language.explanations.explanation import Explanation

CLIPS = {
    "RCP4101": Explanation(
        "The folder of clips is not there, or nothing in it can be trained on. A relative path is relative to the file that "
        "says it, and `~` has no meaning.",
        "Set `data.source.path`; the finding says where it looked and which file names are clips.",
        "data: {source: {kind: folder, path: no-such-folder}}\n",
    ),
    "RCP4102": Explanation(
        "Some files cannot be read: they are damaged, empty, of an unknown kind, or yours to read no more.",
        "Mend or move them, or set `data.bad_files: skip`. Nothing here changes or deletes a clip.",
    ),
    "RCP4103": Explanation(
        "Some clips have no caption. To train on them all the same would teach the model that the prompt does not matter.",
        "Write a text file of the same name beside each, or set `data.captions: {kind: one, text: …}`.",
    ),
    "RCP4104": Explanation(
        "Some clips are shorter than `data.frames` at the frame rate of the model.",
        "Ask for fewer frames, or set `data.short_clips` to `drop` or `fewer`.",
    ),
    "RCP4106": Explanation(
        "Results would lie among the clips, and would be trained on the next time.",
        "Name another folder with `--output` or `--store`.",
    ),
    "RCP4107": Explanation(
        "A batch is of one shape. Where fewer clips have a shape than a batch takes, some repeat within it and count for more.",
        "Lower `train.batch_size`, add clips, or give all clips one shape with `data.size: {kind: exact, …}`.",
    ),
}  # fmt: skip
