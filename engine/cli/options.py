"""The options that several verbs share, and how results are printed."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.language.overrides import Override


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
AllowFile = Annotated[
    bool,
    typer.Option(
        "--allow-file",
        envvar="RECIPE_ALLOW_FILE",
        help="Read repositories of this machine, git+file:// ones.",
    ),
]
AsFormat = Annotated[Format, typer.Option("--format", help="How to write the result.")]


def overrides(
    sets: list[str] | None, jsons: list[str] | None, unsets: list[str] | None
) -> tuple[Override, ...]:
    """Return what the command line says about words, in the order in which it counts."""
    said = (("--set", sets), ("--set-json", jsons), ("--unset", unsets))
    return tuple(Override(option, text) for option, texts in said for text in texts or ())


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
