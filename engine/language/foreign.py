"""What other trainers call our words, so that a name brought from there leads home.

The names are the keys of the importer's tables. Only a word that nobody knows looks here, so they are read when first
asked for.
"""

from functools import cache
from pathlib import Path
from typing import Any

from engine.language.nodes import plain
from engine.language.read import read_file
from engine.language.refused import NAMES
from engine.words.table import MEANINGS

_TABLES = Path(__file__).resolve().parents[1] / "importing" / "tables"
_IN_ORDER = ("names", "simpletuner", "musubi", "ai-toolkit")  # the first that knows a name says what it means


@cache
def foreign_names() -> dict[str, str]:
    """Return name in another trainer → our word, or the section that holds it."""
    found: dict[str, str] = {}
    ours = {path.rpartition(".")[2] for path in MEANINGS}
    for table in _IN_ORDER:
        node, _ = read_file(_TABLES / f"{table}.yaml", table)
        assert node is not None, "the tables are ours"
        said: Any = plain(node)
        for rows in said["parts"].values():
            for key, row in rows.items():
                name = key.rpartition(".")[2]
                if "words" in row and name not in {*ours, *NAMES} and "*" not in key:
                    found.setdefault(name, next(iter(row["words"])))
    return found
