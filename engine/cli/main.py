"""``recipe validate | plan | run``: three verbs, their options, and what each exit code means.

| code | meaning |
| --- | --- |
| 0 | done, valid, or nothing to do |
| 1 | the recipe is wrong, or what it points at |
| 2 | the command line is wrong |
| 4 | a stage could not do its work |
| 8 | this machine cannot: a folder cannot be read or written, the disk is full |
| 70 | a mistake of the program |
| 75 | interrupted with everything safe: run again to go on |
| 130 | interrupted before anything ran |
"""

import gc
import json
import sys
import traceback
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_cache_path

from engine import pipeline
from engine.cli.progress import watcher
from engine.cli.show import show_findings, show_outcome, show_plan
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.seam import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED, Bug, Interrupted, StageError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Recipes that train Wan video LoRAs.")  # fmt: skip

EXIT_WRONG, EXIT_MACHINE = 1, 8


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"


RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a word, over all layers; may be repeated."),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store", envvar="RECIPE_STORE", help="Folder of everything that is kept for the next run."
    ),
]
AsFormat = Annotated[Format, typer.Option("--format", help="How to write the result.")]


@app.command()
def validate(recipe: RecipeFile, sets: Sets = None, as_format: AsFormat = Format.TEXT) -> None:
    """Check a recipe and say every problem at once, each at its place."""
    warnings = pipeline.validate(recipe, sets or ())
    _findings(warnings, as_format)
    if as_format is Format.TEXT:
        typer.echo(f"{recipe}: valid" + (f", {len(warnings)} warnings" if warnings else ""))


@app.command()
def plan(
    recipe: RecipeFile, sets: Sets = None, store: StoreFolder = None, as_format: AsFormat = Format.TEXT
) -> None:
    """Show what a run would do, what it would reuse, and why. Changes nothing."""
    made, _, warnings = pipeline.plan(recipe, sets or (), _store(store))
    if as_format is Format.JSON:
        found = [finding.as_json() for finding in warnings]
        typer.echo(json.dumps(made.as_json() | {"findings": found}, indent=2, ensure_ascii=False))
    else:
        _findings(warnings, as_format)
        typer.echo(show_plan(made))


@app.command()
def run(
    recipe: RecipeFile,
    sets: Sets = None,
    store: StoreFolder = None,
    output: Annotated[Path, typer.Option(help="Folder for the files that you want to have.")] = Path(
        "outputs"
    ),
) -> None:
    """Do what the plan says, taking up where the last run stopped."""
    made, resolved, warnings = pipeline.plan(recipe, sets or (), _store(store))
    _findings(warnings, Format.TEXT)
    typer.echo(show_plan(made))
    with watcher(made) as watch:
        outcome = pipeline.run(made, resolved, _store(store), output, watch)
    typer.echo(show_outcome(outcome))


def main() -> None:
    """Run the program and turn what can go wrong into words and an exit code."""
    gc.freeze()  # what was loaded stays: collecting it at the end would cost as much as a plan
    gc.enable()
    try:
        app()
    except RecipeError as error:
        _findings(error.findings, Format.JSON if _asked_for_json() else Format.TEXT)
        sys.exit(EXIT_WRONG)
    except StageError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except OSError as error:
        typer.echo(f"error: {error.filename or 'this machine'}: {error.strerror or error}", err=True)
        sys.exit(EXIT_MACHINE)
    except Interrupted:
        typer.echo("stopped; everything so far is kept. Run the same command to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Bug as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_BUG)
    except Exception:  # noqa: BLE001 - the outermost frame: what nobody foresaw is our mistake, and we want all of it
        traceback.print_exc()
        typer.echo("error: this is a mistake of the program; please report the lines above", err=True)
        sys.exit(EXIT_BUG)


def _store(said: Path | None) -> Path:
    return (said or user_cache_path("wan-recipes")).absolute()


def _asked_for_json() -> bool:
    """Whether the command line asked for JSON; a recipe that is wrong never reaches its command's end."""
    return "--format=json" in sys.argv or ("--format", "json") in pairwise(sys.argv)


def _findings(findings: tuple[Diagnostic, ...], as_format: Format) -> None:
    if as_format is Format.JSON:
        typer.echo(
            json.dumps({"findings": [found.as_json() for found in findings]}, indent=2, ensure_ascii=False)
        )
    elif findings:
        typer.echo(show_findings(findings), err=True)
