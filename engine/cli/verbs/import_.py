"""``recipe import``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.importing.recipe import Imported, from_ai_toolkit, from_musubi, from_simpletuner, report
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Source, Span


class Tool(StrEnum):
    """The trainers whose files are understood."""

    SIMPLETUNER = "simpletuner"
    MUSUBI = "musubi"
    AI_TOOLKIT = "ai-toolkit"


def command(
    tool: Annotated[Tool, typer.Argument(help="The trainer that the file is written for.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="Its file: simpletuner config.json, musubi's dataset TOML, ai-toolkit's YAML.", show_default=False)],
    data: Annotated[Path | None, typer.Option("--data", help="simpletuner: the dataset file, multidatabackend.json.")] = None,
    arguments: Annotated[str | None, typer.Option("--arguments", help="musubi: the command line that trains, or a file that holds it.")] = None,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="The recipe to write; a file that is there is never overwritten.")] = None,
    allow_unmapped: Annotated[bool, typer.Option("--allow-unmapped", help="Write the recipe even where keys cannot be said in it.")] = False,
) -> None:  # fmt: skip
    """Make a recipe from a configuration of another trainer, and say what became of every key."""
    imported = _read(tool, file, data, arguments)
    typer.echo(report(imported), err=True)
    if imported.unsupported and not allow_unmapped:
        one, _ = imported.unsupported[0]
        count = len(imported.unsupported)
        raise RecipeError([Diagnostic("RCP3202", f"{count} key{'s' if count > 1 else ''} cannot be said in a recipe; nothing was written",
                                      one.span, help="take them out, or write the recipe without them: --allow-unmapped")])  # fmt: skip
    if out is None:
        typer.echo(imported.text, nl=False)
    else:
        _write(out, imported)


def _read(tool: Tool, file: Path, data: Path | None, arguments: str | None) -> Imported:
    for option, said, whose in (("--data", data, Tool.SIMPLETUNER), ("--arguments", arguments, Tool.MUSUBI)):
        if said is not None and tool is not whose:
            raise typer.BadParameter(f"it is for {whose} only", param_hint=option)
    match tool:
        case Tool.SIMPLETUNER:
            return from_simpletuner(file, data)
        case Tool.MUSUBI:
            return from_musubi(file, arguments)
        case Tool.AI_TOOLKIT:
            return from_ai_toolkit(file)


def _write(out: Path, imported: Imported) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(imported.text)
    except FileExistsError:
        span = Span(Source(str(out), "", out.parent), 1, 1, 2)
        help_ = "name another file with -o, or move this one away"
        raise RecipeError([Diagnostic("RCP3203", f"{out} is there already", span, help=help_)]) from None
    typer.echo(f"\n{out} is written; next: recipe validate {out}", err=True)
