"""A model of random weights: the same numbers and seed are the same bytes, and stock programs read it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanPipeline
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from engine.wan.build import build, build_tokenizer
from engine.wan.numbers import WrongModel, check_numbers

TOKENIZER = build_tokenizer()


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(folder: Path, numbers, tmp_path: Path) -> None:
    torch.manual_seed(99)
    build(tmp_path, *numbers, seed=0)
    assert digests(tmp_path) == digests(folder)


def test_another_process_gives_the_same_bytes(folder: Path, elsewhere: Path) -> None:
    assert digests(elsewhere / "model") == digests(folder)


def test_another_seed_gives_other_weights_and_the_same_rest(folder: Path, numbers, tmp_path: Path) -> None:
    build(tmp_path, *numbers, seed=1)
    one, other = digests(folder), digests(tmp_path)
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == {
        name for name in one if name.endswith(".safetensors")
    }


def test_building_leaves_the_global_generator_alone(numbers, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    build(tmp_path, *numbers, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_stock_pipeline_loads_it(folder: Path, numbers) -> None:
    pipeline = WanPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline("a cat", height=32, width=32, num_frames=5, num_inference_steps=1, max_sequence_length=64)
    assert made.frames.shape == (1, 5, 32, 32, 3)
    assert pipeline.transformer.config.num_layers == numbers.transformer.layers
    assert isinstance(pipeline.scheduler, UniPCMultistepScheduler)
    assert (pipeline.scheduler.config.prediction_type, pipeline.scheduler.config.flow_shift) == (
        "flow_prediction",
        3,
    )


def test_its_videos_are_not_plain(folder: Path) -> None:
    pipeline = WanPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    frames = pipeline(
        "a cat", height=32, width=32, num_frames=5, num_inference_steps=2, max_sequence_length=64
    ).frames
    assert frames.std() > 0.02


@given(text=st.text(max_size=60))
def test_any_text_has_tokens_that_the_encoder_knows(text: str) -> None:
    tokens = TOKENIZER(text).input_ids
    assert tokens[-1] == TOKENIZER.eos_token_id
    assert all(0 <= token < len(TOKENIZER) for token in tokens)


@given(text=st.text(alphabet=[chr(code) for code in range(33, 127)], min_size=1, max_size=40))
def test_printable_text_is_never_unknown_and_comes_back(text: str) -> None:
    tokens = TOKENIZER(text).input_ids
    assert TOKENIZER.unk_token_id not in tokens
    assert TOKENIZER.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text


def test_special_tokens_stand_where_wan_has_them() -> None:
    assert (TOKENIZER.pad_token_id, TOKENIZER.eos_token_id) == (0, 1)
    assert TOKENIZER("").input_ids == [1]


@pytest.mark.parametrize(
    ("text", "most"),
    [
        pytest.param("black cat", 3, id="a word is a token"),
        pytest.param("the sun and the moon over the hills", 9, id="so are eight"),
        pytest.param("black and white cartoon of a happy mouse in a little boat", 20, id="a caption"),
        pytest.param(
            "An old cartoon film: a tall bird dances on a stage, two stars behind it.", 40, id="a sentence"
        ),
        pytest.param("zebra", 7, id="another word is its letters"),
    ],
)
def test_common_captions_stay_short(text: str, most: int) -> None:
    assert len(TOKENIZER(text).input_ids) <= most


def test_the_tokenizer_on_disk_is_the_same(folder: Path) -> None:
    loaded, text = (
        AutoTokenizer.from_pretrained(folder / "tokenizer"),
        "A cat & a ship, old style: 12% \u2603",
    )
    assert loaded(text).input_ids == TOKENIZER(text).input_ids
    assert loaded.model_max_length == 512


def test_the_right_numbers_pass(folder: Path, numbers) -> None:
    check_numbers(folder, *numbers)


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        (0, {"layers": 3}, "transformer.num_layers is 2, the recipe says 3"),
        (0, {"heads": 1}, "transformer.num_attention_heads is 2, the recipe says 1"),
        (0, {"head_width": 24}, "transformer.attention_head_dim is 12, the recipe says 24"),
        (0, {"feed_forward_width": 64}, "transformer.ffn_dim is 32, the recipe says 64"),
        (0, {"in_channels": 36}, "transformer.in_channels is 16, the recipe says 36"),
        (0, {"out_channels": 48}, "transformer.out_channels is 16, the recipe says 48"),
        (0, {"text_width": 4096}, "transformer.text_dim is 16, the recipe says 4096"),
        (0, {"time_width": 256}, "transformer.freq_dim is 32, the recipe says 256"),
        (0, {"longest_side": 1024}, "transformer.rope_max_seq_len is 64, the recipe says 1024"),
        (1, {"base_width": 8}, "vae.base_dim is 4, the recipe says 8"),
        (1, {"latent_channels": 48}, "vae.z_dim is 16, the recipe says 48"),
        (1, {"width_factors": [1, 2, 4, 4]}, "vae.dim_mult is [1, 1, 1, 1], the recipe says [1, 2, 4, 4]"),
        (1, {"residual_blocks": 2}, "vae.num_res_blocks is 1, the recipe says 2"),
        (1, {"halve_time": [True, True, True]}, "vae.temperal_downsample is [False, True, True]"),
        (1, {"space_stride": 16}, "vae.scale_factor_spatial is 8, the recipe says 16"),
        (1, {"time_stride": 8}, "vae.scale_factor_temporal is 4, the recipe says 8"),
        (2, {"width": 32}, "text_encoder.d_model is 16, the recipe says 32"),
        (2, {"layers": 24}, "text_encoder.num_layers is 2, the recipe says 24"),
        (2, {"heads": 4}, "text_encoder.num_heads is 2, the recipe says 4"),
        (2, {"head_width": 64}, "text_encoder.d_kv is 8, the recipe says 64"),
        (2, {"feed_forward_width": 1}, "text_encoder.d_ff is 32, the recipe says 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_number_is_named(
    folder: Path, numbers, part: int, change: dict[str, object], said: str
) -> None:
    changed = [*numbers]
    changed[part] = changed[part].model_copy(update=change)
    with pytest.raises(WrongModel) as caught:
        check_numbers(folder, *changed)
    assert said in str(caught.value)
    assert str(caught.value).count("the recipe says") == 1


def test_every_wrong_number_is_named_at_once(folder: Path, numbers) -> None:
    transformer, codec, text_encoder = numbers
    with pytest.raises(WrongModel) as caught:
        check_numbers(
            folder, transformer.model_copy(update={"layers": 9, "heads": 9}), codec,
            text_encoder.model_copy(update={"width": 9}),
        )  # fmt: skip
    assert str(caught.value).count("the recipe says 9") == 3


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_a_folder_of_another_layout_is_said(folder: Path, numbers, tmp_path: Path, part: str) -> None:
    shutil.copytree(folder, tmp_path / "model", ignore=lambda _, names: {part} & set(names))
    with pytest.raises(WrongModel, match=f"no {part}/config.json: it is not in diffusers layout"):
        check_numbers(tmp_path / "model", *numbers)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_text("[]"), id="a list"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe"), id="not text"),
    ],
)
def test_a_config_that_is_none_is_said(
    folder: Path, numbers, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    spoil(tmp_path / "model" / "vae" / "config.json")
    with pytest.raises(WrongModel, match=r"vae/config\.json"):
        check_numbers(tmp_path / "model", *numbers)


def test_a_number_that_an_older_config_does_not_mention_is_not_compared(
    folder: Path, numbers, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    path = tmp_path / "model" / "vae" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if "scale_factor" not in name}))
    check_numbers(tmp_path / "model", *numbers)
