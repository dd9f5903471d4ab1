"""``recipe fmt``."""

from pathlib import Path
from typing import Annotated

import typer

from engine.authoring.edits import put, readable
from engine.authoring.form import formed
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import shown


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipe files.", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a file is not in form.")
    ] = False,
) -> None:
    """Bring recipe files into the form of the house. What they say, and their comments, stay as they are."""
    findings, loose = list[Diagnostic](), 0
    for file in files:
        try:
            source, _ = readable(file)
        except RecipeError as error:  # this one is left alone; the others can still be formed
            findings += error.findings
            continue
        text = formed(source)
        if file.read_bytes() != text.encode():
            loose += 1
            typer.echo(f"{shown(file)}: {'not in form' if check else 'formed'}")
            if not check:
                put(file, text)
    if findings:
        raise RecipeError(findings)
    raise typer.Exit(1 if check and loose else 0)
