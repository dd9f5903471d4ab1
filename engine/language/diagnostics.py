"""What is wrong with a recipe, as data: a code, a place, what is the matter, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from engine.language.codes import CODES
from engine.language.excerpts import excerpt, lines_visible, visible
from engine.language.nodes import Span

Severity = Literal["error", "warning"]
_RED, _YELLOW, _BLUE, _PLAIN = "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"


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
        """What the program says to its caller: the highest that any of the errors asks for; 1 for warnings alone."""
        return max(
            (CODES[found.code].exit for found in self.findings if found.severity == "error"), default=1
        )


def in_order(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort findings by file and place."""
    return tuple(
        sorted(findings, key=lambda found: (found.span.source.name, found.span.line, found.span.column))
    )


def render(found: Diagnostic, *, colour: bool = False) -> str:
    """Write a finding for people: the place, the line with a caret under the token, and what to do."""
    shade = _RED if found.severity == "error" else _YELLOW
    head = _coloured(f"{found.severity}[{found.code}]", shade, colour)
    lines = [f"{found.span}: {head}: {visible(found.message)}", *_lines(found.span, shade, colour)]
    for role, span in found.related:
        lines += [f"  {role} {span}", *_lines(span, _BLUE, colour)]
    if found.help:
        lines += [f"  {_coloured('help', _BLUE, colour)}: {lines_visible(found.help)}"]
    return "\n".join(lines)


def _lines(span: Span, shade: str, colour: bool) -> list[str]:
    shown = excerpt(span)
    if shown is None:
        return []
    number, line, marks = shown
    return [f"{number} | {line}", f"{'':>5} | {_coloured(marks, shade, colour)}"]


def _coloured(text: str, shade: str, colour: bool) -> str:
    return f"{shade}{text}{_PLAIN}" if colour else text
