"""Findings as text for people, beside the result."""

from collections.abc import Sequence

import typer

from engine.language.diagnostics import Diagnostic, render


def print_findings(findings: Sequence[Diagnostic]) -> None:
    """Print findings to standard error."""
    if findings:
        typer.echo(show_findings(findings), err=True)


def show_findings(findings: Sequence[Diagnostic]) -> str:
    """Write findings one after the other, and how many there are."""
    errors = sum(found.severity == "error" for found in findings)
    total = f"\n\n{errors} problem{'s' if errors > 1 else ''}" if errors else ""
    return "\n\n".join(map(render, findings)) + total
