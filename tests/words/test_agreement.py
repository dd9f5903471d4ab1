"""The published schema, the models and the quick check accept the same documents: 2,000 of them, right and wrong."""

from collections import Counter
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter, ValidationError
from words.documents import documents, spoilt

from engine.language.fits import fits
from engine.language.misfits import STRICT
from engine.language.resolve import resolve
from engine.words.recipe import Recipe
from engine.words.schema import resolved_schema
from engine.words.table import SECTIONS

EACH = 400
SCHEMA = resolved_schema()
assert EACH * len(SECTIONS) >= 2000


@pytest.mark.parametrize("section", SECTIONS)
def test_schema_model_and_quick_check_accept_the_same(section: str) -> None:
    target = SCHEMA["properties"][section]
    by_schema = STRICT({"$ref": target["$ref"], "$defs": SCHEMA["$defs"]})
    model = TypeAdapter(Recipe.model_fields[section].annotation)
    seen = Counter[bool]()

    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(spoilt(documents(target, SCHEMA["$defs"])))
    def agree(made: Any) -> None:
        accepted = by_schema.is_valid(made)
        assert fits(made, target, SCHEMA) == accepted, f"the quick check and the schema differ on {made!r}"
        assert _typed(model, made) == accepted, f"the model and the schema differ on {made!r}"
        seen[accepted] += 1

    agree()
    assert min(seen[True], seen[False]) > EACH / 10, f"both kinds must be drawn: {seen}"


def _typed(model: TypeAdapter[Any], made: Any) -> bool:
    try:
        model.validate_python(made)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("section", "path", "value", "accepted"),
    [
        ("train", "steps", 16, True), ("train", "steps", 16.0, False), ("train", "steps", True, False), ("train", "steps", "16", False),
        ("train", "learning_rate", 1, True), ("train", "learning_rate", True, False), ("train", "learning_rate", "1e-4", False),
        ("train", "gradient_checkpointing", 1, False), ("train", "gradient_checkpointing", "true", False),
        ("sample", "negative", None, False), ("sample", "prompts", {}, False), ("hardware", "name", 3, False),
        ("model", "source", {"kind": "hub", "repository": "a/b", "revision": "0"}, True),
        ("model", "source", {"kind": "hub", "repository": "a/b\n", "revision": "0"}, False),
        ("model", "source", {"kind": "hub", "repository": "a/²", "revision": "0"}, False),
    ],
)  # fmt: skip
def test_what_is_easily_taken_for_a_value_is_none(
    section: str, path: str, value: Any, accepted: bool
) -> None:
    target = SCHEMA["properties"][section]
    made = resolve(ROOT / "recipes/examples/micro-cartoon.yaml").values[section] | {path: value}
    assert STRICT({"$ref": target["$ref"], "$defs": SCHEMA["$defs"]}).is_valid(made) == accepted
    assert fits(made, target, SCHEMA) == accepted
    assert _typed(TypeAdapter(Recipe.model_fields[section].annotation), made) == accepted
