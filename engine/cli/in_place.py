"""Change files of the user where they lie: what was done, what is to be done, and what was left alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from engine.authoring.edits import put
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import shown


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a file.

    Attributes:
        new: returns the new text of a file; None where it may stay as it is.
        done: what to say of a file that was written.
        due: what to say of one that was not.
    """

    new: Callable[[Path], str | None]
    done: str
    due: str


def go_over(
    files: list[Path], change: Change, *, write: bool, show: Callable[[Path, str], str] | None = None
) -> int:
    """Change files, or only say which are to be changed; return how many these are.

    Args:
        show: what else to say of a file, given its new text.

    Raises:
        RecipeError: some were left alone. All others have been changed.
    """
    findings, many = list[Diagnostic](), 0
    for file in files:
        try:
            text = change.new(file)
        except RecipeError as error:
            findings += error.findings
            continue
        if text is None:
            continue
        many += 1
        said = show(file, text) if show else ""
        if write:
            put(file, text)
        typer.echo(f"{shown(file)}: {change.done if write else change.due}\n{said}", nl=False)
    if findings:
        raise RecipeError(findings)
    return many
