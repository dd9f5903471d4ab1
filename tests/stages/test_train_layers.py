"""What an adapter can be put on is told from the numbers alone, and told rightly."""

from pathlib import Path

import pytest
from conftest import ROOT
from diffusers import WanTransformer3DModel
from torch import nn

from engine import pipeline
from engine.language.diagnostics import RecipeError
from engine.language.overrides import sets
from engine.language.resolve import resolve
from engine.stages.train.layers import linear_layers, match
from engine.wan.numbers import transformer_config

MICRO = ROOT / "recipes/examples/micro-cartoon.yaml"


def test_the_table_is_what_the_model_has() -> None:
    numbers = resolve(MICRO).recipe.model.transformer
    model = WanTransformer3DModel(**transformer_config(numbers))
    linear = {name: (module.in_features, module.out_features)
              for name, module in model.named_modules() if isinstance(module, nn.Linear)}  # fmt: skip
    assert linear_layers(numbers) == linear


def test_the_adapter_of_the_real_model_has_the_published_size() -> None:
    recipe = resolve(ROOT / "recipes/examples/wan21-disney.yaml").recipe
    layers = linear_layers(recipe.model.transformer)
    attention = sum(sum(layers[name]) for name in match(layers, recipe.train.adapter.targets).names) * 16
    everything = sum(sum(layers[name]) for name in match(layers, [r"blocks\..*"]).names) * 16
    # 8 modules × 2·1536 × 16 × 30 blocks; with the feed-forward, 2 modules × (1536 + 8960) × 16 × 30 more
    assert (attention, everything) == (11_796_480, 21_872_640)


def test_a_pattern_that_matches_nothing_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        pipeline.plan(MICRO, sets(r"train.adapter.targets=['blocks\.\d+\.attn3\.to_q']"), tmp_path / "store")
    (found,) = caught.value.findings
    assert (found.code, found.path) == ("RCP4008", "train.adapter.targets")
    assert "to_q" in found.help
    assert not (tmp_path / "store").exists()


SLOW = "(?:(?:.|..)+)+[XYZ]"


@pytest.mark.parametrize("pattern", ["((.*)*)*x", SLOW])
def test_a_pattern_that_re_would_take_for_ever_on_is_done_with_at_once(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        pipeline.plan(MICRO, sets(f"train.adapter.targets=['{pattern}']"), tmp_path / "store")
    # the engine sees through some of them; the others are given up
    assert {found.code for found in caught.value.findings} <= {"RCP4006", "RCP4008"}


def test_a_pattern_is_given_up_after_a_moment() -> None:
    layers = {"blocks.0.attn1.to_q" * 3: (1, 1)}
    assert match(layers, [SLOW, ".*"]).slow == [SLOW]
    assert match(layers, [SLOW, ".*"]).names == list(layers)
