"""``recipe plan``."""

import typer

from engine import pipeline
from engine.cli.findings import print_findings
from engine.cli.options import (
    AsFormat,
    Format,
    RecipeFile,
    Sets,
    SetsJson,
    Unsets,
    overrides,
    print_json,
)
from engine.cli.show import show_plan
from engine.cli.store import StoreFolder, store_folder


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    store: StoreFolder = None,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Show what a run would do, what it would reuse, and why. Changes nothing."""
    made, _, warnings = pipeline.plan(recipe, overrides(sets, jsons, unsets), store_folder(store))
    if as_format is Format.JSON:
        print_json(made.as_json() | {"findings": [found.as_json() for found in warnings]})
    else:
        print_findings(warnings)
        typer.echo(show_plan(made))
