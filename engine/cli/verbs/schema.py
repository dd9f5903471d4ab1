"""``recipe schema``."""

from enum import StrEnum
from typing import Annotated

import typer

from engine.shipped import schema_file


class Which(StrEnum):
    """The published schemas."""

    LAYER = "layer"
    RESOLVED = "resolved"


def command(
    which: Annotated[Which, typer.Argument(help="Of one file, or of a complete recipe.", show_default=False)],
    path: Annotated[bool, typer.Option("--path", help="Say where it lies instead.")] = False,
) -> None:
    """Print the JSON Schema of a recipe file, for editors and other programs."""
    file = schema_file(which)
    typer.echo(str(file) if path else file.read_text("utf-8"), nl=path)
