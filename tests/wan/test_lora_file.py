"""The adapter as a file: stock loaders read it at the strength at which it was trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanPipeline, WanTransformer3DModel
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from engine.header import with_notes
from engine.training.lora import adapter_state, add_lora, trainable
from engine.wan.denoise import predict
from engine.wan.load import load_transformer
from engine.wan.lora_file import save_lora

ATTENTION = [r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"]
EVERYTHING = [*ATTENTION, r"blocks\.\d+\.ffn\.net\.(0\.proj|2)", "proj_out"]
NAME = "pytorch_lora_weights.safetensors"


def trained(folder: Path, rank: int, alpha: float, targets: list[str] | None = None) -> WanTransformer3DModel:
    model = load_transformer(folder, torch.float32, torch.device("cpu"))
    add_lora(model, rank=rank, alpha=alpha, dropout=0, targets=targets or ATTENTION, seed=0)
    rng = torch.Generator().manual_seed(1)
    for parameter in trainable(model):
        parameter.data.normal_(std=0.2, generator=rng)
    return model


def output(model: WanTransformer3DModel) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(2, 16, 2, 4, 4, generator=rng), torch.randn(2, 8, 16, generator=rng)
    with torch.no_grad():
        return predict(model, noisy, torch.tensor([0.3, 0.8]), text)


def reloaded(folder: Path, saved: Path) -> WanPipeline:
    pipeline = WanPipeline.from_pretrained(folder)
    pipeline.load_lora_weights(saved)
    return pipeline


@pytest.mark.parametrize(
    ("rank", "alpha", "targets"),
    [
        pytest.param(8, 4, ATTENTION, id="half strength"),
        pytest.param(2, 8, ATTENTION, id="four times"),
        pytest.param(4, 4, ATTENTION, id="as it is"),
        pytest.param(3, 2.5, ATTENTION, id="a broken alpha"),
        pytest.param(8, 4, EVERYTHING, id="other layers too"),
        pytest.param(8, 4, [r"blocks\.1\.attn1\.to_q"], id="a single layer"),
    ],
)
def test_the_stock_loader_makes_the_trained_model_of_it(
    folder: Path, tmp_path: Path, rank: int, alpha: float, targets: list[str]
) -> None:
    model = trained(folder, rank, alpha, targets)
    save_lora(tmp_path / NAME, adapter_state(model), rank, alpha)
    stock = reloaded(folder, tmp_path).transformer
    scales = {layer.scaling["default_0"] for layer in stock.modules() if hasattr(layer, "scaling")}
    assert scales == {alpha / rank}
    torch.testing.assert_close(output(stock), output(model), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(
        output(model), output(load_transformer(folder, torch.float32, model.device)), atol=1e-3
    )


def test_merged_weights_are_w_plus_half_b_a(folder: Path, tmp_path: Path) -> None:
    state = adapter_state(trained(folder, 8, 4))
    save_lora(tmp_path / NAME, state, 8, 4)
    pipeline = reloaded(folder, tmp_path)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    base = load_transformer(folder, torch.float32, torch.device("cpu"))
    for layer in {name.rpartition(".lora_")[0] for name in state}:
        w, a, b = (tensor.detach().double().numpy() for tensor in (
            base.get_submodule(layer).weight, state[f"{layer}.lora_A.weight"], state[f"{layer}.lora_B.weight"]
        ))  # fmt: skip
        merged = pipeline.transformer.get_submodule(layer).weight.detach().numpy()
        np.testing.assert_allclose(merged, w + 0.5 * b @ a, rtol=1e-5, atol=1e-6)


def test_every_layer_of_attention_gets_a_gradient(folder: Path) -> None:
    model = trained(folder, 2, 2)
    rng = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(1, 16, 2, 4, 4, generator=rng), torch.randn(1, 8, 16, generator=rng)
    predict(model, noisy, torch.tensor([0.5]), text).square().mean().backward()
    assert len(trainable(model)) == 2 * 2 * 8
    assert all(parameter.grad.abs().max() > 0 for parameter in trainable(model))


def test_a_fresh_adapter_changes_not_one_bit_of_a_wan(folder: Path) -> None:
    model = load_transformer(folder, torch.float32, torch.device("cpu"))
    before = output(model)
    add_lora(model, rank=8, alpha=4, dropout=0, targets=EVERYTHING, seed=0)
    assert torch.equal(output(model), before)


def test_the_tensors_are_those_of_the_state_under_the_name_of_their_part(
    folder: Path, tmp_path: Path
) -> None:
    state = adapter_state(trained(folder, 8, 4))
    save_lora(tmp_path / NAME, state, 8, 4)
    saved = load_file(tmp_path / NAME)
    assert saved.keys() == {f"transformer.{name}" for name in state}
    assert all(torch.equal(saved[f"transformer.{name}"], value) for name, value in state.items())


def add(path: Path, notes: dict[str, str]) -> None:
    """What is done when the file is handed out."""
    path.write_bytes(with_notes(path.read_bytes(), notes))


def header(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def test_the_header_has_our_notes_beside_rank_and_alpha(tmp_path: Path) -> None:
    state = {f"blocks.0.to_q.lora_{which}.weight": torch.ones(8, 8) for which in "AB"}
    notes = {"recipe": '{"title": "Caf\u00e9 \u2603"}', "made by": "a test\nin two lines"}
    save_lora(tmp_path / NAME, state, 8, 4)
    add(tmp_path / NAME, notes)
    said = header(tmp_path / NAME)
    config = json.loads(said["lora_adapter_metadata"])
    assert {name: said[name] for name in notes} == notes
    assert (config["transformer.r"], config["transformer.lora_alpha"]) == (8, 4)
    assert config["transformer.target_modules"] == ["blocks.0.to_q"]


def test_the_stock_loader_keeps_reading_it_when_it_has_notes(folder: Path, tmp_path: Path) -> None:
    model = trained(folder, 8, 4)
    save_lora(tmp_path / NAME, adapter_state(model), 8, 4)
    add(tmp_path / NAME, {"recipe": "title: a\nsteps: 3"})
    torch.testing.assert_close(
        output(reloaded(folder, tmp_path).transformer), output(model), rtol=1e-5, atol=1e-5
    )


def test_the_same_state_is_the_same_bytes(tmp_path: Path) -> None:
    state = {
        f"blocks.{n}.to_q.lora_{which}.weight": torch.full((2, 2), n) for n in range(9) for which in "AB"
    }
    for name, some in (("one", state), ("other", dict(reversed(state.items())))):
        save_lora(tmp_path / name, some, 2, 2)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_another_process_writes_the_same_bytes(elsewhere: Path, tmp_path: Path) -> None:
    state = {f"blocks.{n}.to_q.lora_{x}.weight": torch.full((2, 2), float(n)) for n in range(9) for x in "AB"}
    save_lora(tmp_path / NAME, state, 2, 1.0)
    assert (tmp_path / NAME).read_bytes() == (elsewhere / "lora.safetensors").read_bytes()


def test_tensors_stay_aligned_for_readers_that_map_the_file(tmp_path: Path) -> None:
    state = {f"l.lora_{which}.weight": torch.ones(2, 2) for which in "AB"}
    for length in range(9):
        save_lora(tmp_path / NAME, state, 2, 2)
        add(tmp_path / NAME, {"n": "x" * length})
        assert int.from_bytes((tmp_path / NAME).read_bytes()[:8], "little") % 8 == 0
        assert load_file(tmp_path / NAME)["transformer.l.lora_A.weight"].tolist() == [[1, 1], [1, 1]]
