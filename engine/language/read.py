"""Text → nodes: YAML 1.2 core, read from libyaml's events, with hard limits and no surprises.

``1e-4`` is a number; ``NO``, ``16:9``, ``on``, ``012``, ``1_000`` and ``2024-01-02`` are strings. Duplicate keys, tags,
``<<``, second documents, infinities and keys that are not strings are findings. The limits hold on the event stream,
before any tree is built, so that a hostile file costs next to nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Entry, Items, Mapping, Node, Scalar, Source, Span
from engine.language.secrets import hidden

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_SCALAR = 1 << 16
MAX_INTEGER = 2**53

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class _Stop(Exception):
    """Reading cannot go on; carries the finding."""

    def __init__(self, found: Diagnostic) -> None:
        self.found = found


def read_text(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """Read one document. Returns its tree (None where it cannot be told) and every finding."""
    source, secrets = hidden(source)
    reader = _Reader(source)
    try:
        return reader.document(), [*secrets, *reader.findings]
    except _Stop as stop:
        return None, [*secrets, *reader.findings, stop.found]


def read_file(path: Path, name: str) -> tuple[Node | None, list[Diagnostic]]:
    """Read a file; one that is missing, too large or not UTF-8 is a finding like any other."""
    empty = Source(name, "", path.parent)
    start = Span(empty, 1, 1, 2)
    try:
        if path.stat().st_size > MAX_CHARACTERS:
            return None, [Diagnostic("RCP1005", f"the file is larger than {MAX_CHARACTERS:,} bytes", start)]
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return None, [Diagnostic("RCP1006", f"cannot read {name}: {error.strerror}", start)]
    except UnicodeDecodeError as error:
        return None, [Diagnostic("RCP1006", f"{name} is not UTF-8 (byte {error.start})", start)]
    return read_text(Source(name, text, path.parent))


class _Reader:
    """Builds the tree of one source from its events."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Diagnostic] = []
        self.anchors: dict[str, Node] = {}
        self.nodes = 0
        self.events = self._parse()

    def document(self) -> Node:
        node: Node | None = None
        for event in self.events:
            match event:
                case yaml.DocumentStartEvent() if node is not None:
                    self._add("RCP1003", "a second document", event, "a recipe file holds one document")
                    return node
                case yaml.NodeEvent():
                    node = self._node(event, 1)
        return node if node is not None else Mapping((), Span(self.source, 1, 1, 2))

    def _parse(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self.source.text, Loader=yaml.CLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            span = Span(self.source, line, column, column + 1)
            text = self.source.text.splitlines()
            tab = line <= len(text) and text[line - 1][:column].endswith("\t")
            help_ = "YAML is indented with spaces, never with tabs" if tab else ""
            message = f"not YAML: {error.problem or error.context}"
            raise _Stop(Diagnostic("RCP1001", message, span, help=help_)) from None
        except yaml.YAMLError as error:  # a character that YAML does not allow has no mark
            span = Span(self.source, 1, 1, 2)
            raise _Stop(Diagnostic("RCP1001", f"not YAML: {error}".splitlines()[0], span)) from None

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            what = (
                f"nested deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else f"more than {MAX_NODES:,} values"
            )
            raise _Stop(Diagnostic("RCP1005", what, self._span(event)))
        if (tag := getattr(event, "tag", None)) is not None:
            self._add("RCP1003", f"the tag {tag}", event, "recipes are plain data: write the value itself")
        match event:
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.ScalarEvent():
                node: Node = Scalar(self._scalar(event), self._span(event))
            case yaml.SequenceStartEvent():
                node = self._items(event, depth)
            case _:
                node = self._mapping(event, depth)
        if anchor := getattr(event, "anchor", None):
            self.anchors[anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        node = self.anchors.get(str(event.anchor))
        if node is None:
            raise _Stop(Diagnostic("RCP1003", f"*{event.anchor} names nothing that is complete here",
                                   self._span(event)))  # fmt: skip
        self.nodes += _size(node)
        return node

    def _items(self, event: yaml.Event, depth: int) -> Items:
        span = self._span(event)
        items: list[Node] = []
        while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
        return Items(tuple(items), span)

    def _mapping(self, event: yaml.Event, depth: int) -> Mapping:
        span = self._span(event)
        entries: dict[str, Entry] = {}
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent):
            key_node = self._node(inner, depth + 1)
            value = self._node(next(self.events), depth + 1)
            key = self._key(inner, key_node)
            if key in entries:
                first = ("first written at", entries[key].key_span)
                self._add("RCP1002", f"the key `{key}` stands twice", inner, "keep one of the two", (first,))
            elif key is not None:
                entries[key] = Entry(key, key_node.span, value)
        return Mapping(tuple(entries.values()), span)

    def _key(self, event: yaml.Event, node: Node) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            self._add("RCP1003", "the merge key `<<`", event, "use `extends` to build on another file")
            return None
        # a key is a word as it is written: `on:` and `1:` are the strings "on" and "1" only when quoted or harmless
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        self._add("RCP1003", "a key that is not a string", event, "quote it")
        return None

    def _scalar(self, event: yaml.ScalarEvent) -> bool | int | float | str | None:
        text: str = event.value
        if len(text) > MAX_SCALAR:
            raise _Stop(
                Diagnostic("RCP1005", f"a value of more than {MAX_SCALAR:,} characters", self._span(event))
            )
        if "\0" in text:
            self._add("RCP1003", "a text with a zero character", event, "no file and no word has one")
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_FINITE.fullmatch(text):
            self._add("RCP1004", f"{text} is not a finite number", event, "write a number, or quote it")
            return 0
        if _INTEGER.fullmatch(text):
            return self._integer(text, event)
        if _FLOAT.fullmatch(text) and any(character.isdigit() for character in text):
            number = float(text)
            if abs(number) < float("inf"):
                return number
            self._add(
                "RCP1004", f"{text} is too large for a number", event, "write a smaller one, or quote it"
            )
            return 0
        return text

    def _integer(self, text: str, event: yaml.ScalarEvent) -> int:
        if len(text) <= 17 and abs(int(text)) <= MAX_INTEGER:
            return int(text)
        self._add("RCP1004", f"{text[:20]}… is too large for a number" if len(text) > 20 else
                  f"{text} is too large for a number", event, "quote it if it is a name")  # fmt: skip
        return 0

    def _add(self, code: str, message: str, event: yaml.Event, help_: str = "",
             related: tuple[tuple[str, Span], ...] = ()) -> None:  # fmt: skip
        self.findings.append(Diagnostic(code, message, self._span(event), help=help_, related=related))

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        assert start is not None, "libyaml marks every event"
        assert end is not None, "with its end as well"
        same_line = end.line == start.line and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent)
        last = end.column + 1 if same_line else start.column + 2
        return Span(self.source, start.line + 1, start.column + 1, max(last, start.column + 2))


def _size(node: Node) -> int:
    match node:
        case Scalar():
            return 1
        case Items(items):
            return 1 + sum(map(_size, items))
        case Mapping(entries):
            return 1 + sum(_size(entry.value) for entry in entries)
