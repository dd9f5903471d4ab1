"""Make the same videos with and without the adapter, and put them side by side."""

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import WanPipeline
from safetensors.torch import load_file
from torch import nn

from engine.clips.write import write_video
from engine.device import PRECISIONS, choose
from engine.endings import Interrupted, StageError
from engine.report.sheet import Row, contact_sheet
from engine.seam import Work
from engine.stages.export.run import NAME
from engine.stages.sample.spec import SampleRuntime, SampleSpec
from engine.stages.train.prepare import adapter_of
from engine.stages.train.start import look, sources
from engine.training.adapters import attach, load_adapter_state
from engine.wan.attention import NoSuchKernels
from engine.wan.lora_file import read_adapter
from engine.wan.sampling import load_pipeline
from engine.wan.sampling import sample as make


def sample(work: Work[SampleSpec, SampleRuntime]) -> None:
    """Write ``videos/<name>-before.mp4``, ``videos/<name>-after.mp4`` and ``videos/contact-sheet.png``.

    The pipeline is the stock one, and what was trained is the exported file, read by its stock loader where that knows
    the kind: what is seen here is what a user of the file will see.

    Raises:
        StageError: the kernels of attention are not there.
    """
    spec = work.spec
    device = choose(work.runtime.device, work.runtime.threads)
    keys = json.loads((work.inputs["encode_text/prompts"] / "prompts.json").read_text())
    text = {
        said: load_file(work.items.open(f"encode_text/{key}") / "text.safetensors")["text_LD"]
        for said, key in keys.items()
    }
    videos: dict[str, dict[str, np.ndarray]] = {name: {} for name in spec.prompts}
    done, total = 0, 2 * len(spec.prompts)
    for when in ("before", "after"):
        try:
            pipeline = pipeline_of(work, device, trained=when == "after")
        except NoSuchKernels as error:
            raise StageError(f"sample.attention: {error}") from error
        for number, (name, prompt) in enumerate(spec.prompts.items()):
            videos[name][when] = make(
                pipeline, text[prompt], text[spec.negative], width=spec.width, height=spec.height,
                frames=spec.frames, steps=spec.steps, guidance=spec.guidance, shift=spec.shift,
                sampler=spec.sampler, seed=spec.seed + number, max_tokens=spec.max_tokens, on_step=lambda: _go_on(work),
            )  # fmt: skip
            done += 1
            work.tell("progress", done=done, total=total, unit="videos", note=f"{name} {when}")
        del pipeline  # before the next one is loaded: two would not fit where one does
    _write(work.output / "videos", videos, spec)


def pipeline_of(work: Work[SampleSpec, SampleRuntime], device: torch.device, *, trained: bool) -> WanPipeline:
    """Return the stock pipeline, with what was trained or without.

    Raises:
        NoSuchKernels: the kernels of attention are not there.
    """
    spec, exported = work.spec, work.inputs["export/lora"]
    model = work.inputs["fetch_model/transformer"].parent
    by_hand = spec.adapter.kind in {"lokr", "loha"}  # the stock loader of Wan knows no such adapter
    pipeline = load_pipeline(
        model, PRECISIONS[spec.precision], device, exported if trained and not by_hand else None,
        work.runtime.attention,
    )  # fmt: skip
    if trained and by_hand:
        _attach(pipeline.transformer, spec, exported / NAME)
    return pipeline


def _attach(model: nn.Module, spec: SampleSpec, path: Path) -> None:
    """Give a denoiser the adapter of an exported file."""
    widths = {
        name: (layer.in_features, layer.out_features)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
    }
    found = look(path, widths)
    attach(model, adapter_of(spec, list(found.tensors)), seed=0)
    load_adapter_state(model, read_adapter(path, sources(found, spec.adapter)))
    model.eval()


def _go_on(work: Work[SampleSpec, SampleRuntime]) -> None:
    if work.stopping():
        raise Interrupted


def _write(folder: Path, videos: dict[str, dict[str, np.ndarray]], spec: SampleSpec) -> None:
    folder.mkdir()
    for name, pair in videos.items():
        for when, frames_FHWC in pair.items():
            write_video(folder / f"{name}-{when}.mp4", frames_FHWC, spec.fps)
    rows = [Row(spec.prompts[name], tuple(pair.items())) for name, pair in videos.items()]
    note = f"{spec.steps} steps of {spec.sampler}, guidance {spec.guidance:g}, shift {spec.shift:g}, seeds from {spec.seed}"
    contact_sheet(folder / "contact-sheet.png", "Before and after training", rows, note)
