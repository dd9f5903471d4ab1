"""``recipe explain``."""

from typing import Annotated

import typer

from engine.authoring.codes import explained
from engine.language.codes import CODES
from engine.language.suggest import did_you_mean


def command(
    code: Annotated[
        str | None, typer.Argument(help="A code such as RCP2001; all of them without.", show_default=False)
    ] = None,
) -> None:
    """Say what a code of a finding means: why it is said, what to do, and a recipe that has it."""
    if code is None:
        typer.echo("\n".join(f"{name}  {known.title}" for name, known in sorted(CODES.items())))
    elif (name := code.upper()) in CODES:
        typer.echo(explained(name))
    else:
        near = did_you_mean(name, CODES)
        raise typer.BadParameter(
            f"there is no code {code}; {near or '`recipe explain` lists them'}", param_hint="code"
        )
