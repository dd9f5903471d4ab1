"""A line of a recipe with a caret under the token, as it looks on a terminal.

Columns of a place count characters; a terminal counts cells. A Chinese character takes two, an accent that combines
none. A long line is cut around the token. Nothing of a stranger's file reaches the terminal as a control character.
"""

import re
import unicodedata

from engine.language.nodes import Span

WIDTH = 110  # cells of a line that are shown
BEFORE = 50  # of them before the token, where the line is cut
_CUT = "…"
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def excerpt(span: Span) -> tuple[str, str, str] | None:
    """Return the number of a line, the line, and the marks under it; None where the source has no such line."""
    whole = span.whole_line
    if not whole:
        return None
    start, end = span.column - 1, max(span.end - 1, span.column)
    first, last = _window(whole, start)
    head, tail = (_CUT if first else ""), (_CUT if last < len(whole) else "")
    pad = " " * len(head) + "".join("\t" if one == "\t" else " " * cells(one) for one in whole[first:start])
    marks = "^" + "~" * (cells(whole[start : min(end, last)]) - 1)
    return f"{span.line:>5}", f"{head}{visible(whole[first:last])}{tail}", pad + marks


def visible(text: str) -> str:
    """Return a text with every character that would act on the terminal, or turn the text, replaced by a sign."""
    return _UNSEEN.sub("\ufffd", text) if not text.isprintable() else text


def lines_visible(text: str) -> str:
    """The same for a text of several lines."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if character in "\u200b\u200c\u200d\u2060\xad" or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _window(line: str, start: int) -> tuple[int, int]:
    """Return the stretch of a line that is shown: all of it, or what stands around the token."""
    if len(line) <= WIDTH and cells(line) <= WIDTH:
        return 0, len(line)
    first, room = min(start, len(line)), BEFORE
    while first and (room := room - cells(line[first - 1])) >= 0:
        first -= 1
    last, room = first, WIDTH
    while last < len(line) and (room := room - cells(line[last])) >= 0:
        last += 1
    return first, last
