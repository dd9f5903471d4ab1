"""Lay layers on each other and remember where every value came from.

Mappings merge; everything else replaces; ``null`` sets null. Where a choice's ``kind`` changes, the whole section is
replaced, because words of the old kind mean nothing to the new one. A mapping of ``$``-keys says what else to do with
what stands below: ``$append``, ``$prepend``, ``$remove``, ``$replace``, ``$unset``, ``$required``. One that would do
nothing is a finding.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.language.diagnostics import Diagnostic
from engine.language.fragments import INCLUDE
from engine.language.layers import Layer
from engine.language.nodes import Entry, Mapping, Node, Plain, Scalar, Span, plain
from engine.words.table import SECTIONS


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

    def as_json(self) -> dict[str, Any]:
        """Return plain data for machines."""
        return {"layer": self.layer, "value": self.value, "at": self.span.as_json()}


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
    """A merged mapping.

    Attributes:
        span: the place that last spoke of it.
        replaced: the section of another kind that stood here before.
        demands: words that some layer wants a later one to say: why, and where that stands.
    """

    span: Span
    words: dict[str, "Section | Leaf"] = field(default_factory=dict)
    replaced: "Section | None" = None
    demands: dict[str, tuple[str, Span]] = field(default_factory=dict)


def merge(layers: Iterable[Layer], root: Span) -> tuple[Section, list[Diagnostic]]:
    """Lay layers on each other, lowest first. Headers are not inherited."""
    merged, findings = Section(root), list[Diagnostic]()
    for layer in layers:
        for entry in layer.node.entries:
            if entry.key in SECTIONS:
                findings += _lay(entry, layer.name, merged, (entry.key,))
    return merged, findings


def _lay(entry: Entry, layer: str, onto: Section, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    below, new = onto.words.get(entry.key), entry.value
    if isinstance(new, Mapping) and _orders(new):
        yield from _order(entry, layer, onto, path)
    elif isinstance(new, Mapping):
        if isinstance(below, Leaf) and below.value is not None:
            yield _conflict(new, below, path)
            return
        if not isinstance(below, Section) or _other_kind(new, below):
            before = below if isinstance(below, Section) else None
            below = onto.words[entry.key] = Section(entry.key_span, replaced=before)
        below.span = entry.key_span
        for inner in new.entries:
            if inner.key != INCLUDE:
                yield from _lay(inner, layer, below, (*path, inner.key))
    elif isinstance(below, Section):
        yield _conflict(new, below, path)
    else:
        onto.words[entry.key] = _over(below, layer, new.span, plain(new))


def _over(below: Leaf | None, layer: str, span: Span, value: Plain) -> Leaf:
    return Leaf((Origin(layer, span, value), *(below.origins if below else ())))


def _orders(node: Mapping) -> list[Entry]:
    return [entry for entry in node.entries if entry.key.startswith("$") and entry.key != INCLUDE]


def _order(entry: Entry, layer: str, onto: Section, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Carry out a mapping of ``$``-keys."""
    assert isinstance(entry.value, Mapping), "the caller looked"
    orders, below = _orders(entry.value), onto.words.get(entry.key)
    names = {order.key for order in orders}
    if len(orders) < len(entry.value.entries) or (len(orders) > 1 and not names <= _ON_LISTS):
        yield _useless(
            f"`{orders[0].key}` stands beside other words", orders[0], path, "it takes the whole place"
        )
        return
    (first, *_) = orders
    if first.key == "$required":
        onto.words.pop(entry.key, None)
        onto.demands[entry.key] = (str(plain(first.value)), first.key_span)
    elif below is None:
        yield _useless(f"`{first.key}` finds nothing: no layer below sets `{'.'.join(path)}`", first, path,
                       "take it out, or extend the layer that was meant")  # fmt: skip
    elif first.key == "$unset":
        del onto.words[entry.key]
    elif isinstance(first.value, Mapping) and any(inner.key.startswith("$") for inner in first.value.entries):
        yield _useless("a directive inside of `$replace`", first, path, "write the value itself there")
    elif first.key == "$replace":
        del onto.words[entry.key]
        older = below if isinstance(below, Leaf) else None
        yield from _lay(Entry(entry.key, entry.key_span, first.value), layer, onto, path)
        made = onto.words.get(entry.key)
        if older and isinstance(made, Leaf):
            onto.words[entry.key] = Leaf((*made.origins, *older.origins))
    elif not isinstance(below, Leaf) or not isinstance(below.value, list):
        yield _useless(f"`{first.key}` needs a list, and `{'.'.join(path)}` is none", first, path, "write the value itself",
                       (("it was set at", _span(below)),))  # fmt: skip
    else:
        value = list(below.value)
        for order in orders:
            yield from _edit(value, order, path, below)
        onto.words[entry.key] = _over(below, layer, entry.value.span, value)


