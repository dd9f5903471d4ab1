"""A text as YAML's own tokens, and as lines, each with its offsets: what the formatter looks at."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

Token = yaml.Token
_COMMENT = re.compile(r"#([^\n]*)")
BLOCK_TEXTS = ("|", ">", "|+", ">+")
FLOW_STARTS = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
FLOW_ENDS = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
MARKS = (yaml.DocumentStartToken, yaml.DocumentEndToken)


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Offset behind its last character."""
        return self.start + len(self.text)

    @property
    def blank(self) -> bool:
        """Whether it holds nothing but spaces."""
        return not self.text.strip(" \t")

    @property
    def indent(self) -> int:
        """How many characters stand before the first that is not a space."""
        return len(self.text) - len(self.text.lstrip(" \t"))

    @property
    def spaces(self) -> int:
        """How many spaces it begins with: a tab behind them is part of a block text."""
        return len(self.text) - len(self.text.lstrip(" "))

    @property
    def comment(self) -> bool:
        """Whether it begins like a comment; inside of a text it is none."""
        return self.text.lstrip(" \t").startswith("#")


def lines(text: str) -> list[Line]:
    """Split a text; what stands behind the last line end is a line only where it is not empty."""
    found, at = list[Line](), 0
    for part in text.split("\n"):
        found.append(Line(at, part))
        at += len(part) + 1
    return found[:-1] if found[-1].text == "" else found


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text that is known to be YAML."""
    return list(yaml.scan(text, Loader=yaml.CLoader))


def start(token: Token) -> int:
    """Offset of the first character of a token."""
    return int(token.start_mark.index)


def end(token: Token) -> int:
    """Offset behind the last character of a token."""
    return int(token.end_mark.index)


def texts(found: list[Token]) -> Iterator[yaml.ScalarToken]:
    """Yield the values and keys that hold text."""
    return (token for token in found if isinstance(token, yaml.ScalarToken))


def comments(text: str) -> list[str]:
    """Return every comment without its ``#``, from top to bottom."""
    return [said for _, said in located(text)]


def located(text: str) -> Iterator[tuple[int, str]]:
    """Yield every comment with its offset."""
    at = 0
    for token in tokens(text):
        yield from _between(text, at, start(token))
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            head = text[start(token) : end(token)].partition("\n")[0]
            yield from _between(text, start(token), start(token) + len(head))
        at = max(at, end(token))
    yield from _between(text, at, len(text))


def between(gap: str) -> list[str]:
    """Return the comments in a text that holds no value."""
    return [said for _, said in _between(gap, 0, len(gap))]


def _between(text: str, begin: int, stop: int) -> Iterator[tuple[int, str]]:
    for found in _COMMENT.finditer(text, begin, stop):
        yield found.start(), found[1].rstrip()


@dataclass(frozen=True, slots=True)
class Long:
    """A text that goes over several lines.

    Attributes:
        start, end: its offsets; a block text ends behind its last line that counts.
        style: how it is written: in ``BLOCK_TEXTS``, a quote, or ``plain``.
        margin: the spaces before each line of a block text that are not part of it; None where it says them itself.
    """

    start: int
    end: int
    style: str
    margin: int | None


@dataclass(frozen=True, slots=True)
class Inside:
    """Which offsets lie inside of a text of several lines."""

    texts: tuple[Long, ...]

    @classmethod
    def of(cls, text: str, found: list[Token]) -> "Inside":
        """Collect them."""
        every = (_long(text, token) for token in texts(found) if token.start_mark.line != token.end_mark.line)
        return cls(tuple(every))

    def at(self, offset: int) -> Long | None:
        """Return the text around an offset; None outside of one."""
        number = bisect_right(self.texts, offset, key=lambda text: text.start) - 1
        return (
            self.texts[number]
            if number >= 0 and self.texts[number].start < offset < self.texts[number].end
            else None
        )

    def style(self, offset: int) -> str | None:
        """Return how the text around an offset is written; None outside of one."""
        around = self.at(offset)
        return around.style if around else None


def _long(text: str, token: yaml.ScalarToken) -> Long:
    if token.style not in ("|", ">"):
        return Long(start(token), end(token), token.style or "plain", None)
    head, _, body = text[start(token) : end(token)].partition("\n")
    marks = head.partition("#")[0].strip("|> \t")
    said = body.removesuffix("\n").split("\n")
    full = [line for line in said if line.strip(" ")]
    margin = len(full[0]) - len(full[0].lstrip(" ")) if full else len(body)
    if "+" in marks:  # it keeps the empty lines behind it
        return Long(start(token), end(token), f"{token.style}+", None if marks != "+" else margin)
    explicit = marks not in ("", "-")
    # spaces beyond the margin are part of the text, even on a line that holds nothing else
    while said and not said[-1].strip(" ") and len(said[-1]) <= (0 if explicit else margin):
        said.pop()
    ends = start(token) + len(head) + 1 + sum(len(line) + 1 for line in said)
    return Long(start(token), ends, token.style, None if explicit else margin)
