"""Every word by its dotted path, with what it says about itself: ``WORDS["train.lora.rank"]``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.words.recipe import Recipe
from engine.words.word import CacheClass


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the vocabulary."""

    path: str
    description: str
    cache: CacheClass
    unit: str
    values: str  # what it may be, for people


def _sections(field: FieldInfo) -> tuple[type[BaseModel], ...]:
    """The models that a field's value may be: none for a plain word, several for a choice."""
    kinds = get_args(field.annotation) or (field.annotation,)
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _walk(model: type[BaseModel], above: str) -> Iterator[Word]:
    for name, field in model.model_fields.items():
        path = f"{above}{name}"
        MEANINGS[path] = field.description or ""
        sections = _sections(field)
        for section in sections:
            yield from _walk(section, f"{path}.")
        if not sections:
            notes = field.json_schema_extra
            if not isinstance(notes, dict) or "x-cache" not in notes:
                raise TypeError(f"the word {path} has no cache class")
            cache, unit = CacheClass(str(notes["x-cache"])), str(notes.get("x-unit", ""))
            # what a `kind` means is what its section means, not what one of its branches is
            about = MEANINGS[above.rstrip(".")] if name == "kind" else MEANINGS[path]
            yield Word(path, about, cache, unit, _values(field))


def _values(field: FieldInfo) -> str:
    """Say what a word may be: its literals, or its type and limits."""
    said = field.annotation
    if get_origin(said) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(said))
    plain: dict[Any, str] = {int: "whole number", float: "number", bool: "`true`, `false`", str: "text"}
    kind = plain.get(said, "map of texts" if get_origin(said) is dict else "list") if said is not None else ""
    limits = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [f"{sign} {getattr(part, name)}" for part in field.metadata for name, sign in limits.items()
             if getattr(part, name, None) is not None]  # fmt: skip
    return " ".join([kind, *found])


def _table() -> dict[str, Word]:
    """Collect all words; branches of a choice may share a word, but not with two cache classes."""
    table: dict[str, Word] = {}
    for found in _walk(Recipe, ""):
        before = table.get(found.path, found)
        if before.cache is not found.cache:
            raise TypeError(f"the word {found.path} has two cache classes")
        same = before.values == found.values
        table[found.path] = before if same else replace(before, values=f"{before.values}, {found.values}")
    return table


MEANINGS: dict[str, str] = {}  # of words and of sections, by dotted path
WORDS: dict[str, Word] = _table()


def is_location(path: str) -> bool:
    """Whether the word at a path says where something lies on this machine."""
    word = word_at(path)
    return word is not None and word.cache is CacheClass.LOCATION


def word_at(path: str) -> Word | None:
    """Return the word that governs a path: itself, or the map of free names that it lies in."""
    while path:
        if path in WORDS:
            return WORDS[path]
        path = path.rpartition(".")[0]
    return None
