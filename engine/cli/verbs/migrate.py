"""``recipe migrate``."""

from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from engine.authoring.edits import put, readable
from engine.authoring.migrate import brought_up
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import shown


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipe files.", show_default=False)],
    write: Annotated[bool, typer.Option("--write", help="Write the files in place.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 where a file is of an older version.")
    ] = False,
) -> None:
    """Bring recipe files to the current version of the language; without --write, show what would change."""
    findings, old = list[Diagnostic](), 0
    for file in files:
        try:
            source, node = readable(file)
            text = brought_up(source, node)
        except RecipeError as error:  # this one is left alone; the others can still be brought up
            findings += error.findings
            continue
        if text == source.text:
            continue
        old += 1
        if write:
            put(file, _ended_like(file, text))
        typer.echo(f"{shown(file)}: {'brought up' if write else 'of an older version'}")
        if not write and not check:
            typer.echo(_difference(source.text, text), nl=False)
    if findings:
        raise RecipeError(findings)
    raise typer.Exit(1 if check and old else 0)


def _ended_like(file: Path, text: str) -> str:
    """Give lines the ends that they have in the file, so that a diff shows nothing else."""
    return text.replace("\n", "\r\n") if b"\r\n" in file.read_bytes() else text


def _difference(old: str, new: str) -> str:
    said = unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), "as it is", "as it would be"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in said)
