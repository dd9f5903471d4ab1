"""Findings on the way out: for people beside the result, or as the one document that a machine asked for."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from engine.cli.options import print_json
from engine.language.diagnostics import Diagnostic, RecipeError, render

MOST = 100  # findings that are shown one by one; nobody reads more, and the formats for machines have all


class FindingsFormat(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


AsFindings = Annotated[FindingsFormat, typer.Option("--format", help="How to write the findings.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take every warning for an error.")]


@contextmanager
def reporting(as_format: StrEnum) -> Iterator[None]:
    """Write the findings of a recipe that is wrong in the format that was asked for, and leave with their exit code."""
    try:
        yield
    except RecipeError as error:
        write_findings(error.findings, as_format)
        raise typer.Exit(error.exit_code) from None


def write_findings(findings: Sequence[Diagnostic], as_format: StrEnum) -> None:
    """Write findings in a format; standard output is then the document and nothing else."""
    if as_format == FindingsFormat.TEXT:
        print_findings(findings)
        return
    # who reads the text has no use for what the others need
    from engine.language.formats import as_github, as_json, as_sarif

    match as_format:
        case FindingsFormat.GITHUB:
            typer.echo(as_github(findings), nl=bool(findings))
            print_findings(findings)  # for people as well: GitHub shows only ten annotations of a kind
        case FindingsFormat.SARIF:
            print_json(as_sarif(findings))
        case _:
            print_json(as_json(findings))


def held_to(findings: Sequence[Diagnostic], *, strict: bool) -> Sequence[Diagnostic]:
    """Pass findings on, unless warnings count as errors.

    Raises:
        RecipeError: there are warnings, and it is strict.
    """
    if strict and findings:
        raise RecipeError([replace(found, severity="error") for found in findings])
    return findings


def print_findings(findings: Sequence[Diagnostic]) -> None:
    """Print findings for people to standard error."""
    if findings:
        typer.echo(show_findings(findings, colour=_colourful()), err=True, color=True)


def show_findings(findings: Sequence[Diagnostic], *, colour: bool = False) -> str:
    """Write findings one after the other, and how many there are."""
    parts = [render(found, colour=colour) for found in findings[:MOST]]
    if len(findings) > MOST:
        parts += [f"… and {len(findings) - MOST:,} more"]
    if any(found.severity == "error" for found in findings):
        parts += [counted(findings)]
    return "\n\n".join(parts)


def counted(findings: Sequence[Diagnostic]) -> str:
    """Say how many problems and warnings there are."""
    errors = sum(found.severity == "error" for found in findings)
    counts = ((errors, "problem"), (len(findings) - errors, "warning"))
    return ", ".join(f"{count:,} {what}{'s' * (count != 1)}" for count, what in counts if count)


def _colourful() -> bool:
    """Whether standard error is a terminal that shows colours, and its owner wants them."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
