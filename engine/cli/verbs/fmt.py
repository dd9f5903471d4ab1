"""``recipe fmt``."""

from pathlib import Path
from typing import Annotated

import typer

from engine.authoring.edits import readable
from engine.authoring.form import formed
from engine.cli.in_place import Change, go_over


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipe files.", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a file is not in form.")
    ] = False,
) -> None:
    """Bring recipe files into the form of the house. What they say, and their comments, stay as they are."""
    loose = go_over(files, Change(_formed, "formed", "not in form"), write=not check)
    raise typer.Exit(1 if check and loose else 0)


def _formed(file: Path) -> str | None:
    source, _ = readable(file)
    text = formed(source)
    return text if text.encode() != file.read_bytes() else None
