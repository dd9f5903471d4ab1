"""What a name of another trainer means here, so that who brings it is led home, or told why there is no such word.

The names are the keys of the importer's tables; ``names.yaml`` has what people write beyond those, and is asked first.
Only a word that nobody knows looks here, and only a table that has the name is read.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.language.nodes import Source, plain
from engine.language.read import read_text
from engine.language.refused import NAMES
from engine.language.write import one_line
from engine.words.table import MEANINGS

TABLES = Path(__file__).resolve().parents[1] / "importing" / "tables"
_OWN = "names"
_IN_ORDER = (_OWN, "simpletuner", "musubi", "ai-toolkit")  # the first that knows a name says what it means
_ANYTHING = ("type", "id", "default")  # names that mean another thing at each place
_OURS = {path.rpartition(".")[2] for path in MEANINGS}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A name of another trainer.

    Attributes:
        word: our word, or the section that holds it; empty where there is none.
        why: why there is none, or how it is read differently here.
    """

    word: str
    why: str = ""


def foreign(name: str, value: Any = None, section: str = "") -> Foreign | None:
    """Return what a name of another trainer, set to a value in a section, means here; None where nobody knows it."""
    bare = name.removeprefix("--").replace("-", "_")
    for table in _IN_ORDER:
        # in a trainer's table, a name that is ours as well means that trainer's
        if table != _OWN and (bare in _OURS or bare in NAMES or bare in _ANYTHING):
            break
        rows = _rows(table) if _has(table, bare) else {}
        key = (
            bare
            if bare in rows
            else next((key for key in rows if key[-1] == "*" and bare.startswith(key[:-1])), "")
        )
        if key and (told := _told(rows[key], value, section)):
            return told
    return None


def _told(row: dict[str, Any], value: Any, section: str) -> Foreign | None:
    said = "true" if value is True else "false" if value is False else str(value).lower()
    cases: dict[str, Any] = row.get("values", {})
    case: dict[str, Any] = cases.get(said, {})
    if "sets" in case:
        word, meant = next(iter(case["sets"].items()))
        return Foreign(word, f"write `{word}: {one_line(meant)}`")
    if words := row.get("words"):
        beside = f"{section.partition('.')[0]}."
        word = next((word for word in words if word.startswith(beside)), next(iter(words)))
        return Foreign(word, row.get("note", "") if row["from"] == _OWN else "")
    why = [here[key] for here in (case, row) for key in ("drop", "unsupported", "otherwise") if key in here]
    if why:
        return Foreign("", why[0]) if why[0] != "refused" else None
    # a switch: what it sets when it is on is what it means
    return next((Foreign(word) for other in cases.values() for word in other.get("sets", ())), None)


@cache
def _text(table: str) -> str:
    return (TABLES / f"{table}.yaml").read_text("utf-8")


def _has(table: str, name: str) -> bool:
    """Whether a table may have a name; to look costs a hundredth of reading it."""
    text = _text(table)
    return f"{name}:" in text or any(name.startswith(start) for start in re.findall(r"(\w{2,})\*:", text))


@cache
def _rows(table: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a table by the last part of their keys."""
    node, _ = read_text(Source(table, _text(table), TABLES))
    assert node is not None, "the tables are ours"
    said: Any = plain(node)
    rows = dict[str, dict[str, Any]]()
    for part in said["parts"].values():
        for key, row in part.items():
            if (name := key.rpartition(".")[2]) != "*":
                rows.setdefault(name, {**row, "from": table})
    return rows
