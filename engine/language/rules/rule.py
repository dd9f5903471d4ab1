"""The shape of a rule, and how it says what it found."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from engine.language.diagnostics import Diagnostic, Severity
from engine.language.nodes import Span

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

At = Callable[[str], Span]
Findings = Iterator[Diagnostic]
Rule = Callable[["Recipe", At], Findings]


def found(
    at: At, code: str, path: str, message: str, help_: str, *, because: str = "", severity: Severity = "error"
) -> Diagnostic:
    """Return a finding about the word at a path.

    Args:
        at: gives the place of a word.
        help_: why it matters, and what to do.
        because: the word that makes it one, where that is another; its place is shown as well.
    """
    related = ((f"`{because}` is set at", at(because)),) if because else ()
    return Diagnostic(code, message, at(path), path, help_, severity, related)
