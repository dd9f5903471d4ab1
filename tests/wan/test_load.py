"""Loading: what must stay in float32 does, and the text encoder reads the table that was saved."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.wan.denoise import predict
from engine.wan.load import load_codec, load_text_encoder, load_transformer

BF16, FP32 = torch.bfloat16, torch.float32


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param("scale_shift_table", FP32, id="the last modulation table"),
        pytest.param("blocks.0.scale_shift_table", FP32, id="a block's modulation table"),
        pytest.param("blocks.1.norm2.weight", FP32, id="a norm"),
        pytest.param("blocks.1.norm2.bias", FP32, id="its bias"),
        pytest.param("condition_embedder.time_embedder.linear_1.weight", FP32, id="the time embedder"),
        pytest.param("condition_embedder.time_embedder.linear_2.bias", FP32, id="all of it"),
        pytest.param("rope.freqs_cos", FP32, id="the cosines of RoPE"),
        pytest.param("rope.freqs_sin", FP32, id="the sines of RoPE"),
        pytest.param("blocks.0.attn1.to_q.weight", BF16, id="not attention"),
        pytest.param("blocks.0.attn1.norm_q.weight", BF16, id="not the norms within attention"),
        pytest.param("blocks.0.ffn.net.2.weight", BF16, id="not the feed-forward network"),
        pytest.param("patch_embedding.weight", BF16, id="not the patches"),
    ],
)
def test_asked_for_bfloat16_float32_remains(folder: Path, cpu, name: str, dtype: torch.dtype) -> None:
    model = load_transformer(folder, BF16, cpu)
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    assert tensors[name].dtype == dtype


def test_what_remains_in_float32_has_not_been_through_bfloat16(folder: Path, cpu) -> None:
    half, full = load_transformer(folder, BF16, cpu), load_transformer(folder, FP32, cpu)
    for name in ("scale_shift_table", "blocks.0.scale_shift_table"):
        value = half.get_parameter(name)
        assert torch.equal(value, full.get_parameter(name))
        assert not torch.equal(value, value.bfloat16().float())
    assert torch.equal(half.rope.freqs_cos, full.rope.freqs_cos)


def test_asked_for_float32_all_is_float32_and_as_it_was_saved(folder: Path, cpu) -> None:
    model = load_transformer(folder, FP32, cpu)
    [path] = (folder / "transformer").glob("*.safetensors")
    saved = load_file(path)
    assert {name for name, _ in model.named_parameters()} == saved.keys()
    assert all(torch.equal(value, saved[name]) for name, value in model.named_parameters())


def test_models_come_ready_for_use(folder: Path, cpu) -> None:
    tokenizer, encoder = load_text_encoder(folder, FP32, cpu)
    models = [load_transformer(folder, FP32, cpu), load_codec(folder, cpu), encoder]
    assert not any(module.training for model in models for module in model.modules())
    assert tokenizer("a cat").input_ids[-1] == 1


def test_the_codec_is_float32(folder: Path, cpu) -> None:
    assert {parameter.dtype for parameter in load_codec(folder, cpu).parameters()} == {FP32}


@pytest.mark.parametrize("dtype", [FP32, BF16])
def test_the_text_encoder_reads_the_table_that_was_saved(folder: Path, cpu, dtype: torch.dtype) -> None:
    _, encoder = load_text_encoder(folder, dtype, cpu)
    [path] = (folder / "text_encoder").glob("*.safetensors")
    table = load_file(path)["shared.weight"].to(dtype)
    assert torch.equal(encoder.encoder.embed_tokens.weight, table)
    assert encoder.dtype == dtype
    assert table.float().std() > 0


def test_an_untied_table_is_refused(folder: Path, cpu, tmp_path: Path) -> None:
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(folder / part, tmp_path / part)
    [path] = (tmp_path / "text_encoder").glob("*.safetensors")
    tensors = load_file(path)
    other = torch.zeros_like(tensors["shared.weight"])
    save_file(tensors | {"encoder.embed_tokens.weight": other}, path, {"format": "pt"})
    config = tmp_path / "text_encoder" / "config.json"
    config.write_text(
        config.read_text().replace('"tie_word_embeddings": true', '"tie_word_embeddings": false')
    )
    with pytest.raises(ValueError, match="untied"):
        load_text_encoder(tmp_path, FP32, cpu)


def predictions(folder: Path, cpu, dtype: torch.dtype, sigma: float) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    noisy, text = torch.randn(1, 16, 2, 4, 4, generator=rng), torch.randn(1, 8, 16, generator=rng)
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype is BF16):
        return predict(
            load_transformer(folder, dtype, cpu), noisy.to(dtype), torch.tensor([sigma]), text.to(dtype)
        )


def test_in_bfloat16_it_predicts_about_the_same(folder: Path, cpu) -> None:
    half, full = (predictions(folder, cpu, dtype, 0.5).float() for dtype in (BF16, FP32))
    assert (half - full).norm() / full.norm() < 0.03


def test_the_time_is_a_thousand_sigma_and_is_not_rounded(folder: Path, cpu) -> None:
    model = load_transformer(folder, FP32, cpu)
    seen: list[torch.Tensor] = []
    model.condition_embedder.time_embedder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        predict(model, torch.zeros(2, 16, 1, 2, 2), torch.tensor([0.9997, 0.2503]), torch.zeros(2, 4, 16))
    times = torch.tensor([[999.7], [250.3]], dtype=torch.float64)
    waves = (
        times * torch.logspace(0, -4, 17, dtype=torch.float64)[:16]
    )  # 10000^(−i/16), half of the width of 32
    expected = torch.cat([waves.cos(), waves.sin()], 1)
    torch.testing.assert_close(seen[0].double(), expected, rtol=0, atol=2e-4)
