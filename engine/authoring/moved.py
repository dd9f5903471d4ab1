"""An entry on its way from one section to another: what its author said about it goes with it."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from engine.authoring.edits import Edit
from engine.authoring.layout import STEP
from engine.authoring.tokens import FLOW_ENDS, FLOW_STARTS, Line, Token, between, end, start


@dataclass(frozen=True, slots=True)
class Moved:
    """An entry without its place.

    Attributes:
        said: its key and its value; lines behind the first are as they were in the file.
        column: where its key stood.
        above: the comments above it, without their ``#``.
        beside: the comment behind it, with the spaces before it; empty if there is none.
        below: the lines of comments that belong to it, and blank ones between them.
        margin: how far right of its key a further line has to stand at least.
    """

    said: str
    column: int
    above: tuple[str, ...] = ()
    beside: str = ""
    below: tuple[Line, ...] = ()
    margin: int = -(1 << 20)

    def lines(self, column: int) -> str:
        """Write it in lines of its own, with its key in a column."""
        first, *more = self.said.split("\n")
        shift = column - self.column
        said = [
            f"{' ' * column}{first}",
            *(_shifted(Line(0, line), shift, column + self.margin) for line in more),
        ]
        lines = [f"{' ' * column}#{comment}" for comment in self.above]
        lines += [*said[:-1], said[-1] + self.beside, *(_shifted(line, shift, column) for line in self.below)]
        return "".join(f"{line}\n" for line in lines)

    def in_brackets(self, text: str, opened: Token, *, alone: bool) -> str | None:
        """Write it as the first in brackets that are there; None where it needs lines of its own."""
        if "\n" in self.said or self.below:
            return None
        indent = "\n" + " " * (int(opened.start_mark.column) + 1)
        lead = "".join(f"{indent}#{comment}" for comment in self.above) + (indent if self.above else "")
        comma = "" if alone else ","
        line_ends_here = not text[end(opened) :].partition("\n")[0].strip()
        apart = "" if line_ends_here else indent if self.beside else comma and " "
        return f"{lead}{self.said}{comma}{self.beside}{apart}"


def beside(rest: str) -> str:
    """Return the rest of a line behind a value if it is a comment."""
    return rest.rstrip() if between(rest) else ""


def _shifted(line: Line, shift: int, least: int) -> str:
    """Move a line to the right; an empty one stays empty, one of spaces may be part of a text."""
    return line.text and " " * max(line.spaces + shift, least, 0) + line.text.lstrip(" ")


@dataclass(frozen=True, slots=True)
class Bracketed:
    """An entry in brackets, between the tokens of its neighbours.

    Attributes:
        before: the bracket or the comma before it.
        last: the last token of its value.
        comma: the comma behind it, if there is one.
        following: what comes then: a key or the bracket that closes.
    """

    text: str
    at: int
    before: Token
    last: Token
    comma: Token | None
    following: Token

    @classmethod
    def of(cls, text: str, found: list[Token], at: int) -> "Bracketed":
        """Find the entry whose key begins at an offset."""
        said = [token for token in found if end(token) > start(token)]
        first = last = next(number for number, token in enumerate(said) if end(token) > at)
        depth = 0
        while depth or not isinstance(said[last + 1], (yaml.FlowEntryToken, *FLOW_ENDS)):
            last += 1
            depth += isinstance(said[last], FLOW_STARTS) - isinstance(said[last], FLOW_ENDS)
        comma = said[last + 1] if isinstance(said[last + 1], yaml.FlowEntryToken) else None
        return cls(text, at, said[first - 1], said[last], comma, said[last + 2 if comma else last + 1])

    @property
    def alone(self) -> bool:
        """Whether nothing else stands in the brackets."""
        return isinstance(self.before, FLOW_STARTS) and isinstance(self.following, FLOW_ENDS)

    def moved(self, said: str, column: int) -> Moved:
        """Return it without its place: comments in lines above it and the one in its last line go with it."""
        _, _, own = self._lead.partition("\n")
        above = tuple(between(own))
        return Moved(said, column, above, beside(self._tail.partition("\n")[0]), margin=STEP)

    def out(self) -> Iterator[Edit]:
        """Yield the edits that take it out; the comments of its neighbours stay."""
        same_line, starts_line, own = self._lead.partition("\n")
        behind, line_ends, later = self._tail.partition("\n")
        begin, stop = self.at, end(self.comma or self.last) + len(behind if between(behind) else "")
        indent = own.rpartition("\n")[2] if starts_line else ""
        if starts_line:
            begin = end(self.before) + len(same_line) + 1
        if self.comma:
            if not between(later):
                stop = start(self.following)
            elif starts_line:
                stop = start(self.following) - len(later.lstrip())
            else:
                stop = start(self.following) - len(later) - 1
        else:
            yield Edit(start(self.before), end(self.before), "")
            if line_ends or not between(same_line):
                begin, indent = end(self.before) + len(same_line.rstrip()), ""
        yield Edit(begin, stop, indent)

    @property
    def _lead(self) -> str:
        return self.text[end(self.before) : self.at]

    @property
    def _tail(self) -> str:
        return self.text[end(self.comma or self.last) : start(self.following)]
