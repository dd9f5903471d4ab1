"""``recipe vendor``."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import AllowFile, RecipeFile
from engine.cli.store import StoreFolder, store_folder
from engine.language.files import Access, shown
from engine.sharing.vendor import vendor


def command(
    recipe: RecipeFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="The new folder.", show_default=False)],
    allow_file: AllowFile = False,
    store: StoreFolder = None,
) -> None:
    """Copy a recipe with every layer that it stands on, for where there is no network."""
    try:
        made = vendor(recipe, output, Access(allow_file=allow_file, store=store_folder(store)))
    except FileExistsError as error:
        raise typer.BadParameter(f"{error.filename} {error.strerror}") from None
    for file in made.files:
        typer.echo(f"  {shown(made.folder / file)}")
    for word, said in made.places:
        typer.echo(f"not copied: `{word}` says {said}; put it beside the copy, or set it with --set")
