"""``recipe run``."""

from pathlib import Path
from typing import Annotated

import typer

from engine import pipeline
from engine.cli.findings import print_findings
from engine.cli.options import (
    RecipeFile,
    Sets,
    SetsJson,
    Unsets,
    overrides,
)
from engine.cli.progress import watcher
from engine.cli.show import show_outcome, show_plan
from engine.cli.store import StoreFolder, store_folder


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    store: StoreFolder = None,
    output: Annotated[Path, typer.Option(help="Folder for the files that you want to have.")] = Path(
        "outputs"
    ),
) -> None:
    """Do what the plan says, taking up where the last run stopped."""
    made, resolved, warnings = pipeline.plan(recipe, overrides(sets, jsons, unsets), store_folder(store))
    print_findings(warnings)
    typer.echo(show_plan(made))
    with watcher(made) as watch:
        outcome = pipeline.run(made, resolved, store_folder(store), output, watch)
    typer.echo(show_outcome(outcome))
