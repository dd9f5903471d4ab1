"""JSON Schemas (2020-12) of the vocabulary, generated from the models.

Two are published. ``resolved`` describes a complete recipe. ``layer`` describes one file: every section and word
is optional, because the layers that the file extends may say it, and instead of a value it may say what to do with
the one below it (``$append``, ``$unset`` …), or where to take it from (``${path}``). Both refuse unknown words.

A choice between sections is written as ``if kind is … then …``, never as ``oneOf``, so that a validator names the
branch that the author meant instead of guessing.
"""

import json
from collections.abc import Mapping
from typing import Any

from engine.words.classes import HOW
from engine.words.recipe import KINDS, Header, Recipe

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
    definitions = {
        name: _section(made, recipe["$defs"], complete=complete) for name, made in recipe["$defs"].items()
    }
    definitions |= {name: _section(made, {}, complete=True) for name, made in header["$defs"].items()}
    words = header["properties"] | recipe["properties"]
    if not complete:
        definitions |= {"Directive": DIRECTIVE, "Instead": INSTEAD, "Otherwise": OTHERWISE}
    return {
        "$schema": DIALECT,
        "title": "A complete Wan recipe" if complete else "One layer of a Wan recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", *(recipe["required"] if complete else [])],
        "properties": {
            name: _tidy_word(word, definitions, complete=complete or name in header["properties"])
            for name, word in words.items()
        },
        "patternProperties": {"^x-": {}},
        "$defs": definitions,
    }


# what a layer may say in place of a value; `x-merge` of the word says what happens where it says a value
DIRECTIVE: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        "$append": {"type": "array", "minItems": 1, "description": "Put these behind the list below."},
        "$prepend": {"type": "array", "minItems": 1, "description": "Put these before the list below."},
        "$remove": {"type": "array", "minItems": 1, "description": "Take these out of the list below."},
        "$replace": {"description": "Put this in place of whatever stands below."},
        "$unset": {"const": True, "description": "Take the word away, so that nobody has said it."},
        "$required": {
            "type": "string",
            "description": "Someone above must say this word; the text says why.",
        },
        "$include": {
            "type": "string",
            "minLength": 1,
            "description": "Take what a fragment says at this place.",
        },
    },
}
# what a layer may say beside the words of a section
IN_A_SECTION: Schema = {
    name: DIRECTIVE["properties"][name] for name in ("$replace", "$unset", "$required", "$include")
}
INSTEAD: Schema = {
    "anyOf": [
        {"type": "string", "pattern": r"\$\{"},
        {"type": "object", "minProperties": 1, "propertyNames": {"pattern": r"^\$"}},
    ]
}
OTHERWISE: Schema = {"if": {"type": "object"}, "then": {"$ref": "#/$defs/Directive"}}


def _section(made: Schema, definitions: Mapping[str, Schema], *, complete: bool) -> Schema:
    words = {
        name: _tidy_word(word, definitions, complete=complete) for name, word in made["properties"].items()
    }
    return _tidy(made | {"properties": words}, complete=complete)


def _tidy(section: Schema, *, complete: bool) -> Schema:
    """Drop generated titles; in a layer nothing is required, and directives may stand among the words."""
    kept = {key: value for key, value in section.items() if key != "title"}
    if complete:
        return kept
    del kept["required"]
    return kept | {"properties": kept["properties"] | IN_A_SECTION}


def _tidy_word(word: Schema, definitions: Mapping[str, Schema], *, complete: bool) -> Schema:
    kept = {key: value for key, value in word.items() if key not in {"title", "discriminator", "oneOf"}}
    if "x-cache" in word:
        kept |= {"x-layer": _layers(word), "x-merge": "merge" if word.get("type") == "object" else "replace"}
    if "discriminator" in word:
        return (
            kept
            | {"x-merge": "by kind"}
            | _choice(word["discriminator"]["mapping"], definitions, complete=complete)
        )
    if complete or "x-cache" not in word:
        return kept
    notes = {key: kept.pop(key) for key in list(kept) if key.startswith("x-") or key == "description"}
    if isinstance(kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = _or_directive(kept["additionalProperties"])
    return notes | _offered(kept) | _or_directive(kept)


def _offered(word: Schema) -> Schema:
    """Say what a word may be where editors look for something to offer: they do not look into conditions."""
    values = [True, False] if word.get("type") == "boolean" else word.get("enum")
    return {"examples": values} if values else {}


def _or_directive(value: Schema) -> Schema:
    return {"if": {"$ref": "#/$defs/Instead"}, "then": {"$ref": "#/$defs/Otherwise"}, "else": value}


def _layers(word: Schema) -> list[str]:
    """Which kinds of file may set a word: a hardware profile says how, never what."""
    every = list(KINDS)
    return every if word["x-cache"] in HOW else [kind for kind in every if kind != "hardware"]


def _choice(mapping: Mapping[str, str], definitions: Mapping[str, Schema], *, complete: bool) -> Schema:
    """Turn ``kind → section`` into conditions."""
    when = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": target}}
        for kind, target in mapping.items()
    ]
    made: Schema = {"type": "object", "properties": {"kind": {"enum": list(mapping)}}, "allOf": when}
    if complete:
        return made | {"required": ["kind"]}
    return made | {"if": {"not": {"required": ["kind"]}}, "then": _any_branch(mapping, definitions)}


def _any_branch(mapping: Mapping[str, str], definitions: Mapping[str, Schema]) -> Schema:
    """In a layer that does not say ``kind``, the words of every branch are possible.

    What they may be is known where every branch that has one says the same of it.
    """
    words: Schema = {name: {} for name in IN_A_SECTION}
    for target in mapping.values():
        for name, word in definitions[target.removeprefix("#/$defs/")]["properties"].items():
            said = _tidy_word(word, definitions, complete=False)
            words[name] = said if words.get(name, said) == said else {}
    return {"properties": words, "additionalProperties": False}
