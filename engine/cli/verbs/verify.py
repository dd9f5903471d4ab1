"""``recipe verify``."""

from pathlib import Path
from typing import Annotated

import typer

from engine.sharing.card import verify


def command(card: Annotated[Path, typer.Argument(help="The folder of a card.", show_default=False)]) -> None:
    """Hold the folder of a card against what the card says."""
    facts = verify(card)
    typer.echo(
        f"{card}: {len(facts['files'])} files are what the card says, and the recipe comes to {facts['resolved']}"
    )
