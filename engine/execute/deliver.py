"""Hand out the files that people want, each into a folder that says which run it is from.

The exported adapter gets the resolved recipe into its header here, and not in its stage: titles and machines are in it,
and they are in no key. Nothing that is there already is touched; the same run finds the same files.
"""

from collections.abc import Mapping
from pathlib import Path

from engine import VERSION
from engine.header import with_notes
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.merge import values
from engine.language.resolve import Resolved
from engine.seam import Part, canonical, digest_of
from engine.store import FolderPart, write_whole
from engine.words.data import FolderSource
from engine.words.table import by_path, is_location

DELIVERED = (
    "survey/report",
    "train/log",
    "export/lora",
    "sample/videos",
)  # the parts that people want to have


def check_places(resolved: Resolved, outputs: Path, store: Path) -> None:
    """Make sure, before anything runs, that results can be written and will not be taken for clips.

    Raises:
        RecipeError: results would lie among the clips, and the next survey would train on them.
        OSError: a folder cannot be made or written.
    """
    data = resolved.recipe.data
    for folder, what in ((outputs, "the files for you"), (store, "the store")):
        for at, dataset in by_path(data, data.more).items():
            source = dataset.source
            if isinstance(source, FolderSource) and folder.resolve().is_relative_to(source.path):
                message = (
                    f"{what} ({folder}) would lie among the clips, and would be trained on the next time"
                )
                help_ = (
                    "name another folder with `--output` or `--store`, or keep the clips in one of their own"
                )
                word = f"{at}.source.path"
                raise RecipeError([Diagnostic("RCP4106", message, resolved.span(word), word, help_)])
        folder.mkdir(parents=True, exist_ok=True)


def deliver(
    made: Mapping[str, Mapping[str, Part] | None], resolved: Resolved, outputs: Path, key: str
) -> tuple[Path, ...]:
    """Copy the files that people want out of the store; returns where they are.

    Args:
        made: the parts of each stage's output.
        key: of the last step; with the recipe it names the folder.
    """
    notes = provenance(resolved)
    folder = outputs / resolved.file.stem / digest_of([key, notes])[:8]
    files = []
    for wanted in DELIVERED:
        stage, _, name = wanted.partition("/")
        if stage not in made:
            continue
        part = (made[stage] or {})[name]
        assert isinstance(part, FolderPart), "a finished step lies on disk"
        for file in sorted(part.digests):
            target = folder / file
            if not target.exists():
                content = (part.folder / file).read_bytes()
                target.parent.mkdir(parents=True, exist_ok=True)
                write_whole(
                    target, with_notes(content, notes) if target.suffix == ".safetensors" else content
                )
            files.append(target)
    return tuple(files)


def provenance(resolved: Resolved) -> dict[str, str]:
    """Return where a file comes from: the complete recipe, without any path of this machine, and the program."""
    public = values(resolved.merged, lambda at: not is_location(at))
    recipe = resolved.header | {"extends": []} | public
    return {"recipe": canonical(recipe).decode(), "engine": f"wan-recipes {VERSION}"}
