"""``recipe card``."""

from pathlib import Path
from typing import Annotated

import typer

from engine import pipeline
from engine.cli.options import AllowFile, RecipeFile
from engine.cli.store import StoreFolder, store_folder
from engine.language.files import Access, shown
from engine.sharing.card import NotMade, make_card


def command(
    recipe: RecipeFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="The new folder.", show_default=False)],
    allow_file: AllowFile = False,
    store: StoreFolder = None,
) -> None:
    """Write what a finished training was made of, for others to check: recipe, layers, lock, digests."""
    access = Access(allow_file=allow_file, store=store_folder(store))
    plan, resolved, _ = pipeline.plan(recipe, (), store_folder(store), access)
    try:
        files = make_card(resolved, plan, output, access)
    except NotMade as error:
        raise typer.BadParameter(str(error)) from None
    except FileExistsError as error:
        raise typer.BadParameter(f"{error.filename} {error.strerror}") from None
    for file in files:
        typer.echo(f"  {shown(output / file)}")
