"""Examples of choices are complete, so that who copies one has all its words."""

import pytest
from pydantic import BaseModel

from engine.language.diagnostics import RecipeError
from engine.language.resolve import resolve
from engine.words import data, train

SHOWN = [
    (kind, example)
    for module in (data, train)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, BaseModel)
    for example in (kind.model_config.get("json_schema_extra") or {}).get("examples", [])
]


def test_the_choices_have_examples() -> None:
    assert len(SHOWN) >= 13


@pytest.mark.parametrize(("kind", "example"), SHOWN, ids=[kind.__name__ for kind, _ in SHOWN])
def test_an_example_is_complete(kind: type[BaseModel], example: dict[str, object]) -> None:
    assert kind.model_validate(example).model_dump() == example


def test_a_choice_without_its_words_is_shown_one_with_them(tmp_path) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n"
        "train: {optimizer: {kind: lion}}\n"
    )
    with pytest.raises(RecipeError) as caught:
        resolve(recipe)
    (found,) = caught.value.findings
    assert found.path == "train.optimizer.kind"
    assert found.message == "`train.optimizer` of kind `lion` lacks `betas` and `weight_decay`"
    assert "`{kind: lion, betas: [0.9, 0.99], weight_decay: 0.01}`" in found.help
