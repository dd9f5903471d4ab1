"""Where each line begins, what stands between two words of a line, and how ``true`` is spelt."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import yaml

from engine.authoring.edits import Edit, edited
from engine.authoring.tokens import (
    BLOCK_TEXTS,
    FLOW_ENDS,
    FLOW_STARTS,
    MARKS,
    Inside,
    Line,
    Long,
    Token,
    end,
    lines,
    start,
    texts,
    tokens,
)

STEP = 2
_SPELT = {word: word.lower() for word in ("True", "TRUE", "False", "FALSE", "Null", "NULL")} | {"~": "null"}
_OPENS = (yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken)
_VALUES = (yaml.ScalarToken, yaml.AliasToken, yaml.AnchorToken, *FLOW_STARTS)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of keys, or of dashes, and the column in which they stand and in which they will."""

    old: int
    new: int
    dashes: bool
    bare: bool = False  # dashes in the column of the key above them: YAML sees no block there


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, or a dash, with the blocks that are open around it, outermost first."""

    start: int
    blocks: tuple[Block, ...]

    @property
    def shift(self) -> int:
        """How far it moves to the right."""
        return self.blocks[-1].new - self.blocks[-1].old


def laid_out(text: str) -> str:
    """Return the text with its indents, its spaces and its literals in the form of the house."""
    found = tokens(text)
    inside = Inside.of(text, found)
    edits = [*_indents(text, found, inside), *_gaps(text, found), *_trailing(text, inside)]
    edits += [Edit(start(token), end(token), _SPELT[token.value]) for token in texts(found)
              if token.plain and token.value in _SPELT]  # fmt: skip
    return edited(text, edits)


def entries(found: list[Token]) -> Iterator[Entry]:
    """Yield every key and every dash that begins a part of a block."""
    blocks: tuple[Block, ...] = ()
    flow = 0
    for token in found:
        if isinstance(token, FLOW_STARTS):
            flow += 1
        elif isinstance(token, FLOW_ENDS):
            flow -= 1
        elif flow:
            continue
        elif isinstance(token, _OPENS):
            dashes = isinstance(token, yaml.BlockSequenceStartToken)
            blocks = (*blocks, Block(int(token.start_mark.column), _inner(blocks), dashes))
        elif isinstance(token, yaml.BlockEndToken):
            blocks = blocks[:-2] if blocks[-1].bare else blocks[:-1]
        elif isinstance(token, yaml.BlockEntryToken):
            if not blocks[-1].dashes:
                blocks = (
                    *blocks,
                    Block(int(token.start_mark.column), _inner(blocks), dashes=True, bare=True),
                )
            yield Entry(start(token), blocks)
        elif isinstance(token, yaml.KeyToken):
            blocks = blocks[:-1] if blocks[-1].bare else blocks
            yield Entry(start(token), blocks)


def _inner(blocks: tuple[Block, ...]) -> int:
    return blocks[-1].new + STEP if blocks else 0


def _indents(text: str, found: list[Token], inside: Inside) -> Iterator[Edit]:
    """Move the beginning of every line that is not blank."""
    every = list(entries(found))
    firsts = {entry.start for entry in every}
    marks = {start(token) for token in found if isinstance(token, MARKS)}
    over = next((start(token) for token in found if isinstance(token, yaml.DocumentEndToken)), len(text))
    at = 0  # the entries before this one begin above the line
    for line, follows in _with_tokens(text, found):
        while at < len(every) and every[at].start < line.start:
            at += 1
        above = every[at - 1] if at and line.start < over else None
        below = every[at] if at < len(every) else None
        in_block = inside.style(line.start) in BLOCK_TEXTS
        first = line.start + (line.spaces if in_block else line.indent)
        if line.start in marks or (line.blank and not in_block):
            continue
        if first in firsts and below is not None:
            new = below.blocks[-1].new
        elif line.comment and inside.style(line.start) is None and _between(follows):
            new = _of_comment(line, above, below)
        else:
            new = _goes_on(first - line.start, above, inside.at(line.start))
        yield Edit(line.start, first, " " * new)


def _with_tokens(text: str, found: list[Token]) -> Iterator[tuple[Line, tuple[Token, bool]]]:
    """Yield each line with the first token that begins in or below it, and whether that lies in brackets."""
    at, flow = 0, 0
    for line in lines(text):
        while at < len(found) - 1 and start(found[at]) < line.start:
            flow += isinstance(found[at], FLOW_STARTS) - isinstance(found[at], FLOW_ENDS)
            at += 1
        yield line, (found[at], flow > 0)


def _between(follows: tuple[Token, bool]) -> bool:
    """Whether a comment stands between two entries, and not inside of one."""
    token, flow = follows
    ends = (yaml.BlockEndToken, yaml.StreamEndToken, yaml.DocumentEndToken)
    return not flow and isinstance(token, (*_OPENS, *ends, yaml.KeyToken, yaml.BlockEntryToken))


def _of_comment(line: Line, above: Entry | None, below: Entry | None) -> int:
    """A comment belongs to what follows; one that is indented deeper than that, to the block that it closes."""
    deeper = below is not None and above is not None and len(below.blocks) > len(above.blocks)
    if below is not None and (above is None or deeper or line.indent <= below.blocks[-1].old):
        return below.blocks[-1].new
    blocks = above.blocks if above is not None else ()
    return max((block.new for block in blocks if block.old + block.bare <= line.indent), default=0)


def _goes_on(indent: int, above: Entry | None, around: Long | None) -> int:
    """A line that goes on with a value moves with the key or dash that the value belongs to."""
    if above is None:
        return indent
    least = above.blocks[-1].new + STEP
    if around is None or around.style not in BLOCK_TEXTS:
        return max(indent + above.shift, least)
    shift = above.shift if around.margin is None else least - around.margin
    return max(indent + shift, 0)


def _gaps(text: str, found: list[Token]) -> Iterator[Edit]:
    """Set the spaces between two tokens of one line."""
    said = [token for token in found if end(token) > start(token)]
    for left, right in pairwise(said):
        gap = text[end(left) : start(right)]
        wanted = _gap(left, right)
        if wanted is not None and gap != wanted and not gap.strip(" \t"):
            yield Edit(end(left), start(right), wanted)


def _gap(left: Token, right: Token) -> str | None:
    """Return what should stand between two tokens; None where it may stay."""
    match left, right:
        case yaml.AliasToken(), yaml.ValueToken():
            return " "  # `*a:` would name another anchor
        case _, yaml.ValueToken():
            return "" if isinstance(left, (yaml.ScalarToken, *FLOW_ENDS)) else None
        case ((yaml.ValueToken() | yaml.BlockEntryToken() | yaml.FlowEntryToken()), _):
            return " " if isinstance(right, (*_VALUES, yaml.BlockEntryToken)) else None
        case ((yaml.FlowMappingStartToken() | yaml.FlowSequenceStartToken()), _):
            return "" if isinstance(right, (*_VALUES, *FLOW_ENDS)) else None
        case _, (yaml.FlowEntryToken() | yaml.FlowMappingEndToken() | yaml.FlowSequenceEndToken()):
            return "" if isinstance(left, (yaml.ScalarToken, yaml.AliasToken, *FLOW_ENDS)) else None
    return None


def _trailing(text: str, inside: Inside) -> Iterator[Edit]:
    """Drop spaces at the end of lines, where they are not part of a text."""
    for line in lines(text):
        kept = line.text.rstrip(" \t")
        if len(kept) < len(line.text) and inside.style(line.end) not in (*BLOCK_TEXTS, '"'):
            yield Edit(line.start + len(kept), line.end, "")
