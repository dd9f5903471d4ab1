"""``recipe validate``."""

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


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Check a recipe and say every problem at once, each at its place."""
    warnings = pipeline.validate(recipe, overrides(sets, jsons, unsets))
    if as_format is Format.JSON:
        print_json({"findings": [found.as_json() for found in warnings]})
        return
    print_findings(warnings)
    typer.echo(f"{recipe}: valid" + (f", {len(warnings)} warnings" if warnings else ""))
