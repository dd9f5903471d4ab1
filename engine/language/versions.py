"""Which version of the language a file is written for, and how a file of an older one reads today.

``CHANGES`` says what came between a version and the next: words that got another name or place, and values that are
spelt otherwise. ``current`` makes these changes to what was read, so that an old file, which may lie in a repository
that nobody can write to, goes on working; it says so in a warning. ``recipe migrate`` makes the same changes to the text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Entry, Items, Mapping, Node, Plain, Scalar, Span, plain
from engine.shipped import schema

API_VERSION: str = schema("layer")["properties"]["apiVersion"]["const"]
_FAMILY = "wan-recipe/v"
CURRENT = int(API_VERSION.removeprefix(_FAMILY))


@dataclass(frozen=True, slots=True)
class Renamed:
    """A word has another name, or stands in another section; paths are dotted."""

    old: str
    new: str
    why: str


@dataclass(frozen=True, slots=True)
class Respelt:
    """A value of a word is written otherwise; ``how`` gives the new value, or the old one where it is still right."""

    word: str
    how: Callable[[Plain], Plain]
    why: str


Change = Renamed | Respelt


def _captions(kind: Plain) -> Plain:
    return "beside" if kind == "textfile" else kind


def _size(said: Plain) -> Plain:
    sides = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", said) if isinstance(said, str) else None
    return {"kind": "exact", "width": int(sides[1]), "height": int(sides[2])} if sides else said


CHANGES: dict[int, tuple[Change, ...]] = {  # version → what became otherwise after it; see docs/authoring.md
    0: (
        Renamed("data.num_frames", "data.frames", "counts are named for what they count"),
        Renamed("train.lr", "train.learning_rate", "words are not cut short"),
        Renamed("train.validation_prompts", "sample.prompts", "what is sampled stands under `sample`"),
        Renamed("seed", "train.seed", "training and sampling have a seed each"),
        Respelt("data.captions.kind", _captions, "it says where the file lies, not what is in it"),
        Respelt("data.size", _size, "a size is a choice between sections"),
    ),
}


def current(node: Mapping) -> tuple[Mapping, list[Diagnostic]]:
    """Return how a file reads today, with a finding where it is of another version."""
    version, said = version_of(node), node.get("apiVersion")
    if version is None or version == CURRENT or said is None:
        return node, []
    if version > CURRENT or version not in CHANGES:
        return node, [unreadable(version, said.value.span)]
    whose = said.value.span.source
    way = (
        "tell its author: the file lies in a repository"
        if whose.blob
        else f"run `recipe migrate {whose.name} --write`"
    )
    message = f"written for {_FAMILY}{version}, and read as {API_VERSION}"
    aged = Diagnostic("RCP3001", message, said.value.span, "apiVersion", way, "warning")
    node, findings = migrated(node, version)
    return node, [aged, *findings]


def unreadable(version: int, span: Span) -> Diagnostic:
    """Say that a file is of a version that this program does not read."""
    return Diagnostic("RCP3002", f"written for {_FAMILY}{version}; this program reads {API_VERSION}", span, "apiVersion",
                      "install a newer version of the program")  # fmt: skip


def version_of(node: Node) -> int | None:
    """Return the version that a file says; None where it says none that there could be."""
    entry = node.get("apiVersion") if isinstance(node, Mapping) else None
    said = plain(entry.value) if entry else None
    digits = said.removeprefix(_FAMILY) if isinstance(said, str) and said.startswith(_FAMILY) else ""
    return int(digits) if re.fullmatch(r"0|[1-9]\d{0,3}", digits) else None


def changes_since(version: int) -> tuple[Change, ...]:
    """Return everything that became otherwise, oldest first, and that the file says so."""
    steps = [change for step in range(version, CURRENT) for change in CHANGES[step]]
    return *steps, Respelt("apiVersion", lambda _: API_VERSION, "")


def migrated(node: Mapping, version: int) -> tuple[Mapping, list[Diagnostic]]:
    """Make every change to what was read; places stay those of the text."""
    findings = list[Diagnostic]()
    for change in changes_since(version):
        if isinstance(change, Respelt):
            node = _respelt(node, change)
        elif (both := twice(node, change)) is not None:
            findings.append(both)
        else:
            node = _renamed(node, change)
    return node, findings


def twice(node: Mapping, change: Renamed) -> Diagnostic | None:
    """Say that a file uses an old name and the new one: nobody can tell which of them counts."""
    old, new = entry_at(node, change.old), entry_at(node, change.new)
    if old is None or new is None:
        return None
    return Diagnostic("RCP3003", f"`{change.old}` is now called `{change.new}`, which is said as well", old.key_span,
                      change.old, "keep one of the two", related=(("the other is at", new.key_span),))  # fmt: skip


def entry_at(node: Node, path: str) -> Entry | None:
    """Return the entry at a dotted path."""
    *above, last = path.split(".")
    for part in above:
        entry = node.get(part) if isinstance(node, Mapping) else None
        if entry is None:
            return None
        node = entry.value
    return node.get(last) if isinstance(node, Mapping) else None


def _renamed(node: Mapping, change: Renamed) -> Mapping:
    entry = entry_at(node, change.old)
    if entry is None:
        return node
    above, _, name = change.new.rpartition(".")
    moved = Entry(name, entry.key_span, entry.value)
    if change.old.rpartition(".")[0] == above:
        return _with(node, change.old.split("."), moved)
    return _with(_with(node, change.old.split("."), None), change.new.split("."), moved)


def _respelt(node: Mapping, change: Respelt) -> Mapping:
    entry = entry_at(node, change.word)
    if entry is None or (value := change.how(old := plain(entry.value))) == old:
        return node
    new = Entry(entry.key, entry.key_span, _node(value, entry.value.span))
    return _with(node, change.word.split("."), new)


def _with(node: Mapping, path: list[str], entry: Entry | None) -> Mapping:
    """Return the tree with an entry at a path, or without it and without sections that only held it."""
    name, *below = path
    old = node.get(name)
    if below:
        inner = old.value if old and isinstance(old.value, Mapping) else Mapping((), node.span)
        made = _with(inner, below, entry)
        key = old.key_span if old else entry.key_span if entry else node.span
        entry = Entry(name, key, made) if made.entries else None
    kept = [entry if there is old else there for there in node.entries]
    if old is None:
        kept.append(entry)
    return Mapping(tuple(there for there in kept if there is not None), node.span)


def _node(value: Plain, span: Span) -> Node:
    """Give new values the place of the old one."""
    if isinstance(value, dict):
        return Mapping(tuple(Entry(key, span, _node(below, span)) for key, below in value.items()), span)
    return (
        Items(tuple(_node(item, span) for item in value), span)
        if isinstance(value, list)
        else Scalar(value, span)
    )
