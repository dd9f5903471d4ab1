"""What every word of the vocabulary says about itself: its meaning, its unit, and its cache class."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.words.classes import CacheClass

IDENTITY, NUMERICS, EXTEND = CacheClass.IDENTITY, CacheClass.NUMERICS, CacheClass.EXTEND
RUNTIME, LOCATION, LABEL = CacheClass.RUNTIME, CacheClass.LOCATION, CacheClass.LABEL


class Words(BaseModel):
    """A section of a recipe: complete, strict and frozen. Unknown words and loose types are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def word(description: str, cache: CacheClass = IDENTITY, *, unit: str = "", **limits: Any) -> Any:
    """Declare one word.

    Args:
        description: one sentence for editors, error messages and the reference.
        cache: the cache class; most words change what is made.
        unit: the unit of the value where it has one, such as ``px`` or ``frames/s``.
        limits: pydantic constraints (``ge``, ``gt``, ``le``, ``pattern``, ``min_length`` and so on).
    """
    notes: dict[str, Any] = {"x-cache": cache.value, **({"x-unit": unit} if unit else {})}
    return Field(description=description, json_schema_extra=notes, **limits)


def example(**words: Any) -> ConfigDict:
    """Show how a branch of a choice is written in full; nothing takes its values from here."""
    return ConfigDict(json_schema_extra={"examples": [words]})


def section(description: str) -> Any:
    """Declare a word whose value is a section of further words; those carry the cache classes."""
    return Field(description=description)


def choice(description: str) -> Any:
    """Declare a word whose value is one of several sections, told apart by their word ``kind``."""
    return Field(description=description, discriminator="kind")
