"""Sampling: what anyone would see who has the model and the exported file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanPipeline
from numpy.typing import NDArray
from torch import Tensor

from engine.training.adapters import Lora, adapter_state, attach, trained
from engine.wan.load import load_text_encoder, load_transformer
from engine.wan.lora_file import save_lora
from engine.wan.sampling import load_pipeline, sample
from engine.wan.text import encode_texts

PROMPT, NEGATIVE = "a black cat walks past two houses", "blue sky"
SETTINGS = {
    "width": 32, "height": 32, "frames": 5, "steps": 4, "guidance": 5.0, "shift": 3.0, "sampler": "unipc", "seed": 7,
    "max_tokens": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def texts(folder: Path, cpu) -> list[Tensor]:
    parts = load_text_encoder(folder, torch.float32, cpu)
    # one by one, as the stock pipeline does: a batch rounds differently in the last bit
    return [text for said in (PROMPT, NEGATIVE) for text in encode_texts(*parts, [said], 32)]


@pytest.fixture(scope="module")
def lora(folder: Path, cpu, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, made = load_transformer(folder, torch.float32, cpu), tmp_path_factory.mktemp("lora")
    attach(
        model, Lora(rank=8, alpha=4, dropout=0, targets=[r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"]), seed=0
    )
    for parameter in trained(model).values():
        parameter.data.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    save_lora(made / "pytorch_lora_weights.safetensors", adapter_state(model), 8, 4)
    return made


@pytest.fixture
def make(folder: Path, cpu, texts: list[Tensor]):
    def make(adapter: Path | None = None, **changes: object) -> NDArray[np.uint8]:
        return sample(load_pipeline(folder, torch.float32, cpu, adapter), *texts, **(SETTINGS | changes))

    return make


def stock_scheduler(sampler: str, shift: float) -> object:
    if sampler == "unipc":
        return UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
        )
    scheduler = FlowMatchEulerDiscreteScheduler(use_beta_sigmas=sampler == "euler_beta")
    scheduler.set_shift(shift)
    return scheduler


def stock(folder: Path, adapter: Path | None = None, **changes: object) -> NDArray[np.float64]:
    """What the stock pipeline makes from the same words, 0 to 255, not yet rounded."""
    said = SETTINGS | changes
    pipeline = WanPipeline.from_pretrained(folder)
    pipeline.scheduler = stock_scheduler(said["sampler"], said["shift"])
    if adapter is not None:
        pipeline.load_lora_weights(adapter)
    pipeline.set_progress_bar_config(disable=True)
    frames = pipeline(
        PROMPT, NEGATIVE, height=said["height"], width=said["width"], num_frames=said["frames"],
        num_inference_steps=said["steps"], guidance_scale=said["guidance"], max_sequence_length=said["max_tokens"],
        generator=torch.Generator().manual_seed(said["seed"]),
    ).frames[0]  # fmt: skip
    return np.asarray(frames, np.float64) * 255


ROUNDED = 0.5001  # to the nearest whole number, and a tie either way


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as it is"),
        pytest.param({"shift": 8.0}, id="another shift"),
        pytest.param({"guidance": 1.0}, id="no guidance"),
        pytest.param({"frames": 1}, id="one frame"),
        pytest.param({"width": 48, "steps": 1}, id="another size"),
        pytest.param({"sampler": "euler"}, id="Euler"),
        pytest.param({"sampler": "euler", "shift": 8.0}, id="Euler with another shift"),
        pytest.param({"sampler": "euler_beta"}, id="Euler with beta levels"),
    ],
)
def test_it_is_what_the_stock_pipeline_makes(folder: Path, make, changes: dict[str, object]) -> None:
    assert np.abs(make(**changes) - stock(folder, **changes)).max() <= ROUNDED


def test_with_an_adapter_too(folder: Path, make, lora: Path) -> None:
    assert np.abs(make(lora) - stock(folder, lora)).max() <= ROUNDED


def test_twice_is_the_same(make) -> None:
    assert np.array_equal(make(), make())


def test_a_pipeline_that_was_used_gives_what_a_fresh_one_gives(
    folder: Path, cpu, texts: list[Tensor], make
) -> None:
    pipeline = load_pipeline(folder, torch.float32, cpu, None)
    sample(pipeline, *texts, **(SETTINGS | {"shift": 9.0, "seed": 1, "steps": 3}))
    assert np.array_equal(sample(pipeline, *texts, **SETTINGS), make())


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 8},
        {"shift": 1.0},
        {"guidance": 1.0},
        {"steps": 2},
        {"sampler": "euler"},
        {"sampler": "euler_beta"},
        {"sampler": "euler", "shift": 1.0},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
def test_a_setting_changes_what_is_seen(make, changes: dict[str, object]) -> None:
    assert not np.array_equal(make(**changes), make())


def test_an_adapter_changes_what_is_seen(make, lora: Path) -> None:
    assert np.abs(make(lora).astype(int) - make()).mean() > 0.1


@pytest.mark.parametrize(("frames", "width", "height"), [(1, 32, 32), (5, 48, 32), (9, 16, 32)])
def test_frames_are_as_many_and_as_large_as_asked(make, frames: int, width: int, height: int) -> None:
    video = make(frames=frames, width=width, height=height, steps=1)
    assert video.shape == (frames, height, width, 3)
    assert video.dtype == np.uint8


LEVELS = {
    # 1 to 0.001 in equal parts, shifted by 3s/(1+2s); UniPC leaves the last part out, Euler does not
    "unipc": [1.0, 0.90012, 0.75037, 0.50100, 0],
    "euler": [1.0, 0.85733, 0.60072, 0.00299, 0],
    # quantiles of a beta distribution (0.6, 0.6) at 1, 2/3, 1/3 and 0, between 1 and 0.00299
    "euler_beta": [1.0, 0.72541, 0.27758, 0.00299, 0],
}


@pytest.mark.parametrize("sampler", LEVELS)
def test_the_levels_of_noise_are_those_of_the_sampler(
    folder: Path, cpu, texts: list[Tensor], sampler: str
) -> None:
    pipeline = load_pipeline(folder, torch.float32, cpu, None)
    sample(pipeline, *texts, **(SETTINGS | {"sampler": sampler}))
    assert pipeline.scheduler.sigmas.tolist() == pytest.approx(LEVELS[sampler], abs=2e-5)


def test_an_empty_folder_is_no_adapter(folder: Path, cpu, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="pytorch_lora_weights"):
        load_pipeline(folder, torch.float32, cpu, tmp_path)


def test_in_bfloat16_it_makes_a_video_too(folder: Path, cpu, texts: list[Tensor], lora: Path) -> None:
    pipeline = load_pipeline(folder, torch.bfloat16, cpu, lora)
    video = sample(pipeline, *[text.bfloat16() for text in texts], **SETTINGS)
    assert video.shape == (5, 32, 32, 3)
    assert video.std() > 2
