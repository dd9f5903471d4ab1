"""Arguments that several verbs of authoring share: the name of a file that comes with the program, and a new file."""

from pathlib import Path
from typing import Annotated

import typer

from engine.authoring.browse import Builtin, find

Name = Annotated[str, typer.Argument(help="Its name; `recipe list` shows all.", show_default=False)]


def named(said: str) -> Builtin:
    """Return the file that was named; a name that there is not is a mistake of the command line."""
    try:
        return find(said)
    except LookupError as error:
        raise typer.BadParameter(str(error), param_hint="name") from None


def unused(file: Path) -> Path:
    """Return a new file; one that is there is never written over, and no folder is made for it."""
    if file.exists() or file.is_symlink():
        raise typer.BadParameter(f"{file} is there already, and nothing is written over", param_hint="out")
    if not file.parent.is_dir():
        raise typer.BadParameter(
            f"there is no folder {file.parent} for {file.name}: make it first", param_hint="out"
        )
    return file
