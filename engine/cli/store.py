"""The folder of everything that is kept, as the command line says it."""

from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_cache_path

StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store", envvar="RECIPE_STORE", help="Folder of everything that is kept for the next run."
    ),
]


def store_folder(said: Path | None) -> Path:
    """Return the folder that was asked for, or the user's cache."""
    return (said or user_cache_path("wan-recipes")).absolute()
