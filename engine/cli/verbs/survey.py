"""``recipe survey``."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from engine import pipeline
from engine.cli.findings import print_findings, reporting
from engine.cli.options import AllowFile, AsFormat, Format, RecipeFile, Sets, SetsJson, Unsets, overrides
from engine.cli.progress import Looking, watcher
from engine.cli.sharing import Trust, ask_for_trust
from engine.cli.store import StoreFolder, store_folder
from engine.execute.events import Event
from engine.language.files import Access, shown
from engine.report.survey_text import survey_text


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    store: StoreFolder = None,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("outputs"),
    trust: Trust = None,
    allow_file: AllowFile = False,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Look at every clip: what is kept, cut short or left out, and why. Writes a page with contact sheets."""
    access = Access(fetch=True, allow_file=allow_file, store=store_folder(store))
    ask_for_trust(recipe, access, trust or ())
    with reporting(as_format), watcher(0) if as_format is Format.TEXT else nullcontext(_unheard) as watch:
        outcome, findings = pipeline.survey(
            recipe, overrides(sets, jsons, unsets), store_folder(store), output, watch, access, Looking().tell
        )
    said = next(file for file in outcome.files if file.name == "survey.json").read_text(encoding="utf-8")
    if as_format is Format.JSON:
        typer.echo(said)
    else:
        typer.echo(survey_text(json.loads(said)))
        typer.echo("\n".join(["", *(f"  {shown(file)}" for file in outcome.files)]))
    print_findings(findings)
    if any(found.severity == "error" for found in findings):
        raise typer.Exit(1)


def _unheard(event: Event) -> None:
    """Standard output is one document; nothing else is said there."""
