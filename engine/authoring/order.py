"""In which order a file says its words, and where its blank lines stand."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from engine.authoring.layout import entries
from engine.authoring.tokens import Inside, Line, lines, start, texts, tokens
from engine.words.table import HEADER_WORDS, SECTIONS

_ORDER = {word: number for number, word in enumerate((*HEADER_WORDS, *SECTIONS))}
_MODELINES = ("# yaml-language-server:", "# $schema:")  # editors want them at the top


@dataclass(frozen=True, slots=True)
class _Said:
    """A line, and what it is for the order."""

    line: Line
    blank: bool
    comment: bool  # of the outermost level
    keeps: bool  # the text above would take a blank line below for its own

    @classmethod
    def of(cls, line: Line, inside: Inside) -> "_Said":
        own = inside.style(line.start) is None
        return cls(
            line,
            own and line.blank,
            own and line.text.startswith("#"),
            str(inside.style(line.end)).endswith("+"),
        )


BLANK = _Said(Line(0, ""), blank=True, comment=False, keeps=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A word of the outermost level with everything that belongs to it.

    Attributes:
        word: its key.
        lines: the comments above it, the word, and what is said under it.
        apart: whether a blank line stands above.
    """

    word: str
    lines: tuple[_Said, ...]
    apart: bool

    @property
    def rank(self) -> int:
        """Its place in a file; words that the vocabulary does not have stay behind all others."""
        return _ORDER.get(self.word, len(_ORDER))


def ordered(text: str) -> str:
    """Return a text that is laid out, with its words in the order of the vocabulary and single blank lines."""
    found = tokens(text)
    inside = Inside.of(text, found)
    every = _single([_Said.of(line, inside) for line in lines(text)])
    said = {start(token): token.value for token in texts(found)}
    words = {entry.start: said.get(entry.start, "") for entry in entries(found)
             if len(entry.blocks) == 1 and not entry.blocks[0].dashes}  # fmt: skip
    starts = [number for number, said in enumerate(every) if said.line.start in words]
    if not starts:
        return _joined(every)
    head, chunks, tail = _split(every, starts, [words[every[at].line.start] for at in starts])
    if not any(
        isinstance(token, yaml.AnchorToken) for token in found
    ):  # an alias must stay behind its anchor
        chunks.sort(key=lambda chunk: chunk.rank)
    return _joined([*head, *_apart(chunks), *tail])


def _single(every: list[_Said]) -> list[_Said]:
    """Return the lines with at most one blank line in a row, and none at the beginning and at the end."""
    kept = [said for above, said in zip([None, *every], every, strict=False)
            if not (said.blank and (above is None or above.blank))]  # fmt: skip
    return kept[:-1] if kept and kept[-1].blank else kept


def _split(
    every: list[_Said], starts: list[int], words: list[str]
) -> tuple[list[_Said], list[Chunk], list[_Said]]:
    """Divide a file: what stands at its head, its words, what stands at its end."""
    begins = [_head(every, starts[0], words[0]), *(_lead(every, at) for at in starts[1:])]
    ends = [*begins[1:], _tail(every, starts[-1])]
    chunks = []
    for word, begin, end in zip(words, begins, ends, strict=True):
        blank = every[begin].blank
        chunks.append(Chunk(word, tuple(every[begin + blank : end]), apart=blank or word in SECTIONS))
    return every[: begins[0]], chunks, every[ends[-1] :]


def _head(every: list[_Said], first: int, word: str) -> int:
    """Return where the first word begins: comments above a section move with it, those above a header word stay."""
    if word in HEADER_WORDS:
        return first
    at = first
    while at > 0 and every[at - 1].comment and not every[at - 1].line.text.startswith(_MODELINES):
        at -= 1
    return at


def _lead(every: list[_Said], at: int) -> int:
    """Return where the comments and blank lines above a word begin; a comment right below other text is that one's."""
    begin = at
    while every[begin - 1].blank or every[begin - 1].comment:
        begin -= 1
    return _behind_comments(every, begin, at)


def _tail(every: list[_Said], last: int) -> int:
    """Return where the end of the file begins."""
    begin = len(every)
    while begin - 1 > last and (
        every[begin - 1].blank or every[begin - 1].comment or every[begin - 1].line.text.startswith("...")
    ):
        begin -= 1
    return _behind_comments(every, begin, len(every)) if begin < len(every) else begin


def _behind_comments(every: list[_Said], begin: int, end: int) -> int:
    below = begin
    while below < end and every[below].comment:
        below += 1
    return below if below < end and every[below].blank else begin


def _apart(chunks: list[Chunk]) -> Iterator[_Said]:
    for number, chunk in enumerate(chunks):
        if chunk.apart and number:
            yield BLANK
        yield from chunk.lines


def _joined(every: list[_Said]) -> str:
    pairs = zip([None, *every], every, strict=False)
    kept = [said for above, said in pairs if not (said.blank and above is not None and above.keeps)]
    return "".join("\n" if said.blank else f"{said.line.text}\n" for said in kept)
