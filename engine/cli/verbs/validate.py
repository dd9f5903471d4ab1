"""``recipe validate``."""

import typer

from engine import pipeline
from engine.cli.findings import (
    AsFindings,
    FindingsFormat,
    Strict,
    held_to,
    reporting,
    write_findings,
)
from engine.cli.options import AllowFile, RecipeFile, Sets, SetsJson, Unsets, overrides
from engine.language.files import Access


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    allow_file: AllowFile = False,
    strict: Strict = False,
    as_format: AsFindings = FindingsFormat.TEXT,
) -> None:
    """Check a recipe and say every problem at once, each at its place."""
    with reporting(as_format):
        warnings = held_to(
            pipeline.validate(recipe, overrides(sets, jsons, unsets), Access(allow_file=allow_file)),
            strict=strict,
        )
    write_findings(warnings, as_format)
    if as_format is FindingsFormat.TEXT:
        many = f", {len(warnings)} warning{'s' if len(warnings) > 1 else ''}" if warnings else ""
        typer.echo(f"{recipe}: valid{many}")
