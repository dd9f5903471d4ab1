"""``recipe plan``."""

import typer

from engine import pipeline
from engine.cli.findings import Strict, held_to, print_findings, reporting
from engine.cli.options import (
    AllowFile,
    AsFormat,
    Format,
    RecipeFile,
    Sets,
    SetsJson,
    Unsets,
    overrides,
    print_json,
)
from engine.cli.progress import Looking
from engine.cli.show import show_plan
from engine.cli.store import StoreFolder, store_folder
from engine.cli.until import Until, last_stage
from engine.language.files import Access
from engine.language.formats import as_json


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    allow_file: AllowFile = False,
    store: StoreFolder = None,
    strict: Strict = False,
    until: Until = None,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Show what a run would do, what it would reuse, and why. Changes nothing."""
    access = Access(allow_file=allow_file, store=store_folder(store))
    with reporting(as_format):
        made, _, found = pipeline.plan(
            recipe, overrides(sets, jsons, unsets), store_folder(store), access, Looking().tell,
            until=last_stage(until),
        )  # fmt: skip
        warnings = held_to(found, strict=strict)
    if as_format is Format.JSON:
        print_json(made.as_json() | as_json(warnings))
    else:
        print_findings(warnings)
        typer.echo(show_plan(made))
