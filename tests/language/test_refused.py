"""Who brings a setting from the quickstart that Wan does not take reads why."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.codes import CODES
from engine.language.diagnostics import RecipeError
from engine.language.foreign import foreign
from engine.language.refused import NAMES, refusal
from engine.language.resolve import resolve
from engine.words.table import WORDS


def route(first: object = 2, last: object = -2, ratio: object = 0.1) -> dict[str, object]:
    return {"routes": [{"selection_ratio": ratio, "start_layer_idx": first, "end_layer_idx": last}]}


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        pytest.param("masked_loss", True, "RCP4201", "must not", id="masked loss"),
        pytest.param("evaluation_type", "clip", "RCP4202", "no motion", id="CLIP score"),
        pytest.param("precision", "nf4", "RCP4203", "4 bits", id="NF4"),
        pytest.param("base_model_precision", "int4-quanto", "RCP4203", "4 bits", id="INT4"),
        pytest.param("tread_config", route(first=0), "RCP4204", "start at 2", id="TREAD in the first layer"),
        pytest.param("tread_config", route(first=1), "RCP4204", "start at 2", id="TREAD in the second layer"),
        pytest.param("tread_config", route(last=-1), "RCP4204", "end at -2", id="TREAD in the last layer"),
        pytest.param("tread_config", route(last=29), "RCP4204", "end at -2", id="TREAD in the last of 30"),
        pytest.param("tread", route(ratio=0.6), "RCP4205", "0.5 is already much", id="TREAD drops too much"),
        pytest.param("tread", route(), "RCP4206", "not built yet", id="TREAD of the quickstart"),
        pytest.param("enable_model_cpu_offload", True, "RCP4207", "exclude each other", id="model offload"),
        pytest.param("enable_group_offload", True, "RCP4207", "exclude each other", id="block offload"),
        pytest.param(
            "attention_mechanism", "sageattention", "RCP4014", "no backward pass", id="sage attention"
        ),
        pytest.param("feed_forward_chunk_size", 2, "RCP4016", "stays whole", id="chunk size"),
        pytest.param("boundary", 0.875, "RCP4208", "Wan 2.1 has one", id="boundary"),
        pytest.param("is_i2v", True, "RCP4209", "no later frame", id="image to video"),
        pytest.param("delete_problematic_images", "true", "RCP4210", "ever deleted", id="deleting"),
    ],
)
def test_a_setting_that_is_not_taken_is_told_why(name: str, value: object, code: str, said: str) -> None:
    found = refusal("train", name, value)
    assert found is not None
    assert found[0] == code
    assert f"`train.{name}`" in found[1]
    assert said in found[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("precision", "bf16"),
        ("precision", 4),
        ("title", "trained in nf4"),
        ("attention", "sageattention"),
        ("attention_mechanism", "diffusers"),
        ("rnk", 8),
        ("steps", 4),
    ],
)
def test_of_other_words_nothing_is_known(name: str, value: object) -> None:
    assert refusal("train", name, value) is None


@given(name=st.sampled_from(["tread", "tread_config"]), value=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["routes", "selection_ratio", "start_layer_idx", "end_layer_idx"]), inner, max_size=3)))  # fmt: skip
def test_routes_of_any_shape_are_looked_at_without_falling_over(name: str, value: object) -> None:
    found = refusal("", name, value)
    assert found is not None
    assert found[0] in CODES


def test_what_is_refused_is_neither_a_word_nor_called_otherwise_here() -> None:
    assert [name for name in NAMES if foreign(name)] == []
    assert [path for path in WORDS if path.rpartition(".")[2] in NAMES] == []


def test_a_recipe_that_brings_them_is_told_at_each_place(tmp_path: Path) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\n"
        "sample: {prompts: {cat: a cat}}\n"
        "model: {boundary: 0.9}\n"
        "train:\n  precision: nf4\n  masked_loss: true\n  rnk: 8\n"
    )
    with pytest.raises(RecipeError) as caught:
        resolve(recipe)
    assert [(found.code, found.span.line, found.span.column) for found in caught.value.findings] == [
        ("RCP4208", 6, 9), ("RCP4203", 8, 14), ("RCP4201", 9, 3), ("RCP2001", 10, 3),
    ]  # fmt: skip
