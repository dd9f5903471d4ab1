"""The keys that a source gives, one by one, and what becomes of each."""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.importing.table import Table
from engine.language.nodes import Mapping, Node, Plain, Span, plain
from engine.language.secrets import holds_secret


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing needs to be said here, for a reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """It cannot be said here, for a reason.

    Attributes:
        learns: whether what is learnt is another thing without it.
    """

    reason: str
    learns: bool = False


@dataclass(frozen=True, slots=True)
class Mapped:
    """It became these words."""

    words: tuple[str, ...]


Outcome = Mapped | Dropped | Unsupported


@dataclass(frozen=True, slots=True)
class Given:
    """One key of a source.

    Attributes:
        part: the part of the table that knows it.
        key: its name there.
        name: its name for people, with the place that it stands in.
        verdict: what its place already says of it, whatever its row says.
        home: where the words of its dataset stand, ``data`` or ``data.more.NAME``; empty where it is said of the whole.
    """

    part: str
    key: str
    name: str
    value: Plain
    span: Span
    verdict: Outcome | None = None
    home: str = ""


def flatten(
    node: Mapping, part: str, known: Table, prefix: str = "", verdict: Outcome | None = None
) -> Iterator[Given]:
    """Yield the keys of a mapping; what lies inside a value is a key of its own unless a row knows the whole."""
    for entry in node.entries:
        key = entry.key.removeprefix("--")
        yield from _flat(entry.value, key, entry.key_span, part, known, prefix, verdict)


def _flat(
    value: Node, key: str, at: Span, part: str, known: Table, prefix: str, verdict: Outcome | None
) -> Iterator[Given]:  # fmt: skip
    whole = any(row.part == part and row.key == key for row in known.rows)
    if isinstance(value, Mapping) and value.entries and not whole:
        for entry in value.entries:
            below = f"{key}.{entry.key.removeprefix('--')}"
            yield from _flat(entry.value, below, entry.key_span, part, known, prefix, verdict)
        return
    yield given(part, key, f"{prefix}{key}", plain(value), at, verdict)


def given(part: str, key: str, name: str, value: Plain, span: Span, verdict: Outcome | None = None) -> Given:
    """Return a key with its value, unless that holds a secret, in clear, masked, or spelt in escapes."""
    if _secret(value):
        return Given(part, key, name, None, span, Unsupported(
            "its value holds a secret; a recipe is shared, and the program finds tokens in the environment"))  # fmt: skip
    return Given(part, key, name, value, span, verdict)


def _secret(value: Plain) -> bool:
    match value:
        case str():
            return holds_secret(value)
        case list():
            return any(map(_secret, value))
        case dict():
            return any(_secret(inner) for inner in value.values())
        case _:
            return False
