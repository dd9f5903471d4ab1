"""The published schema, the models and the quick check accept the same documents: 2,000 of them, right and wrong."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter, ValidationError
from words.documents import documents, spoilt

from engine.language.fits import fits
from engine.language.misfits import STRICT
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
