"""Every word by its dotted path, with what it says about itself: ``WORDS["train.lora.rank"]``.

Read from the published schema and not from the models, because building the models would cost `recipe validate`
half of its time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from engine.shipped import schema
from engine.words.classes import CacheClass

Schema = dict[str, Any]
T = TypeVar("T")
_OR = ", "  # between what a word may be in one branch of a choice and in another


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the vocabulary.

    Attributes:
        values: what it may be, for people.
        merge: how a layer's value meets the one below it: ``replace`` or ``merge``.
    """

    path: str
    description: str
    cache: CacheClass
    unit: str
    values: str
    merge: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words, and what words and sections mean, by dotted path."""

    words: dict[str, Word]
    meanings: dict[str, str]


def vocabulary(resolved: Schema) -> Vocabulary:
    """Collect the words of the schema of a complete recipe."""
    meanings: dict[str, str] = {}
    table: dict[str, Word] = {}
    for found in _walk(_sections_of(resolved), "", resolved["$defs"], meanings):
        before = table.get(found.path, found)
        if before.cache is not found.cache:
            raise TypeError(f"the word {found.path} has two cache classes")
        known = found.values in (before.values, *before.values.split(_OR))
        table[found.path] = before if known else replace(before, values=before.values + _OR + found.values)
    return Vocabulary(table, meanings)


def branches(word: Schema) -> dict[str, str]:
    """Return ``kind → name of the section`` of a choice; nothing for another word."""
    return {
        case["if"]["properties"]["kind"]["const"]: case["then"]["$ref"].removeprefix("#/$defs/")
        for case in word.get("allOf", [])
    }


def _sections_of(resolved: Schema) -> Schema:
    in_the_header = {"apiVersion", "kind"}
    return {name: resolved["properties"][name] for name in resolved["required"] if name not in in_the_header}


def _walk(words: Schema, above: str, sections: Schema, meanings: dict[str, str]) -> Iterator[Word]:
    for name, word in words.items():
        path = f"{above}{name}"
        target = [word["$ref"].removeprefix("#/$defs/")] if "$ref" in word else list(branches(word).values())
        meanings[path] = word.get("description") or sections[target[0]]["description"]
        for section in target:
            yield from _walk(sections[section]["properties"], f"{path}.", sections, meanings)
        if not target:
            if "x-cache" not in word:
                raise TypeError(f"the word {path} has no cache class")
            # what a `kind` means is what its section means, not what one of its branches is
            about = meanings[above.rstrip(".")] if name == "kind" else meanings[path]
            yield Word(
                path,
                about,
                CacheClass(word["x-cache"]),
                word.get("x-unit", ""),
                _values(word),
                word.get("x-merge", ""),
            )


def _values(word: Schema) -> str:
    """Say what a word may be: its literals, or its type and limits."""
    literals = word.get("enum", [word["const"]] if "const" in word else [])
    if literals:
        return ", ".join(f"`{value}`" for value in literals)
    if "$ref" in word.get("additionalProperties", {}):
        return "map of sections"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " ".join(
        [_TYPES[word["type"]], *(f"{sign} {word[key]}" for key, sign in limits.items() if key in word)]
    )


_TYPES = {
    "integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text", "array": "list",
    "object": "map of texts",
}  # fmt: skip

SECTIONS = tuple(_sections_of(schema("resolved")))
HEADER_WORDS = tuple(name for name in schema("resolved")["properties"] if name not in SECTIONS)
_ALL = vocabulary(schema("resolved"))
WORDS, MEANINGS = _ALL.words, _ALL.meanings


def is_location(path: str) -> bool:
    """Whether the word at a path says where something lies on this machine."""
    word = word_at(path)
    return word is not None and word.cache is CacheClass.LOCATION


def by_path(main: T, more: Mapping[str, T]) -> dict[str, T]:
    """Return datasets by the path of their words: `data` itself first, and those of `data.more` by name."""
    return {"data": main} | {f"data.more.{name}": more[name] for name in sorted(more)}


def general(path: str) -> str:
    """Return the path under which a word is known: a dataset of `data.more` has the words of `data`."""
    parts = path.split(".")
    return ".".join(["data", *parts[3:]]) if parts[:2] == ["data", "more"] and len(parts) > 3 else path


def word_at(path: str) -> Word | None:
    """Return the word that governs a path: itself, or the map of free names that it lies in."""
    path = general(path)
    while path:
        if path in WORDS:
            return WORDS[path]
        path = path.rpartition(".")[0]
    return None
