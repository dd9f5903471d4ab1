"""``recipe doc``."""

from typing import Annotated

import typer

from engine.authoring.doc import doc


def command(
    word: Annotated[
        str, typer.Argument(help="A word or a section, such as train.adapter.rank.", show_default=False)
    ],
) -> None:
    """Say what a word means, its default, what runs again when it changes, and how it is written."""
    try:
        typer.echo(doc(word))
    except LookupError as error:
        raise typer.BadParameter(str(error), param_hint="word") from None
