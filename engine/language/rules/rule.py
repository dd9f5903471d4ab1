"""The shape of a rule, and how it says what it found."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from engine.language.diagnostics import Diagnostic, Severity
from engine.language.nodes import Span, key_before
from engine.words.table import by_path

if TYPE_CHECKING:
    from engine.words.data import Dataset
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


def datasets(recipe: "Recipe") -> dict[str, "Dataset"]:
    """Return every dataset by the path of its words: `data` itself, and those of `data.more`."""
    return by_path(recipe.data, recipe.data.more)


def each(recipe: "Recipe", at: At, word: str) -> Iterator[tuple[str, "Dataset"]]:
    """Yield the datasets that say a word themselves: one that has it from `data` was asked there."""
    asked = set[Span]()
    for path, dataset in datasets(recipe).items():
        if (span := at(f"{path}.{word}")) not in asked:
            asked.add(span)
            yield path, dataset


def at_key(at: At, section: str, name: str) -> At:
    """Return the places again, where a name in a map of free names stands at the name and not at what it holds."""
    path = f"{section}.{name}"
    return lambda asked: key_before(at(path), name) if asked == path else at(asked)


def by_default(at: At, path: str) -> bool:
    """Whether a word has the value of the base: nobody chose it."""
    return at(path).source.name.startswith("builtin:base/")


def by_machine(at: At, path: str) -> bool:
    """Whether a hardware profile says a word: what fits the machine, whatever the recipe wants of it."""
    return re.search(r"^kind:\s*hardware\b", at(path).source.text, re.MULTILINE) is not None
