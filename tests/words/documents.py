"""Documents that a schema describes, and documents that are wrong in one place.

The keywords are those that our schemas use; another one raises KeyError. (The package hypothesis-jsonschema would know
more of them, but its newest release, 0.23.1, does not run with a current hypothesis.)
"""

import copy
import math
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
LONGEST = 3


def documents(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    """Draw what a schema describes."""
    if "$ref" in schema:
        return documents(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "allOf" in schema:  # a choice by `kind`
        return st.one_of([documents(case["then"], definitions) for case in schema["allOf"]])
    literals = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return st.sampled_from(literals) if literals else _KINDS[schema["type"]](schema, definitions)


def _integers(schema: Schema, _: Schema) -> st.SearchStrategy[int]:
    step = schema.get("multipleOf", 1)
    least = -(-schema.get("minimum", -5) // step)
    return st.integers(least, schema.get("maximum", 5000) // step).map(lambda number: number * step)


def _numbers(schema: Schema, _: Schema) -> st.SearchStrategy[float]:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -100))
    most = schema.get("maximum", schema.get("exclusiveMaximum", 100))
    floats = st.floats(
        least, most, exclude_min="exclusiveMinimum" in schema, exclude_max="exclusiveMaximum" in schema
    )
    # the whole numbers inside: a limit can be a fraction
    first = math.floor(least) + 1 if "exclusiveMinimum" in schema else math.ceil(least)
    last = math.ceil(most) - 1 if "exclusiveMaximum" in schema else math.floor(most)
    return (
        floats | st.integers(first, last) if first <= last else floats
    )  # between 0 and 1 there is no whole number


def _texts(schema: Schema, _: Schema) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 8), 8))


def _lists(schema: Schema, definitions: Schema) -> st.SearchStrategy[list[Any]]:
    least = schema.get("minItems", 0)
    return st.lists(
        documents(schema["items"], definitions),
        min_size=least,
        max_size=min(schema.get("maxItems", LONGEST), least + LONGEST),
    )


def _sections(schema: Schema, definitions: Schema) -> st.SearchStrategy[dict[str, Any]]:
    if isinstance(schema.get("additionalProperties"), dict):
        values = documents(schema["additionalProperties"], definitions)
        return st.dictionaries(
            st.text(max_size=5), values, min_size=schema.get("minProperties", 0), max_size=LONGEST
        )
    assert set(schema["required"]) == set(schema["properties"]), "a complete recipe has every word"
    return st.fixed_dictionaries(
        {name: documents(word, definitions) for name, word in schema["properties"].items()}
    )


_KINDS = {
    "integer": _integers, "number": _numbers, "string": _texts, "array": _lists, "object": _sections,
    "boolean": lambda *_: st.booleans(),
}  # fmt: skip

JUNK = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 2, 16.0, 16.5, "16", "true", "", "a/b\n", "832x480\n", [], {}, [1], {"kind": "none"}, 2**60,
                     -0.0, 1e308, "hub", "none", "norm"]),
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3),
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[Any]) -> Any:
    """Draw a document and change it in up to two places: another value, a word more, a word less."""
    made = copy.deepcopy(draw(good))
    for _ in range(draw(st.integers(0, 2))):
        holder = draw(st.sampled_from(list(_holders(made))))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        what = draw(st.sampled_from(["put", "put", "put", "near", "add", "drop"]))
        if what == "add" or not keys:
            _add(holder, draw(st.sampled_from(["kind", "limit", "other", "seed"])), copy.deepcopy(draw(JUNK)))
        elif what == "drop":
            del holder[draw(st.sampled_from(keys))]
        else:
            key = draw(st.sampled_from(keys))
            holder[key] = copy.deepcopy(draw(JUNK)) if what == "put" else _near(holder[key])
    return made


def _holders(value: Any) -> Any:
    if isinstance(value, dict | list):
        yield value
        for below in value.values() if isinstance(value, dict) else value:
            yield from _holders(below)


def _add(holder: Any, key: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder.append(value)


def _near(value: Any) -> Any:
    """Return what is easily taken for a value: `16.0`, `"16"`, 1 for true."""
    match value:
        case bool():
            return int(value)
        case int():
            return float(value)
        case float():
            return str(value)
        case str():
            return [value]
        case _:
            return None
