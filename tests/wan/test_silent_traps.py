"""What libraries do without a word, and this program refuses or mends."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.wan.build import build
from engine.wan.load import load_codec, load_text_encoder
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
