"""Make videos with the stock pipeline, as anyone would who has the model and the exported file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SchedulerMixin, UniPCMultistepScheduler, WanPipeline
from numpy.typing import NDArray
from torch import Tensor

from engine.wan.attention import use_kernels
from engine.wan.load import load_codec, load_transformer
from engine.wan.text import pad_text


def load_pipeline(
    folder: Path, dtype: torch.dtype, device: torch.device, trained: Path | None, attention: str = "native"
) -> WanPipeline:
    """Return the stock pipeline without text encoder, with what was trained where it is given.

    Args:
        folder: the model in diffusers layout.
        trained: folder of an exported LoRA or DoRA, or with a folder ``transformer`` of a whole denoiser; None for the
            base model.
        attention: see ``use_kernels``.
    """
    whole = trained is not None and (trained / "transformer").is_dir()
    pipeline = WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=load_codec(folder, device),
        scheduler=SAMPLERS["unipc"](1.0),  # until `sample` says which
        transformer=load_transformer(trained if whole else folder, dtype, device),
    )
    if trained is not None and not whole:
        pipeline.load_lora_weights(trained)
    use_kernels(pipeline.transformer, attention, device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _unipc(shift: float) -> SchedulerMixin:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)


def _euler(shift: float, **levels: bool) -> SchedulerMixin:
    scheduler = FlowMatchEulerDiscreteScheduler(**levels)
    # given to the constructor, the shift would be applied to its lowest level twice
    scheduler.set_shift(shift)
    return scheduler


SAMPLERS: dict[str, Callable[[float], SchedulerMixin]] = {
    "unipc": _unipc,
    "euler": _euler,
    "euler_beta": lambda shift: _euler(shift, use_beta_sigmas=True),
}


def sample(
    pipeline: WanPipeline, prompt_LD: Tensor, negative_LD: Tensor, *, width: int, height: int, frames: int, steps: int,
    guidance: float, shift: float, sampler: str, seed: int, max_tokens: int, on_step: Callable[[], None] = lambda: None,
) -> NDArray[np.uint8]:  # fmt: skip
    """Return ``frames_FHWC``, RGB, 0 to 255.

    Args:
        shift: of the sampler's noise levels; those of ``euler_beta`` do not have one.
        sampler: a name in ``SAMPLERS``.
        on_step: called after every denoising step; what it raises ends the sampling.
    """
    pipeline.scheduler = SAMPLERS[sampler](shift)
    device = pipeline.transformer.device
    text = {"prompt_embeds": prompt_LD, "negative_prompt_embeds": negative_LD}
    video = pipeline(
        **{name: pad_text(text_LD, max_tokens)[None].to(device) for name, text_LD in text.items()},
        width=width, height=height, num_frames=frames, num_inference_steps=steps, guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed), output_type="np", max_sequence_length=max_tokens,
        callback_on_step_end=lambda _pipeline, _step, _time, kept: on_step() or kept,
    ).frames[0]  # fmt: skip
    return np.rint(video * 255).astype(np.uint8)
