"""What libraries do without a word, and this program refuses or mends."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.training.adapters import Lora, attach
from engine.training.offload import offloaded, settle
from engine.training.routing import Detour
from engine.training.walk import Course
from engine.wan.build import build
from engine.wan.denoise import predict
from engine.wan.load import load_codec, load_text_encoder, load_transformer
from engine.wan.lora_file import save_lora
from engine.wan.text import encode_texts
from engine.wan.video import statistics


def test_a_text_encoder_whose_file_lacks_the_table_is_refused(folder: Path, cpu, tmp_path: Path) -> None:
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(folder / part, tmp_path / part)
    [path] = (tmp_path / "text_encoder").glob("*.safetensors")
    weights = load_file(path)
    weights.pop("shared.weight")  # transformers would draw one at random, and tie it
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks encoder\.embed_tokens\.weight, shared\.weight"):
        load_text_encoder(tmp_path, torch.float32, cpu)


def test_a_built_codec_of_another_number_of_channels_has_statistics_of_its_own(
    numbers, cpu, tmp_path: Path
) -> None:
    transformer, codec, text_encoder = numbers
    build(
        tmp_path, transformer.model_copy(update={"in_channels": 4, "out_channels": 4}),
        codec.model_copy(update={"latent_channels": 4}), text_encoder, seed=0,
    )  # fmt: skip
    mean, deviation = statistics(load_codec(tmp_path, cpu))
    assert (mean.flatten().tolist(), deviation.flatten().tolist()) == ([0] * 4, [1] * 4)


def test_an_embedding_holds_no_more_memory_than_its_own(folder: Path, cpu) -> None:
    for text_LD in encode_texts(*load_text_encoder(folder, torch.float32, cpu), ["a cat", ""], 64):
        assert text_LD.untyped_storage().nbytes() == text_LD.nbytes


def test_an_adapter_s_header_holds_no_setting_that_another_peft_might_not_know(tmp_path: Path) -> None:
    state = {f"blocks.0.to_q.lora_{which}.weight": torch.ones(2, 2) for which in "AB"}
    save_lora(tmp_path / "lora.safetensors", state, 2, 7.5)
    with safe_open(tmp_path / "lora.safetensors", "pt") as file:
        told = json.loads(file.metadata()["lora_adapter_metadata"])
    assert told == {
        "transformer.r": 2,
        "transformer.lora_alpha": 7.5,
        "transformer.target_modules": ["blocks.0.to_q"],
    }


def real_layout(**numbers: int) -> WanTransformer3DModel:
    """The heads, patches and sinusoids of the real Wan, and one block."""
    said = {"num_attention_heads": 1, "attention_head_dim": 128, "num_layers": 1, "ffn_dim": 8, "text_dim": 8}
    return WanTransformer3DModel(**said | numbers)


def test_time_is_embedded_as_the_reference_does_cosines_first() -> None:
    embedded = real_layout().condition_embedder.timesteps_proj(torch.tensor([500.0]))[0]
    known = {
        0: -0.88384927,
        1: 0.94594258,
        127: 0.99855687,
        128: -0.46777181,
        129: 0.32433414,
        255: 0.05370454,
    }
    for number, value in known.items():
        assert embedded[number].item() == pytest.approx(value, abs=2e-5)


def test_a_token_s_angles_are_those_of_its_frame_row_and_column() -> None:
    cos, sin = real_layout().rope(torch.zeros(1, 16, 3, 4, 6))  # 3x2x3 tokens, frame by frame, row by row
    assert (cos.shape, cos.dtype) == ((1, 18, 1, 128), torch.float32)
    for number, value in {0: -0.41614684, 2: 0.25217755, 44: 0.54030231, 86: -0.41614684}.items():
        assert cos[0, 17, 0, number].item() == pytest.approx(value, abs=1e-6)
    assert sin[0, 17, 0, 0].item() == pytest.approx(0.90929743, abs=1e-6)


def test_the_head_writes_a_patch_channel_by_channel_within_each_pixel() -> None:
    model = real_layout(out_channels=2)
    torch.nn.init.zeros_(model.proj_out.weight)
    model.proj_out.bias.data = torch.arange(8.0)
    with torch.no_grad():
        made = predict(model, torch.zeros(1, 16, 1, 2, 2), torch.tensor([0.5]), torch.zeros(1, 4, 8))
    assert made[0, :, 0].tolist() == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]


def test_what_was_loaded_in_float32_is_still_that_when_it_trains(folder: Path, cpu, tmp_path: Path) -> None:
    """With an adapter, blocks that wait on disk and a route: the blocks get float32 angles, and norms compute in it."""
    model = load_transformer(folder, torch.bfloat16, cpu)
    attach(model, Lora(rank=2, alpha=2, dropout=0, targets=[r"blocks\..*to_q"]), 0)
    settle(model, model.blocks, cpu)
    angles, tables = [], []
    model.blocks[0].register_forward_pre_hook(lambda _, given: angles.extend(part.dtype for part in given[3]))
    model.blocks[0].norm2.register_forward_pre_hook(
        lambda norm, given: tables.append((norm.weight.dtype, given[0].dtype))
    )
    model.condition_embedder.time_embedder.register_forward_pre_hook(
        lambda _, given: tables.append((given[0].dtype,) * 2)
    )
    half, detour = torch.bfloat16, Detour(0, 1, torch.tensor([[0, 2]]))
    with offloaded(model.blocks, cpu, tmp_path):
        predict(
            model, torch.zeros(1, 16, 1, 4, 4, dtype=half), torch.tensor([0.9997]), torch.zeros(1, 4, 16, dtype=half),
            Course(detours=(detour,)),
        )  # fmt: skip
    assert angles == [torch.float32] * 2
    assert tables == [(torch.float32,) * 2] * 2
    kept = {
        name
        for name, value in model.state_dict().items()
        if value.dtype == torch.float32 and "lora" not in name
    }
    fresh = load_transformer(folder, torch.bfloat16, cpu).state_dict()
    assert kept == {name for name, value in fresh.items() if value.dtype == torch.float32} != set()
