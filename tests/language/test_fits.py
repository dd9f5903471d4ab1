"""Our quick yes or no is jsonschema's, on every keyword that the published schemas use."""

from typing import Any

import pytest
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.language.fits import _KEYWORDS, _NOTES, fits
from engine.language.misfits import STRICT
from engine.language.resolve import resolve
from engine.shipped import schema
from engine.words.table import WORDS

WHOLE = resolve(ROOT / "recipes/examples/micro-cartoon.yaml").values | {
    "apiVersion": "wan-recipe/v1",
    "kind": "recipe",
}
REAL = resolve(ROOT / "recipes/examples/wan21-disney.yaml").values | {
    "apiVersion": "wan-recipe/v1",
    "kind": "recipe",
}


def keywords(part: Any, *, names: bool = False) -> set[str]:
    if isinstance(part, list):
        return {keyword for item in part for keyword in keywords(item)}
    if not isinstance(part, dict):
        return set()
    inner = {keyword for name, value in part.items() if names or name not in {"examples", "enum", "const"}
             for keyword in keywords(value, names=name in {"properties", "$defs", "patternProperties"})}  # fmt: skip
    return inner if names else inner | set(part)


@pytest.mark.parametrize("name", ["layer", "resolved"])
def test_every_keyword_of_the_schemas_is_in_the_table(name: str) -> None:
    assert keywords(schema(name)) - set(_KEYWORDS) - _NOTES == set()


def test_a_keyword_that_is_not_in_the_table_is_never_passed_over() -> None:
    with pytest.raises(KeyError):
        fits(3, {"uniqueItems": True}, {})


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2000), st.floats(-3, 3), st.text(max_size=3), st.just("${train.seed}"),
    st.lists(st.integers(), max_size=3), st.lists(st.booleans(), max_size=3), st.lists(st.floats(0, 1), max_size=3),
    st.just({}), st.sampled_from(["16", 16.0, 1e-4, "hub", "folder", "adamw", "cosine", True, "none", "bf16"]),
    st.dictionaries(
        st.sampled_from(["$append", "$prepend", "$remove", "$replace", "$unset", "$required", "$include", "$other", "kind", "a"]),
        st.one_of(st.booleans(), st.lists(st.integers(), max_size=2), st.text(max_size=2), st.integers(0, 3)), max_size=2,
    ),
)  # fmt: skip
PATHS = sorted(
    {
        *WORDS,
        *(path.rpartition(".")[0] for path in WORDS),
        "model",
        "kind",
        "extends",
        "title",
        "x-mine",
        "other",
    }
)


@settings(max_examples=600, deadline=None)
@given(
    name=st.sampled_from(["layer", "resolved"]),
    whole=st.sampled_from([WHOLE, REAL]),
    edits=st.lists(
        st.tuples(st.sampled_from(PATHS), st.none() | st.just("drop"), JUNK), min_size=1, max_size=3
    ),
)
@example(name="layer", whole=WHOLE, edits=[("train.adapter.alpha", None, "${train.adapter.rank}")])
@example(name="layer", whole=WHOLE, edits=[("train.adapter.targets", None, {"$append": ["x"]})])
@example(name="resolved", whole=WHOLE, edits=[("train.steps", None, 16.0)])
@example(name="resolved", whole=WHOLE, edits=[("train.gradient_checkpointing", None, 1)])
def test_it_says_what_jsonschema_says(
    name: str, whole: dict[str, Any], edits: list[tuple[str, str | None, Any]]
) -> None:
    document = whole
    for path, drop, junk in edits:
        document = edited(document, path.split("."), drop, junk)
    expected = STRICT(schema(name)).is_valid(document)
    assert fits(document, schema(name), schema(name)) == expected, edits


def edited(document: dict[str, Any], path: list[str], drop: str | None, junk: Any) -> dict[str, Any]:
    first, *rest = path
    if not rest:
        kept = {name: value for name, value in document.items() if name != first}
        return kept if drop else kept | {first: junk}
    below = document.get(first)
    return document | {first: edited(below, rest, drop, junk)} if isinstance(below, dict) else document
