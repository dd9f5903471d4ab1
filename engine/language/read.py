"""Text → nodes: YAML 1.2 core, read from libyaml's events, with hard limits and no surprises.

``1e-4`` is a number; ``NO``, ``16:9``, ``on``, ``012``, ``1_000`` and ``2024-01-02`` are strings. Duplicate keys, tags,
``<<``, second documents, infinities and keys that are not strings are findings. The limits hold on the event stream,
before any tree is built, so that a hostile file costs next to nothing. ``docs/language.md`` has the rules.
"""

import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import yaml

from engine.language.characters import (
    line_ends,
    name,
    space_beside_key,
    space_in_key,
    turned,
    turns,
    without_bom,
)
from engine.language.diagnostics import Diagnostic, Severity
from engine.language.nodes import Entry, Items, Mapping, Node, Scalar, Source, Span
from engine.language.secrets import hidden
from engine.language.slips import bad_character, not_yaml

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_ALIASES = 64
MAX_SCALAR = 1 << 16
MAX_INTEGER = 2**53
MAX_FINDINGS = 100

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_LOOSE = {"True", "TRUE", "False", "FALSE", "Null", "NULL"}  # other programs take some of these for texts


class _Stop(Exception):
    """Reading cannot go on; carries the finding."""

    def __init__(self, found: Diagnostic) -> None:
        self.found = found


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an alias repeats, and what that costs."""

    node: Node
    nodes: int
    depth: int


def read_text(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """Read one document. Returns its tree (None where it cannot be told) and every finding."""
    if len(source.text) > MAX_CHARACTERS:
        return None, [_too_large(Source(source.name, "", source.folder))]
    source, secrets = hidden(source)
    source, findings = without_bom(source)
    findings = [*secrets, *findings]
    if not source.text.isascii() and (broken := list(islice(line_ends(source), MAX_FINDINGS))):
        return None, [*findings, *broken]  # every line below would have another number for YAML
    reader = _Reader(source)
    try:
        return reader.document(), [*findings, *reader.findings]
    except _Stop as stop:
        return None, [*findings, *reader.findings, stop.found]


def read_file(path: Path, name: str) -> tuple[Node | None, list[Diagnostic]]:
    """Read a file; one that is missing, too large or not UTF-8 is a finding like any other."""
    text, findings = text_of(path, name)
    return (None, findings) if text is None else read_text(Source(name, text, path.parent))


def text_of(path: Path, name: str) -> tuple[str | None, list[Diagnostic]]:
    """Return the text of a file with its line ends as one character; None, with a finding, where it has none."""
    empty = Source(name, "", path.parent)
    start = Span(empty, 1, 1, 2)
    try:
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            return None, [Diagnostic("RCP1006", f"cannot read {name}: it is not a plain file", start,
                                     help="a recipe is read more than once, and a pipe can be read only once: "
                                          "save it in a file first")]  # fmt: skip
        with path.open("rb") as file:
            content = file.read(MAX_CHARACTERS + 1)  # and no more: it may be growing
        if len(content) > MAX_CHARACTERS:
            return None, [_too_large(empty)]
        text = content.decode("utf-8")
    except OSError as error:
        return None, [Diagnostic("RCP1006", f"cannot read {name}: {error.strerror}", start)]
    except UnicodeDecodeError as error:
        help_ = "save it as UTF-8, without BOM"
        return None, [Diagnostic("RCP1006", f"{name} is not UTF-8 (byte {error.start})", start, help=help_)]
    return text.replace("\r\n", "\n").replace("\r", "\n"), []


def number(text: str) -> int | float | None:
    """Return the number that a plain text is in YAML 1.2 core; None where it is none, or too large for one."""
    if _INTEGER.fullmatch(text):
        # a long one is never converted: that takes time by the square of its length
        return int(text) if len(text) <= 17 and abs(int(text)) <= MAX_INTEGER else None
    if _FLOAT.fullmatch(text) and abs(value := float(text)) < float("inf"):
        return value
    return None


def _too_large(source: Source) -> Diagnostic:
    return Diagnostic("RCP1005", f"the file is larger than {MAX_CHARACTERS:,} bytes", Span(source, 1, 1, 2),
                      help="no recipe is; is this the file that you meant?")  # fmt: skip


class _Reader:
    """Builds the tree of one source from its events."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Diagnostic] = []
        self.anchors: dict[str, _Anchored] = {}
        self.nodes = self.aliases = 0
        self.ascii = source.text.isascii()
        self.prose: list[tuple[int, int]] | None = [] if turns(source.text) else None
        self.events = self._parse()

    def document(self) -> Node:
        node: Node | None = None
        for event in self.events:
            match event:
                case yaml.DocumentStartEvent() if node is not None:
                    self._add("RCP1003", "a second document", event, "a recipe file holds one document")
                    return node
                case yaml.DocumentStartEvent() if event.version or event.tags:
                    self._add("RCP1003", "a directive of YAML", event, "take the line with `%` out")
                case yaml.NodeEvent():
                    node = self._node(event, 1)
        for found in turned(self.source, self.prose or []):
            self._keep(found)
        return node if node is not None else Mapping((), Span(self.source, 1, 1, 2))

    def _parse(self) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(self.source.text, Loader=yaml.CLoader)
        except yaml.MarkedYAMLError as error:
            raise _Stop(not_yaml(self.source, error)) from None
        except yaml.reader.ReaderError as error:
            before = self.source.text.encode("utf-8", "replace")[: error.position].decode("utf-8", "ignore")
            raise _Stop(bad_character(self.source, len(before))) from None
        except UnicodeEncodeError as error:  # half a character, which the command line can carry
            raise _Stop(bad_character(self.source, error.start)) from None

    def _node(self, event: yaml.Event, depth: int, *, key: bool = False) -> Node:
        before = self.nodes
        self.nodes += 1
        self._hold(event, depth)
        if (tag := getattr(event, "tag", None)) is not None:
            self._add("RCP1003", f"the tag {tag}", event, "recipes are plain data: write the value itself")
        match event:
            case yaml.AliasEvent():
                return self._alias(event, depth)
            case yaml.ScalarEvent():
                node: Node = Scalar(self._scalar(event, key=key), self._span(event))
            case yaml.SequenceStartEvent():
                node = self._items(event, depth)
            case _:
                node = self._mapping(event, depth)
        if anchor := getattr(event, "anchor", None):
            self.anchors[anchor] = _Anchored(node, self.nodes - before, _depth(node))
        return node

    def _hold(self, event: yaml.Event, depth: int) -> None:
        """Stop where a limit is passed."""
        if depth > MAX_DEPTH:
            raise _Stop(Diagnostic("RCP1005", f"nested deeper than {MAX_DEPTH}", self._span(event)))
        if self.nodes > MAX_NODES:
            raise _Stop(Diagnostic("RCP1005", f"more than {MAX_NODES:,} values", self._span(event)))

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        meant = self.anchors.get(str(event.anchor))
        if meant is None:
            message = f"*{event.anchor} names nothing that is complete here"
            help_ = f"`&{event.anchor}` stands before it, and not around it; a text that begins with `*` stands in quotes"
            raise _Stop(Diagnostic("RCP1003", message, self._span(event), help=help_))
        self.aliases += 1
        self.nodes += meant.nodes
        if self.aliases > MAX_ALIASES:
            raise _Stop(Diagnostic("RCP1005", f"more than {MAX_ALIASES} aliases", self._span(event)))
        self._hold(event, depth + meant.depth - 1)
        return meant.node

    def _items(self, event: yaml.Event, depth: int) -> Items:
        span = self._span(event)
        items: list[Node] = []
        while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
            said = len(self.findings)
            item = self._node(inner, depth + 1)
            if not self._unusable(item, said):
                items.append(item)
        return Items(tuple(items), span)

    def _mapping(self, event: yaml.Event, depth: int) -> Mapping:
        span = self._span(event)
        entries: dict[str, Entry] = {}
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent):
            said = len(self.findings)
            key_node = self._node(inner, depth + 1, key=True)
            wrong = self._unusable(key_node, said)
            key, said = self._key(inner, key_node), len(self.findings)
            value = self._node(next(self.events), depth + 1)
            wrong = wrong or self._unusable(value, said)
            if key in entries:
                first = ("first written at", entries[key].key_span)
                self._add("RCP1002", f"the key `{key}` stands twice", inner, "keep one of the two", (first,))
            elif key is not None and not wrong:
                entries[key] = Entry(key, key_node.span, value)
        return Mapping(tuple(entries.values()), span)

    def _unusable(self, node: Node, said: int) -> bool:
        """Whether an error was found since in what is one value: it is left out, so that nothing is said of a stand-in."""
        return isinstance(node, Scalar) and any(found.severity == "error" for found in self.findings[said:])

    def _key(self, event: yaml.Event, node: Node) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            self._add("RCP1003", "the merge key `<<`", event, "use `extends` to build on another file, "
                      "or `$include` to take a piece in")  # fmt: skip
            return None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            # two ways to write é look the same, and are the same word
            return node.value if node.value.isascii() else unicodedata.normalize("NFC", node.value)
        said = event.value if isinstance(event, yaml.ScalarEvent) else ""
        help_ = f'quote it: "{said}"' if said and len(said) < 40 else "a key is one word"
        self._add("RCP1003", "a key that is not a text", event, help_)
        return None

    def _scalar(self, event: yaml.ScalarEvent, *, key: bool) -> bool | int | float | str | None:
        text: str = event.value
        if len(text) > MAX_SCALAR:
            message = f"a value of {len(text):,} characters; at most {MAX_SCALAR:,} are read"
            raise _Stop(Diagnostic("RCP1005", message, self._span(event)))
        if "\0" in text:
            self._add("RCP1003", "a text with a zero character", event, "no file and no word has one")
        if not self.ascii:
            self._look_at_characters(event, key=key)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            if text in _LOOSE:
                self._add("RCP1008", f"{text} is written `{text.lower()}`", event,
                          "other programs take it for a text; quote it if it is one", severity="warning")  # fmt: skip
            return _WORDS[text]
        return self._number_or_text(text, event)

    def _number_or_text(self, text: str, event: yaml.ScalarEvent) -> int | float | str:
        if (value := number(text)) is not None:
            return value
        short = text if len(text) <= 20 else f"{text[:20]}…"
        if _NOT_FINITE.fullmatch(text):
            self._add("RCP1004", f"{text} is not a finite number", event, "write a number, or quote it")
        elif _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
            self._add("RCP1004", f"{short} is too large for a number", event,
                      "a whole number is at most 2^53 = 9007199254740992, which every reader can hold; quote a name")  # fmt: skip
        else:
            return text
        return 0

    def _look_at_characters(self, event: yaml.ScalarEvent, *, key: bool) -> None:
        """Find what looks like a space beside a word; and note where prose stands, which may be turned."""
        prose = not event.implicit[0] and not key
        if prose and self.prose is not None and event.start_mark and event.end_mark:
            self.prose.append((event.start_mark.index, event.end_mark.index))
        odd = space_in_key(event.value) if key else None if prose else space_beside_key(event.value)
        if odd:
            self._add("RCP1007", f"{name(odd)} looks like a space, and is none", event,
                      "write a space, or quote the text if it belongs there" if not key else "take it out")  # fmt: skip

    def _add(self, code: str, message: str, event: yaml.Event, help_: str = "",
             related: tuple[tuple[str, Span], ...] = (), severity: Severity = "error") -> None:  # fmt: skip
        self._keep(Diagnostic(code, message, self._span(event), "", help_, severity, related))

    def _keep(self, found: Diagnostic) -> None:
        if len(self.findings) >= MAX_FINDINGS:
            message = f"more than {MAX_FINDINGS} problems; the rest of the file was not read"
            raise _Stop(Diagnostic("RCP1005", message, found.span))
        self.findings.append(found)

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        assert start is not None, "libyaml marks every event"
        assert end is not None, "with its end as well"
        same_line = end.line == start.line and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent)
        last = end.column + 1 if same_line else start.column + 2
        return Span(self.source, start.line + 1, start.column + 1, max(last, start.column + 2))


def _depth(node: Node) -> int:
    """Return how many levels a tree has."""
    match node:
        case Scalar():
            return 1
        case Items(items):
            return 1 + max(map(_depth, items), default=0)
        case Mapping(entries):
            return 1 + max((_depth(entry.value) for entry in entries), default=0)
