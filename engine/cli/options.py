"""The options that several verbs share, and how results are printed."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_cache_path

from engine.cli.show import show_findings
from engine.language.diagnostics import Diagnostic
from engine.language.overrides import Override

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
SetsJson = Annotated[
    list[str] | None,
    typer.Option("--set-json", metavar="PATH=JSON", help="The same with a value in JSON; after every --set."),
]
Unsets = Annotated[
    list[str] | None,
    typer.Option("--unset", metavar="PATH", help="Take a word away, last of all; may be repeated."),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store", envvar="RECIPE_STORE", help="Folder of everything that is kept for the next run."
    ),
]
AsFormat = Annotated[Format, typer.Option("--format", help="How to write the result.")]


def overrides(
    sets: list[str] | None, jsons: list[str] | None, unsets: list[str] | None
) -> tuple[Override, ...]:
    """Return what the command line says about words, in the order in which it counts."""
    said = (("--set", sets), ("--set-json", jsons), ("--unset", unsets))
    return tuple(Override(option, text) for option, texts in said for text in texts or ())


def store_folder(said: Path | None) -> Path:
    """Return the folder that was asked for, or the user's cache."""
    return (said or user_cache_path("wan-recipes")).absolute()


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_findings(findings: Sequence[Diagnostic]) -> None:
    """Print findings for people, beside the result."""
    if findings:
        typer.echo(show_findings(findings), err=True)
