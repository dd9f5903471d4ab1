"""``recipe list``."""

from typing import Annotated

import typer

from engine.authoring.browse import BuiltinKind, builtins


def command(
    kind: Annotated[BuiltinKind | None, typer.Option(help="Only these.", show_default=False)] = None,
) -> None:
    """List the files that come with the program: examples, flavours, hardware profiles, bases."""
    every = [one for one in builtins() if kind in (None, one.kind)]
    width = max(len(one.name) for one in builtins())
    for one in every:
        typer.echo(f"{one.name:<{width}}  {one.title}")
