"""Every word by its dotted path, with what it says about itself: ``WORDS["train.lora.rank"]``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

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
            yield Word(
                path, field.description or "", CacheClass(str(notes["x-cache"])), str(notes.get("x-unit", ""))
            )


def _table() -> dict[str, Word]:
    """Collect all words; branches of a choice may share a word, but not with two cache classes."""
    table: dict[str, Word] = {}
    for word in _walk(Recipe, ""):
        if word.path in table and table[word.path].cache is not word.cache:
            raise TypeError(f"the word {word.path} has two cache classes")
        table.setdefault(word.path, word)
    return table


MEANINGS: dict[str, str] = {}  # of words and of sections, by dotted path
WORDS: dict[str, Word] = _table()


def word_at(path: str) -> Word | None:
    """Return the word that governs a path: itself, or the map of free names that it lies in."""
    while path:
        if path in WORDS:
            return WORDS[path]
        path = path.rpartition(".")[0]
    return None
