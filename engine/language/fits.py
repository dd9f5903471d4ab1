"""Whether a value fits a schema: yes or no, for the few keywords that our schemas use.

`jsonschema` says what is wrong, and takes a fifth of a second to load. Most files are right, and so it is asked only
where this says no. A test holds the two to the same answers.
"""

import re
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Return whether plain data fits a schema; ``root`` is the document that ``$ref`` looks into.

    Raises:
        KeyError: a keyword that is not in the table.
    """
    for keyword, said in schema.items():
        if keyword not in _NOTES and not _KEYWORDS[keyword](value, said, schema, root):
            return False
    return True


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text as JSON Schema reads it: `$` is the end, and never before a last line end."""
    return re.search(_END.sub(r"\\Z", pattern), text) is not None


_END = re.compile(r"(?<!\\)\$$")


def _condition(value: Any, said: Schema, schema: Schema, root: Schema) -> bool:
    branch = schema.get("then" if fits(value, said, root) else "else")
    return branch is None or fits(value, branch, root)


def _properties(value: Any, said: Schema, _: Schema, root: Schema) -> bool:
    return not isinstance(value, dict) or all(
        fits(value[name], said[name], root) for name in value if name in said
    )


def _others(value: Any, said: Any, schema: Schema, root: Schema) -> bool:
    if said is True or not isinstance(value, dict):
        return True
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    rest = [
        name
        for name in value
        if name not in known and not any(matches(pattern, name) for pattern in patterns)
    ]
    return all(said is not False and fits(value[name], said, root) for name in rest)


def _names(value: Any, said: Schema, _: Schema, root: Schema) -> bool:
    return not isinstance(value, dict) or all(fits(name, said, root) for name in value)


def _number(holds: Callable[[float, float], bool]) -> Callable[[Any, Any, Schema, Schema], bool]:
    return lambda value, limit, *_: not _is_number(value) or holds(value, limit)


def _length(
    kind: type[str] | type[list[Any]] | type[dict[str, Any]], holds: Callable[[int, int], bool]
) -> Callable[[Any, Any, Schema, Schema], bool]:
    return lambda value, limit, *_: not isinstance(value, kind) or holds(len(value), limit)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: Any, literal: Any) -> bool:
    """Equality of JSON: true is not 1."""
    return bool(value == literal) and isinstance(value, bool) == isinstance(literal, bool)


def _target(reference: str, root: Schema) -> Schema:
    found: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    return found


_TYPES: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: (
        isinstance(value, int) and not isinstance(value, bool)
    ),  # 16.0 is a slip, not a count
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

_NOTES = {
    "$schema",
    "$defs",
    "title",
    "description",
    "examples",
    "then",
    "else",
    "x-cache",
    "x-unit",
    "x-layer",
    "x-merge",
}

_KEYWORDS: dict[str, Callable[[Any, Any, Schema, Schema], bool]] = {
    "$ref": lambda value, said, _, root: fits(value, _target(said, root), root),
    "type": lambda value, said, *_: _TYPES[said](value),
    "enum": lambda value, said, *_: any(_same(value, literal) for literal in said),
    "const": lambda value, said, *_: _same(value, said),
    "minimum": _number(lambda value, limit: value >= limit),
    "maximum": _number(lambda value, limit: value <= limit),
    "exclusiveMinimum": _number(lambda value, limit: value > limit),
    "exclusiveMaximum": _number(lambda value, limit: value < limit),
    "multipleOf": _number(lambda value, step: value % step == 0),
    "minLength": _length(str, lambda size, limit: size >= limit),
    "maxLength": _length(str, lambda size, limit: size <= limit),
    "minItems": _length(list, lambda size, limit: size >= limit),
    "maxItems": _length(list, lambda size, limit: size <= limit),
    "minProperties": _length(dict, lambda size, limit: size >= limit),
    "pattern": lambda value, said, *_: not isinstance(value, str) or matches(said, value),
    "required": lambda value, said, *_: not isinstance(value, dict) or all(name in value for name in said),
    "properties": _properties,
    "patternProperties": lambda *_: True,  # ours allow anything under such a name
    "additionalProperties": _others,
    "propertyNames": _names,
    "items": lambda value, said, _, root: not isinstance(value, list) or all(fits(item, said, root) for item in value),
    "allOf": lambda value, said, _, root: all(fits(value, part, root) for part in said),
    "anyOf": lambda value, said, _, root: any(fits(value, part, root) for part in said),
    "not": lambda value, said, _, root: not fits(value, said, root),
    "if": _condition,
}  # fmt: skip
