"""The words that were found → a recipe as text, each with the key that it comes from and why it reads differently."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.importing.convert import Word
from engine.importing.given import Given, Unsupported
from engine.language.nodes import Source, plain
from engine.language.read import read_text
from engine.words.table import HEADER_WORDS, SECTIONS, WORDS, general

_WIDTH = 110
_PLAIN = re.compile(r"[$A-Za-z][A-Za-z0-9_./-]*")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SOURCE = [path for path in WORDS if path.startswith("data.source.")]  # the first that a reader looks for
_ORDER = [*HEADER_WORDS, *_SOURCE, *WORDS]


def write(
    tool: str,
    files: list[str],
    words: dict[str, Word],
    left: list[tuple[Given, Unsupported]],
    lacks: list[str],
) -> str:
    """Return the text of a recipe."""
    lines = [f"# Imported from {tool}: {', '.join(map(one_line, files))}",
             "# A comment names the key that a value comes from, and above it stands why it reads differently."]  # fmt: skip
    if lacks:
        lines += ["#", f"# Still to say: {', '.join(lacks)}"]
    if left:
        lines += ["#", "# Not in this recipe:"]
        for one, outcome in left:
            lines += _comment(f"{one_line(one.name)}: {_changes(outcome)}{outcome.reason}", "", "#   - ")
    lines += ["apiVersion: wan-recipe/v1", "kind: recipe"]
    ordered = sorted(words, key=_order)
    tree: dict[str, Any] = {}
    for path in ordered:
        below = tree
        *above, last = path.split(".")
        for part in above:
            below = below.setdefault(part, {})
        below[last] = words[path]
    for name, value in tree.items():
        lines += ["", *_lines(tool, name, value, "")] if name in SECTIONS else _lines(tool, name, value, "")
    return "\n".join(lines) + "\n"


def _order(path: str) -> tuple[bool, int]:
    """Sort words as the vocabulary has them, further datasets behind the first."""
    known = general(path)
    return known != path, _ORDER.index(known) if known in _ORDER else -1


def _lines(tool: str, name: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield f"{indent}{_scalar(name)}:"
        for inner, below in value.items():
            yield from _lines(tool, inner, below, f"{indent}  ")
        return
    assert isinstance(value, Word), "a leaf of the tree is a word"
    for note in value.notes:
        yield from _comment(note, indent)
    said = f"{indent}{name}: {_scalar(_literal(value.value) if indent else value.value)}"
    keys = ", ".join(dict.fromkeys(one_line(one.name) for one in value.keys))
    from_default = {"always": f"{tool}'s own", "base": "as where nothing is said"}.get(
        value.default, f"{tool}'s default of {value.default}"
    )
    yield f"{said}  # {keys or from_default}"


def _literal(value: Any) -> Any:
    """A value as it stands in a section, where no text of another trainer is to be taken for a reference."""
    match value:
        case str():
            return value.replace("${", "$${")
        case list():
            return [_literal(inner) for inner in value]
        case dict():
            return {key: _literal(inner) for key, inner in value.items()}
        case _:
            return value


def _comment(text: str, indent: str, start: str = "# ") -> Iterator[str]:
    yield from textwrap.wrap(one_line(text), _WIDTH, initial_indent=f"{indent}{start}", subsequent_indent=f"{indent}#{' ' * (len(start) - 1)}",
                             break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _changes(outcome: Unsupported) -> str:
    return "(changes what is learnt) " if outcome.learns else ""


def _scalar(value: Any) -> str:
    """A value on one line that the reader of recipes reads as the same value."""
    match value:
        case dict():
            return "{" + ", ".join(f"{_scalar(key)}: {_scalar(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_scalar, value)) + "]"
        case str():
            return value if _PLAIN.fullmatch(value) and _reads_as(value) else _quoted(value)
        case _:
            return json.dumps(value)


def _reads_as(value: str) -> bool:
    node, findings = read_text(Source("", value, Path()))
    return node is not None and not findings and plain(node) == value


def _quoted(value: str) -> str:
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def one_line(text: str) -> str:
    """A text of a source as it may stand in a comment: on one line, without what a terminal would obey."""
    return _UNPRINTABLE.sub("?", " ".join(text.split()))
