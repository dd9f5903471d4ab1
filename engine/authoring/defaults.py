"""What the files that come with the program say of a word: its default, and an example of it."""

from dataclasses import dataclass
from functools import cache

from engine.language.builtin import builtin_file, builtin_names
from engine.language.choices import branches_at
from engine.language.files import BUILTIN
from engine.language.nodes import Node, Plain, Span, plain
from engine.language.read import read_file
from engine.language.versions import entry_at

BASE = "base/wan"

# words that no file of ours sets, because only a person can
_EXAMPLES: dict[str, Plain] = {
    "data.more": {"stills": {"source": {"kind": "folder", "path": "stills"}}},
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says of a word, and where."""

    name: str
    value: Plain
    span: Span


def default(path: str) -> Said | None:
    """Return what the base says; nothing where a flavour or a recipe must say it."""
    return _said(BASE, path)


def example(path: str) -> Plain:
    """Return a value that a word can have: one of an example recipe, where one sets it."""
    names = sorted(builtin_names(), key=lambda name: not name.startswith("examples/"))
    said = next((said for name in names if (said := _said(name, path)) and said.value != {}), None)
    value = said.value if said else _EXAMPLES.get(path, _of_branch(path))
    return dict([next(iter(value.items()))]) if isinstance(value, dict) else value  # one name shows how


def _of_branch(path: str) -> Plain:
    """Return what an example of a choice says of its word."""
    above, _, last = path.rpartition(".")
    shown = [example for branch in branches_at(above).values() for example in branch.get("examples", [])]
    return next((example[last] for example in shown if last in example), None)


def _said(name: str, path: str) -> Said | None:
    entry = entry_at(_file(name), path)
    return Said(f"{BUILTIN}{name}", plain(entry.value), entry.key_span) if entry else None


@cache
def _file(name: str) -> Node:
    node, _ = read_file(builtin_file(name), f"{BUILTIN}{name}")
    assert node is not None, "what comes with the program can be read"
    return node
