"""What is wrong with a recipe, as data: a code, a place, what is the matter, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from engine.language.codes import CODES
from engine.language.nodes import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        path: dotted path of the word that it is about; may be empty.
        message: what is wrong, with the value.
        help: why, and what to do.
        related: further places, each with its role.
    """

    code: str
    message: str
    span: Span
    path: str = ""
    help: str = ""
    severity: Severity = "error"
    related: tuple[tuple[str, Span], ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"the code {self.code} is not in the table")

    def as_json(self) -> dict[str, Any]:
        """Return plain data for machines."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "help": self.help,
            "path": self.path,
            "at": self.span.as_json(),
            "related": [{"role": role, "at": span.as_json()} for role, span in self.related],
        }


class RecipeError(Exception):
    """The recipe is wrong; carries every finding, sorted by place."""

    def __init__(self, findings: Iterable[Diagnostic]) -> None:
        self.findings = in_order(findings)
        super().__init__("\n".join(f"{found.span}: {found.message}" for found in self.findings))

    @property
    def exit_code(self) -> int:
        """What the program says to its caller: the highest that any of the errors asks for."""
        return max(CODES[found.code].exit for found in self.findings)


def in_order(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort findings by file and place."""
    return tuple(
        sorted(findings, key=lambda found: (found.span.source.name, found.span.line, found.span.column))
    )


def render(found: Diagnostic) -> str:
    """Write a finding for people: the place, the line with a caret under the token, and what to do."""
    lines = [f"{found.span}: {found.severity}[{found.code}]: {found.message}", *_excerpt(found.span)]
    for role, span in found.related:
        lines += [f"  {role} {span}"]
    if found.help:
        lines += [f"  help: {found.help}"]
    return "\n".join(lines)


def _excerpt(span: Span) -> list[str]:
    text = span.source.text.splitlines()
    if not 0 < span.line <= len(text):
        return []
    line = text[span.line - 1]
    # a tab before the caret stays a tab, so that the caret stands under its token on any terminal
    pad = "".join("\t" if character == "\t" else " " for character in line[: span.column - 1])
    marks = "^" + "~" * (min(span.end, len(line) + 1) - span.column - 1)
    gutter = f"{span.line:>5} | "
    return [f"{gutter}{line}", f"{'':>5} | {pad}{marks}"]
