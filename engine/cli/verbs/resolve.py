"""``recipe resolve``."""

from typing import Annotated, Any

import typer

from engine.cli.findings import print_findings, reporting
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
from engine.language.files import Access
from engine.language.merge import leaves
from engine.language.resolve import Resolved, resolve
from engine.language.write import one_line, to_yaml


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    allow_file: AllowFile = False,
    show_origin: Annotated[
        bool, typer.Option("--show-origin", help="Say behind each value who set it.")
    ] = False,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Print the complete recipe: every word, nothing extended. What it prints is itself a recipe."""
    with reporting(as_format):
        made = resolve(recipe, overrides(sets, jsons, unsets), Access(allow_file=allow_file))
    if as_format is Format.JSON:
        print_json({"header": _header(made), "values": made.values, "origins": _origins(made)})
        return
    print_findings(made.warnings)
    header = "".join(f"{word}: {one_line(value)}\n" for word, value in _header(made).items())
    typer.echo(f"{header}\n{to_yaml(made.values, _comment(made) if show_origin else _none)}".rstrip())


def _header(made: Resolved) -> dict[str, Any]:
    kept: dict[str, Any] = {
        word: made.header[word] for word in ("title", "description", "tags") if word in made.header
    }
    return {"apiVersion": made.header["apiVersion"], "kind": made.header["kind"], **kept}


def _none(_: str) -> str:
    return ""


def _comment(made: Resolved) -> Any:
    def where(path: str) -> str:
        origin = made.origin(path)
        return str(origin.span) if origin else ""

    return where


def _origins(made: Resolved) -> dict[str, Any]:
    return {path: [origin.as_json() for origin in leaf.origins] for path, leaf in leaves(made.merged)}
