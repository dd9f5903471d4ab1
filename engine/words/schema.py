"""JSON Schemas (2020-12) of the vocabulary, generated from the models.

Two are published. ``resolved`` describes a complete recipe. ``layer`` describes one file: every section and word
is optional, because the layers that the file extends may say it. Both refuse unknown words.

A choice between sections is written as ``if kind is … then …``, never as ``oneOf``, so that a validator names the
branch that the author meant instead of guessing.
"""

import json
from collections.abc import Mapping
from typing import Any

from engine.words.recipe import Header, Recipe
from engine.words.word import HOW

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def layer_schema() -> Schema:
    """Return the schema of one file."""
    return _document(Header.model_json_schema(), Recipe.model_json_schema(), complete=False)


def resolved_schema() -> Schema:
    """Return the schema of a complete recipe."""
    return _document(Header.model_json_schema(), Recipe.model_json_schema(), complete=True)


def published() -> dict[str, str]:
    """Return the text of each file in ``schemas/v1`` by its name."""
    schemas = {"layer.schema.json": layer_schema(), "resolved.schema.json": resolved_schema()}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def _document(header: Schema, recipe: Schema, *, complete: bool) -> Schema:
    """Join header and sections into one schema and bring it into the house form."""
    definitions = {name: _tidy(made, complete=complete) for name, made in recipe["$defs"].items()}
    for made in definitions.values():
        made["properties"] = {
            name: _tidy_word(word, definitions, complete=complete)
            for name, word in made["properties"].items()
        }
    words = header["properties"] | recipe["properties"]
    return {
        "$schema": DIALECT,
        "title": "A complete Wan recipe" if complete else "One layer of a Wan recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", *(recipe["required"] if complete else [])],
        "properties": {
            name: _tidy_word(word, definitions, complete=complete) for name, word in words.items()
        },
        "$defs": definitions,
    }


def _tidy(section: Schema, *, complete: bool) -> Schema:
    """Drop generated titles; in a layer nothing is required."""
    dropped = {"title"} if complete else {"title", "required"}
    return {key: value for key, value in section.items() if key not in dropped}


def _tidy_word(word: Schema, definitions: Mapping[str, Schema], *, complete: bool) -> Schema:
    kept = {key: value for key, value in word.items() if key not in {"title", "discriminator", "oneOf"}}
    layers = _layers(word)
    if layers:
        kept["x-layer"] = layers
    if "discriminator" in word:
        kept |= _choice(word["discriminator"]["mapping"], definitions, complete=complete)
    return kept


def _layers(word: Schema) -> list[str]:
    """Which kinds of file may set a word: a hardware profile says how, never what."""
    if "x-cache" not in word:
        return []
    return (
        ["base", "flavour", "hardware", "recipe"] if word["x-cache"] in HOW else ["base", "flavour", "recipe"]
    )


def _choice(branches: Mapping[str, str], definitions: Mapping[str, Schema], *, complete: bool) -> Schema:
    """Turn ``kind → section`` into conditions."""
    when = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": target}}
        for kind, target in branches.items()
    ]
    made: Schema = {"type": "object", "properties": {"kind": {"enum": list(branches)}}, "allOf": when}
    if complete:
        return made | {"required": ["kind"]}
    return made | {"if": {"not": {"required": ["kind"]}}, "then": _any_branch(branches, definitions)}


def _any_branch(branches: Mapping[str, str], definitions: Mapping[str, Schema]) -> Schema:
    """In a layer that does not say ``kind``, the words of every branch are possible."""
    words: Schema = {}
    for target in branches.values():
        words |= definitions[target.removeprefix("#/$defs/")]["properties"]
    return {"properties": {name: {} for name in words}, "additionalProperties": False}
