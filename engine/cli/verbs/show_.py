"""``recipe show``."""

from typing import Annotated

import typer

from engine.authoring.flat import flat
from engine.cli.arguments import Name, named


def command(
    name: Name,
    resolved: Annotated[bool, typer.Option("--resolved", help="With everything that it extends.")] = False,
) -> None:
    """Print a file that comes with the program."""
    one = named(name)
    typer.echo(flat(one.file, one.name) if resolved else one.file.read_text("utf-8"), nl=False)
