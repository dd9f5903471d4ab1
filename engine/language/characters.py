r"""Characters that mislead: they end a line for YAML and for no editor, turn text around, or look like a space.

Such a file says one thing to whoever reviews it and another to the program. What is written as an escape, such as
``\u2028`` in quotes, is seen by everybody and always allowed; so is right-to-left text in quoted and block values.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Source, Span

BOM = "\ufeff"
_BREAKS = re.compile("[\x85\u2028\u2029]")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LIKE_A_SPACE = "[\xa0\xad\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff]"
_ANYWHERE = re.compile(_LIKE_A_SPACE)
_BESIDE_A_KEY = re.compile(
    f"^{_LIKE_A_SPACE}|:{_LIKE_A_SPACE}|{_LIKE_A_SPACE}:|{_LIKE_A_SPACE}$", re.MULTILINE
)


def without_bom(source: Source) -> tuple[Source, list[Diagnostic]]:
    """Return a text without the mark that some editors put before it, and a finding if there was one."""
    if not source.text.startswith(BOM):
        return source, []
    bare = replace(source, text=source.text.removeprefix(BOM))
    help_ = "save it as UTF-8 without BOM: other programs take the mark for a part of the first word"
    message = "the file begins with a byte order mark"
    return bare, [Diagnostic("RCP1007", message, Span(bare, 1, 1, 2), help=help_, severity="warning")]


def line_ends(source: Source) -> Iterator[Diagnostic]:
    """Find characters that end a line for YAML, and that editors and git show within one."""
    help_ = 'write "\\u{:04x}" in double quotes, or take it out'
    for match in _BREAKS.finditer(source.text):
        yield _at(source, match.start(), "ends a line for some readers only", help_.format(ord(match[0])))


def turns(text: str) -> bool:
    """Return whether anything in a text turns its direction."""
    return _TURNING.search(text) is not None


def turned(source: Source, prose: list[tuple[int, int]]) -> Iterator[Diagnostic]:
    """Find what turns the direction of text outside of quoted and block values, whose stretches are given."""
    starts = [start for start, _ in prose]  # in the order of the text, none within another
    for match in _TURNING.finditer(source.text):
        before = bisect_right(starts, match.start()) - 1
        if before < 0 or match.start() >= prose[before][1]:
            help_ = "take it out; text that is written from right to left stands in quotes"
            yield _at(source, match.start(), "shows text in another order than it is read", help_)


def space_beside_key(text: str) -> str | None:
    """Return the character of a plain value that looks like the space after a colon, or before a word."""
    found = _BESIDE_A_KEY.search(text)
    return found[0].strip(":") if found else None


def space_in_key(text: str) -> str | None:
    """Return the character of a key that looks like a space, or like nothing."""
    found = _ANYWHERE.search(text)
    return found[0] if found else None


def name(character: str) -> str:
    """Return what a character is called, such as ``no-break space (U+00A0)``."""
    return f"{unicodedata.name(character, 'a character').lower()} (U+{ord(character):04X})"


def _at(source: Source, offset: int, what: str, help_: str) -> Diagnostic:
    before = source.text[:offset]
    line, column = before.count("\n") + 1, offset - before.rfind("\n")
    message = f"{name(source.text[offset])} {what}"
    return Diagnostic("RCP1007", message, Span(source, line, column, column + 1), help=help_)
