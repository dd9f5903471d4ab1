"""The tables that say what a key of another trainer means here.

A table has parts, one for each kind of place that keys stand in; a part has rows, one a key. A row says one of

    words        our word → the conversion of the value, perhaps with an argument behind a space; a function of one of the
                 modules that `convert` lists, which may say that its word is not needed
    drop         why nothing needs to be said here
    unsupported  why it cannot be said here; ``refused`` takes the reason that the language itself gives

and may say more:

    values       value → what it means: ``is`` (a value to convert), ``sets`` (words and values), ``drop`` or ``unsupported``
    otherwise    why any other value is unsupported
    absent       what the trainer assumes where the key is not given
    note         why the value reads differently here
    learns       whether what is unsupported changes what is learnt
    only_with    the key that must be on for this one to count, or a mapping of keys to the values that they must have
    off          values that switch it off, beside false, 0, none and nothing

A key that ends in ``*`` stands for all that begin so; the longest such row counts. ``always`` holds words that the
trainer sets without a key.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from engine.language.nodes import Plain, plain
from engine.language.read import read_file

TABLES = Path(__file__).resolve().parent / "tables"


@dataclass(frozen=True, slots=True)
class Row:
    """What one key means. ``place`` orders rows: of two that set one word, the later counts."""

    part: str
    key: str
    place: int
    words: dict[str, str] = field(default_factory=dict)
    drop: str = ""
    unsupported: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    otherwise: str = ""
    absent: Plain = None
    note: str = ""
    learns: bool = False
    only_with: str | dict[str, Plain] = ""
    off: tuple[Plain, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Every word that the row may set."""
        sets = [word for said in self.values.values() for word in said.get("sets", ())]
        return tuple(dict.fromkeys([*self.words, *sets]))


@dataclass(frozen=True, slots=True)
class Table:
    """All that is known of one trainer.

    Attributes:
        tool: its name for people.
        always: word → part, value and note of what it sets without a key.
    """

    tool: str
    rows: tuple[Row, ...]
    always: dict[str, Any]

    def row(self, part: str, key: str) -> Row | None:
        """Return the row of a key: its own, or the longest that covers it."""
        known = [row for row in self.rows if row.part == part]
        exact = next((row for row in known if row.key == key), None)
        covers = [row for row in known if row.key.endswith("*") and key.startswith(row.key[:-1])]
        by_length = sorted(covers, key=lambda row: len(row.key))
        return exact or next(reversed(by_length), _inside(known, key))

    def keys(self, part: str) -> Iterable[str]:
        """Return the keys of a part, for suggestions."""
        return [row.key for row in self.rows if row.part == part and "*" not in row.key]


def _inside(rows: list[Row], key: str) -> Row | None:
    """A key such as ``text_encoder_1_precision``, whose row has its star inside."""
    for row in rows:
        start, star, end = row.key.partition("*")
        if star and end and key.startswith(start) and key.endswith(end):
            return row
    return None


@cache
def table(name: str) -> Table:
    """Read a table by the name of its file."""
    node, findings = read_file(TABLES / f"{name}.yaml", name)
    assert node is not None, f"{name} is ours"
    assert not findings, f"{name} is ours: {findings}"
    said: Any = plain(node)
    rows = [
        Row(part, key, place, **{**row, "off": tuple(row.get("off", ()))})
        for part, keys in said["parts"].items()
        for place, (key, row) in enumerate(keys.items())
    ]
    return Table(said["tool"], tuple(rows), said.get("always", {}))
