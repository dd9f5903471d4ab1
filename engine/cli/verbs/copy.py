"""``recipe copy``."""

from pathlib import Path
from typing import Annotated

import typer

from engine.authoring.browse import child
from engine.authoring.edits import begin
from engine.authoring.flat import flat
from engine.cli.arguments import Name, named, unused
from engine.language.files import shown


def command(
    name: Name,
    out: Annotated[
        Path | None, typer.Argument(help="The new file; its own name here if not said.", show_default=False)
    ] = None,
    whole: Annotated[
        bool, typer.Option("--flat", help="Write out everything instead of extending it.")
    ] = False,
) -> None:
    """Begin a file with one that comes with the program: a few lines that extend it. Nothing is ever written over."""
    one = named(name)
    file = unused(out or Path(f"{one.short}.yaml"))
    begin(file, flat(one.file, one.name) if whole else child(one))
    typer.echo(f"{shown(file)}: " + ("everything in one file" if whole else f"extends {one.name}"))
