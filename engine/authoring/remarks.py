"""Which comment of a file is about which word."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

from engine.authoring.tokens import end, lines, located, start, tokens
from engine.language.nodes import Span


@dataclass(slots=True)
class Remarks:
    """The comments about a word, with their ``#``: those to be said above it, and the one beside it."""

    above: list[str] = field(default_factory=list)
    beside: str = ""


@dataclass(frozen=True, slots=True)
class _Word:
    """A key with its value.

    Attributes:
        at: offset of the key.
        value: offset of the value; ``end`` lies behind its last character.
        section: whether the value holds words, and is not written in one line when all is.
    """

    at: int
    value: int
    end: int
    section: bool
    remarks: Remarks = field(default_factory=Remarks)


def remarks_at(span: Span) -> Remarks:
    """Return the comments about the word whose key or value stands there."""
    at = sum(len(line.text) + 1 for line in lines(span.source.text)[: span.line - 1]) + span.column - 1
    return _remarks(span.source.text).get(at, Remarks())


@lru_cache(maxsize=32)
def _remarks(text: str) -> dict[int, Remarks]:
    """Give each comment to one word; those at the head of a file are about the file."""
    tree = yaml.compose(text, Loader=yaml.CLoader)
    full = [token for token in tokens(text) if end(token) > start(token)]
    words = sorted(
        _words(tree, [start(token) for token in full], [end(token) for token in full]),
        key=lambda word: word.at,
    )
    head = next((line.start for line in lines(text) if not line.comment), len(text))
    for at, said in located(text):
        if at >= head and words:
            _give(text, words, at, f"#{said}")
    return {place: word.remarks for word in words for place in (word.at, word.value)}


def _words(node: yaml.Node | None, starts: list[int], ends: list[int]) -> Iterator[_Word]:
    """Yield the words of sections; what lies in a list is a part of its value."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        last = ends[bisect_right(starts, max(value.end_mark.index - 1, key.start_mark.index)) - 1]
        yield _Word(key.start_mark.index, value.start_mark.index, last, isinstance(value, yaml.MappingNode))
        if value.start_mark.index > key.start_mark.index:  # an alias repeats what was said above
            yield from _words(value, starts, ends)


def _give(text: str, words: list[_Word], at: int, said: str) -> None:
    """A comment on a line of its own is about the word below, unless it stands in the value above or right of that word."""
    number = bisect_right(words, at, key=lambda word: word.at)
    above = words[number - 1] if number else None
    below = words[number] if number < len(words) else None
    own = not text[_line(text, at) : at].strip()
    inside = above is not None and not above.section and at < above.end
    is_lower = below is not None and _column(text, at) <= _column(text, below.at)
    if above is None or (own and not inside and is_lower):
        assert below is not None, "there is a word"
        below.remarks.above.append(said)
    elif not own and not inside and _line(text, at) == _line(text, above.at):
        above.remarks.beside = said
    else:
        above.remarks.above.append(said)


def _line(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _column(text: str, at: int) -> int:
    return at - _line(text, at)
