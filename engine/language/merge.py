"""Lay layers on each other and remember where every value came from.

Mappings merge; everything else replaces; ``null`` sets null. Where a choice's ``kind`` changes, the whole section is
replaced, because words of the old kind mean nothing to the new one.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Words
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.language.diagnostics import Diagnostic
from engine.language.layers import Layer
from engine.language.nodes import Entry, Mapping, Node, Plain, Scalar, Span, plain
from engine.words.recipe import SECTIONS


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written, and by which layer."""

    layer: str
    span: Span
    value: Plain

    @property
    def folder(self) -> Path:
        """What a relative path in the value is relative to."""
        return self.span.source.folder


@dataclass(slots=True)
class Leaf:
    """A value with everyone who set it, the winner first."""

    origins: tuple[Origin, ...]

    @property
    def value(self) -> Plain:
        """The value that counts."""
        return self.origins[0].value


@dataclass(slots=True)
class Section:
    """A merged mapping; ``span`` is the place that last spoke of it."""

    span: Span
    words: dict[str, "Section | Leaf"] = field(default_factory=dict)


def merge(layers: Iterable[Layer], root: Span) -> tuple[Section, list[Diagnostic]]:
    """Lay layers on each other, lowest first. Headers are not inherited."""
    merged, findings = Section(root), list[Diagnostic]()
    for layer in layers:
        for entry in layer.node.entries:
            if entry.key in SECTIONS:
                _lay(entry, layer.name, merged, (entry.key,), findings)
    return merged, findings


def _lay(entry: Entry, layer: str, onto: Section, path: tuple[str, ...], findings: list[Diagnostic]) -> None:
    below = onto.words.get(entry.key)
    new = entry.value
    if isinstance(new, Mapping):
        if isinstance(below, Leaf) and below.value is not None:
            findings.append(_conflict(new, below, path))
            return
        if not isinstance(below, Section) or _other_kind(new, below):
            below = onto.words[entry.key] = Section(entry.key_span)
        below.span = entry.key_span
        for inner in new.entries:
            _lay(inner, layer, below, (*path, inner.key), findings)
    elif isinstance(below, Section):
        findings.append(_conflict(new, below, path))
    else:
        onto.words[entry.key] = Leaf((Origin(layer, new.span, plain(new)), *(below.origins if below else ())))


def _other_kind(new: Mapping, below: Section) -> bool:
    said, had = new.get("kind"), below.words.get("kind")
    return (
        said is not None
        and isinstance(said.value, Scalar)
        and isinstance(had, Leaf)
        and said.value.value != had.value
    )


def _conflict(new: Node, below: Section | Leaf, path: tuple[str, ...]) -> Diagnostic:
    there = below.span if isinstance(below, Section) else below.origins[0].span
    what = (
        "a value where a section stands" if isinstance(below, Section) else "a section where a value stands"
    )
    return Diagnostic("RCP2202", f"`{'.'.join(path)}` is {what}", new.span, ".".join(path),
                      related=(("the other is at", there),))  # fmt: skip


def values(section: Section) -> dict[str, Plain]:
    """Return the merged values as plain data."""
    return {
        key: values(below) if isinstance(below, Section) else below.value
        for key, below in section.words.items()
    }


def leaves(section: Section, above: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield every value by its dotted path."""
    for key, below in section.words.items():
        if isinstance(below, Section):
            yield from leaves(below, f"{above}{key}.")
        else:
            yield f"{above}{key}", below


def nested(flat: Words[str, Plain]) -> dict[str, Plain]:
    """Turn values by dotted path back into sections."""
    root: dict[str, Any] = {}
    for path, value in flat.items():
        *above, last = path.split(".")
        section = root
        for part in above:
            section = section.setdefault(part, {})
        section[last] = value
    return root


def place(section: Section, path: str) -> Span:
    """Return where the word at a dotted path was set, or the section around it."""
    node: Section | Leaf = section
    for part in path.split("."):
        below = node.words.get(part) if isinstance(node, Section) else None
        if below is None:
            break
        node = below
    return node.span if isinstance(node, Section) else node.origins[0].span
