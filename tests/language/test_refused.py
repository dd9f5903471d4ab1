"""Who brings a setting from the quickstart that Wan does not take reads why."""

import json
from pathlib import Path

import pytest

from engine.language.diagnostics import RecipeError
from engine.language.foreign import foreign
from engine.language.refused import NAMES, refusal
from engine.language.resolve import resolve
from engine.words.table import WORDS


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        pytest.param("masked_loss", True, "RCP4201", "must not", id="masked loss"),
        pytest.param("evaluation_type", "clip", "RCP4202", "no motion", id="CLIP score"),
        pytest.param("precision", "nf4", "RCP4203", "4 bits", id="NF4"),
        pytest.param("base_model_precision", "int4-quanto", "RCP4203", "4 bits", id="INT4"),
        pytest.param("quantize", "nf4", "RCP4203", "train.quantize: int8", id="NF4 by our word"),
        pytest.param("quantize", "int4", "RCP4203", "train.quantize: int8", id="INT4 by our word"),
        pytest.param("qtype", "qint4", "RCP4203", "4 bits", id="INT4 of ai-toolkit"),
        pytest.param(
            "enable_model_cpu_offload", True, "RCP4207", "no whole model to move", id="model offload"
        ),
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


@pytest.mark.parametrize(
    ("name", "value", "led"),
    [
        ("tread_config", {"routes": []}, "train.tread: {kind: routes, routes: [{first: 2, last: -2, drop: 0.1}]}"),
        ("enable_group_offload", True, "offload: {kind: memory}"),
        ("blocks_to_swap", 20, "offload: {kind: memory}"),
        ("group_offload_to_disk_path", "/fast", "offload: {kind: disk}"),
        ("use_ema", True, "ema: {kind: decay, decay: 0.995, every: 1, warmup: true}"),
        ("base_model_precision", "int8-quanto", "`train.quantize`"),
        ("use_dora", True, "kind: dora"),
        ("init_lora", "x.safetensors", "`train.start.path`"),
        ("ema_decay", 0.99, "`train.ema.decay`"),
        ("num_processes", 2, "`hardware.devices`"),
    ],
)  # fmt: skip
def test_what_there_is_a_word_for_is_led_to_it(tmp_path: Path, name: str, value: object, led: str) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\n"
        f"train: {{{name}: {json.dumps(value)}}}\n"
    )
    with pytest.raises(RecipeError) as caught:
        resolve(recipe)
    found = next(found for found in caught.value.findings if found.path == f"train.{name}")
    assert found.code == "RCP2001"
    assert led in found.help


def test_a_route_as_simpletuner_writes_it_is_told_word_by_word(tmp_path: Path) -> None:
    recipe = tmp_path / "x.yaml"
    recipe.write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\n"
        "train:\n  tread:\n    kind: routes\n"
        "    routes: [{selection_ratio: 0.1, start_layer_idx: 2, end_layer_idx: -2}]\n"
    )
    with pytest.raises(RecipeError) as caught:
        resolve(recipe)
    told = {found.path.rpartition(".")[2]: found.help for found in caught.value.findings}
    for name, word in (("selection_ratio", "drop"), ("start_layer_idx", "first"), ("end_layer_idx", "last")):
        assert told[name].startswith(f"write `{word}`")


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
