"""YAML as a tree that remembers where every key and value was written."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from engine.language.address import Blob

Plain = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None
KeyPath = tuple[str | int, ...]


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """Cut a text into lines once, however many findings it has."""
    return text.splitlines()


@dataclass(frozen=True, slots=True)
class Source:
    """A text that recipes are read from.

    Attributes:
        name: how to show it to people, such as ``recipes/cat.yaml`` or ``--set #1``.
        folder: what relative paths in it are relative to.
        blob: the file of a repository that it is; None for one of this machine.
    """

    name: str
    text: str = field(repr=False)
    folder: Path
    blob: Blob | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line of a source; line and columns count from 1, ``end`` is exclusive."""

    source: Source
    line: int
    column: int
    end: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def whole_line(self) -> str:
        """The line of the source that it lies on; empty where the source has none."""
        lines = _lines(self.source.text)
        return lines[self.line - 1] if 0 < self.line <= len(lines) else ""

    @property
    def token(self) -> str:
        """What stands there, as it is written."""
        return self.whole_line[self.column - 1 : self.end - 1]

    def as_json(self) -> dict[str, str | int]:
        """Return plain data for machines."""
        return {"file": self.source.name, "line": self.line, "column": self.column, "end": self.end}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts."""

    value: bool | int | float | str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    items: tuple["Node", ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value."""

    key: str
    key_span: Span
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; keys are unique and in the order of the text."""

    entries: tuple[Entry, ...]
    span: Span

    def get(self, key: str) -> Entry | None:
        """Return the entry of a key."""
        return next((entry for entry in self.entries if entry.key == key), None)


Node = Scalar | Items | Mapping


def plain(node: Node) -> Plain:
    """Forget the places."""
    match node:
        case Scalar(value):
            return value
        case Items(items):
            return [plain(item) for item in items]
        case Mapping(entries):
            return {entry.key: plain(entry.value) for entry in entries}


def value_span(node: Node, path: KeyPath) -> Span:
    """Return the place of the value at a path, or of the nearest part above it that exists."""
    for part in path:
        match node, part:
            case Mapping(), str() if (entry := node.get(part)) is not None:
                node = entry.value
            case Items(items), int() if part < len(items):
                node = items[part]
            case _:
                break
    return node.span


def key_span(node: Node, path: KeyPath) -> Span:
    """Return the place of the last key of a path; the value's where it has none."""
    *above, last = path
    for part in above:
        match node, part:
            case Mapping(), str() if (entry := node.get(part)) is not None:
                node = entry.value
            case Items(items), int() if part < len(items):
                node = items[part]
    if isinstance(node, Mapping) and isinstance(last, str) and (entry := node.get(last)) is not None:
        return entry.key_span
    return value_span(node, (last,))


def key_before(value: Span, key: str) -> Span:
    """Return the place of the key that a value stands behind; the value's where the key is written in another way."""
    head, line = value.whole_line[: value.column - 1], value.line
    lines = _lines(value.source.text)
    while not head.strip() and line > 1:  # a value may begin on the line after its key
        line -= 1
        head = lines[line - 1]
    column = head.rfind(key) + 1
    return Span(value.source, line, column, column + len(key)) if column and key else value


def without(node: Node, paths: Collection[KeyPath]) -> Node:
    """Return the tree without the values at some paths."""
    if not paths or not isinstance(node, Mapping):
        return node
    below = dict[str | int, list[KeyPath]]()
    for head, *rest in filter(None, paths):
        below.setdefault(head, []).append(tuple(rest))
    kept: list[Entry] = []
    for entry in node.entries:
        gone = below.get(entry.key, [])
        if not gone:
            kept.append(entry)
        elif all(gone) and isinstance(entry.value, Mapping):
            kept.append(Entry(entry.key, entry.key_span, without(entry.value, gone)))
    return Mapping(tuple(kept), node.span)


def leaves(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Entry]]:
    """Yield every entry whose value is not a mapping, with its path."""
    if isinstance(node, Mapping):
        for entry in node.entries:
            below = (*path, entry.key)
            if isinstance(entry.value, Mapping):
                yield from leaves(entry.value, below)
            else:
                yield below, entry