_ON_LISTS = {"$append", "$prepend", "$remove"}


def _edit(value: list[Plain], order: Entry, path: tuple[str, ...], below: Leaf) -> Iterator[Diagnostic]:
    said = plain(order.value)
    assert isinstance(said, list), "the schema holds it to a list"
    if order.key == "$append":
        value += said
    elif order.key == "$prepend":
        value[:0] = said
    else:
        for item in said:
            if item in value:
                value.remove(item)
            else:
                origin = below.origins[0]
                yield _useless(f"`$remove` finds no {item!r} in `{'.'.join(path)}`", order, path,
                               f"the list of {origin.layer} is {origin.value}", (("it was set at", origin.span),))  # fmt: skip


def _other_kind(new: Mapping, below: Section) -> bool:
    said, had = new.get("kind"), below.words.get("kind")
    return (
        said is not None
        and isinstance(said.value, Scalar)
        and isinstance(had, Leaf)
        and said.value.value != had.value
    )


def _conflict(new: Node, below: Section | Leaf, path: tuple[str, ...]) -> Diagnostic:
    is_section = isinstance(below, Section)
    what = "a value where a section stands" if is_section else "a section where a value stands"
    return Diagnostic("RCP2202", f"`{'.'.join(path)}` is {what}", new.span, ".".join(path),
                      "to put something of another kind there, write `{$replace: …}`",
                      related=(("the other is at", _span(below)),))  # fmt: skip


def _useless(
    message: str, order: Entry, path: tuple[str, ...], help_: str, related: tuple[tuple[str, Span], ...] = ()
) -> Diagnostic:
    return Diagnostic("RCP2203", message, order.key_span, ".".join(path), help_, related=related)


def _span(below: Section | Leaf) -> Span:
    return below.span if isinstance(below, Section) else below.origins[0].span


def values(
    section: Section, wanted: Callable[[str], bool] = lambda _: True, above: str = ""
) -> dict[str, Plain]:
    """Return the merged values as plain data: all of them, or those whose dotted path is wanted."""
    return {
        key: values(below, wanted, f"{above}{key}.") if isinstance(below, Section) else below.value
        for key, below in section.words.items()
        if isinstance(below, Section) or wanted(f"{above}{key}")
    }


def leaves(section: Section, above: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield every value by its dotted path."""
    for key, below in section.words.items():
        if isinstance(below, Section):
            yield from leaves(below, f"{above}{key}.")
        else:
            yield f"{above}{key}", below


def found(section: Section, path: str) -> Section | Leaf | None:
    """Return what stands at a dotted path."""
    node: Section | Leaf | None = section
    for part in path.split("."):
        node = node.words.get(part) if isinstance(node, Section) else None
    return node


def demanded(section: Section, path: str) -> tuple[str, Span] | None:
    """Return why a layer wants the word at a path to be said, and where it says so."""
    above, _, last = path.rpartition(".")
    around = found(section, above) if above else section
    return around.demands.get(last) if isinstance(around, Section) else None


def place(section: Section, path: str) -> Span:
    """Return where the word at a dotted path was set, or the section around it."""
    node: Section | Leaf = section
    for part in path.split("."):
        below = node.words.get(part) if isinstance(node, Section) else None
        if below is None:
            break
        node = below
    return _span(node)
