"""The adapter as a file: stock loaders read it at the strength at which it was trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanPipeline, WanTransformer3DModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.header import with_notes
from engine.training import adapters
from engine.training.adapters import Dora, Loha, Lokr, Lora, adapter_state, attach
from engine.wan.denoise import predict
from engine.wan.load import load_transformer
from engine.wan.lora_file import read_adapter, save_lora, save_lycoris, save_transformer

ATTENTION = [r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"]
EVERYTHING = [*ATTENTION, r"blocks\.\d+\.ffn\.net\.(0\.proj|2)", "proj_out"]
NAME = "pytorch_lora_weights.safetensors"
NATIVE = [*(f"{which}_attn.{part}" for which in ("self", "cross") for part in "qkvo"), "ffn.0", "ffn.2"]
KINDS: dict[str, adapters.Adapter] = {
    "lora": Lora(rank=8, alpha=4, dropout=0, targets=EVERYTHING),
    "dora": Dora(rank=8, alpha=4, dropout=0, targets=EVERYTHING),
    "lokr": Lokr(rank=2, alpha=0.5, dropout=0, factor=4, targets=EVERYTHING),
    "lokr-whole": Lokr(rank=1000, alpha=0.5, dropout=0, factor=4, targets=EVERYTHING),
    "loha": Loha(rank=2, alpha=0.5, dropout=0, targets=EVERYTHING),
}


def trained(folder: Path, rank: int, alpha: float, targets: list[str] | None = None) -> WanTransformer3DModel:
    return learnt(folder, Lora(rank=rank, alpha=alpha, dropout=0, targets=targets or ATTENTION))


def learnt(folder: Path, adapter: adapters.Adapter) -> WanTransformer3DModel:
    model = load_transformer(folder, torch.float32, torch.device("cpu"))
    attach(model, adapter, seed=0)
    rng = torch.Generator().manual_seed(1)
    for parameter in adapters.trained(model).values():
        parameter.data.add_(torch.randn(parameter.shape, generator=rng), alpha=0.2)
    return model


def output(model: WanTransformer3DModel) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(2, 16, 2, 4, 4, generator=rng), torch.randn(2, 8, 16, generator=rng)
    with torch.no_grad():
        dtype = model.patch_embedding.weight.dtype
        return predict(model, noisy.to(dtype), torch.tensor([0.3, 0.8]), text.to(dtype))


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
    parameters = adapters.trained(model).values()
    assert len(parameters) == 2 * 2 * 8
    assert all(parameter.grad.abs().max() > 0 for parameter in parameters)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_adapter_changes_not_one_bit_of_a_wan(folder: Path, kind: str, dtype: torch.dtype) -> None:
    model = load_transformer(folder, dtype, torch.device("cpu"))
    before = output(model)
    attach(model, KINDS[kind], seed=0)
    assert torch.equal(output(model), before)


@pytest.mark.parametrize("alpha", [0.5, 4])
def test_the_stock_loader_makes_the_trained_model_of_a_dora(
    folder: Path, tmp_path: Path, alpha: float
) -> None:
    model = learnt(folder, Dora(rank=8, alpha=alpha, dropout=0, targets=EVERYTHING))
    save_lora(tmp_path / NAME, adapter_state(model), 8, alpha)
    stock = reloaded(folder, tmp_path).transformer
    torch.testing.assert_close(output(stock), output(model), rtol=1e-5, atol=1e-5)
    lengths = [value for name, value in stock.named_parameters() if "magnitude" in name]
    assert len(lengths) == 2 * 10 + 1


@pytest.mark.parametrize("kind", ["lokr", "lokr-whole", "loha"])
def test_the_products_are_written_under_native_names_with_their_alpha(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    state = adapter_state(learnt(folder, KINDS[kind]))
    save_lycoris(tmp_path / NAME, state, 0.5)
    saved = load_file(tmp_path / NAME)
    factors = {name.rpartition(".")[2] for name in state}
    layers = {f"diffusion_model.blocks.{block}.{layer}" for block in (0, 1) for layer in NATIVE} | {
        "diffusion_model.head.head"
    }
    assert {name for name in saved if "alpha" in name} == {f"{layer}.alpha" for layer in layers}
    assert {saved[f"{layer}.alpha"].item() for layer in layers} == {0.5}
    assert {name.rpartition(".")[0] for name in saved} == layers
    assert {name.rpartition(".")[2] for name in saved} == factors | {"alpha"}
    for name, value in state.items():
        native = f"diffusion_model.{name.replace('attn1', 'self_attn').replace('attn2', 'cross_attn')}"
        if "to_q" in name:
            assert torch.equal(saved[native.replace("to_q", "q")], value)


@pytest.mark.parametrize("kind", ["lokr", "loha"])
def test_the_stock_pipeline_loads_no_product_which_is_why_it_is_written_for_others(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    state = adapter_state(learnt(folder, KINDS[kind]))
    save_lycoris(tmp_path / NAME, state, 0.5)
    with pytest.raises((ValueError, KeyError)):
        reloaded(folder, tmp_path)


def test_a_whole_denoiser_is_written_as_the_stock_class_reads_it(folder: Path, tmp_path: Path) -> None:
    model = learnt(folder, adapters.Full())
    save_transformer(tmp_path / "transformer", folder / "transformer", adapter_state(model))
    stock = WanTransformer3DModel.from_pretrained(tmp_path / "transformer")
    assert torch.equal(output(stock), output(model))
    assert stock.config["num_layers"] == model.config["num_layers"]


def test_weights_of_another_denoiser_are_refused(folder: Path, tmp_path: Path) -> None:
    state = adapter_state(learnt(folder, adapters.Full()))
    state.pop("proj_out.bias")
    with pytest.raises(RuntimeError, match=r"proj_out\.bias"):
        save_transformer(tmp_path / "transformer", folder / "transformer", state)


def test_a_file_is_read_under_our_names_in_float32_and_times_what_is_asked(tmp_path: Path) -> None:
    column = torch.tensor([[1.0], [2.0]], dtype=torch.bfloat16)
    save_file({"x.dora_scale": column, "x.lora_up.weight": column.clone()}, tmp_path / NAME)
    read = read_adapter(
        tmp_path / NAME,
        {"l.lora_magnitude_vector": ("x.dora_scale", 1.0), "l.lora_B.weight": ("x.lora_up.weight", 0.3)},
    )
    assert read["l.lora_magnitude_vector"].tolist() == [1, 2]
    assert torch.equal(read["l.lora_B.weight"], torch.tensor([[1.0], [2.0]]) * 0.3)


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
