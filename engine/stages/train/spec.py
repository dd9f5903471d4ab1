"""Train the adapter."""

import re
from pathlib import Path

from engine.seam import Foresight, Runtime, Spec, Stage, View, at
from engine.words.model import Transformer
from engine.words.train import (
    Adamw,
    ConstantSchedule,
    CosineSchedule,
    Lion,
    Lora,
    NoClip,
    Noise,
    NormClip,
    ValueClip,
)


class TrainSpec(Spec):
    """What decides what is learnt."""

    transformer: Transformer = at("model.transformer")
    steps: int = at("train.steps")
    batch_size: int = at("train.batch_size")
    learning_rate: float = at("train.learning_rate")
    optimizer: Adamw | Lion = at("train.optimizer")
    schedule: ConstantSchedule | CosineSchedule = at("train.schedule")
    clip: NoClip | NormClip | ValueClip = at("train.clip")
    lora: Lora = at("train.lora")
    noise: Noise = at("train.noise")
    caption_dropout: float = at("train.caption_dropout")
    max_tokens: int = at("model.text_encoder.max_tokens")
    precision: str = at("train.precision")
    seed: int = at("train.seed")


class TrainRuntime(Runtime):
    """How training works; the same is learnt."""

    micro_batch: int = at("train.micro_batch")
    gradient_checkpointing: bool = at("train.gradient_checkpointing")
    checkpoint_every: int = at("train.checkpoints.every")
    checkpoints_kept: int = at("train.checkpoints.keep")
    device: str = at("hardware.device")
    threads: int = at("hardware.threads")


def _progress(spec: TrainSpec, shared: Path) -> int | None:
    """Return the step of the newest checkpoint that this training can go on from."""
    names = (re.fullmatch(r"step-(\d+)", path.parent.name) for path in shared.glob("step-*/manifest.json"))
    steps = [int(name[1]) for name in names if name and int(name[1]) <= spec.steps]
    return max(steps, default=None)


def _foresee(view: View) -> Foresight:
    """Disk: the adapter, and for each kept checkpoint the adapter with the optimizer's averages."""
    spec, runtime = view.spec, view.runtime
    numbers = spec.transformer
    width = numbers.heads * numbers.head_width
    # the four attention layers of both attentions in each block, where the patterns say so
    layers = _attention_layers(spec)
    adapter = layers * 2 * width * spec.lora.rank * 4
    averages = 2 if isinstance(spec.optimizer, Adamw) else 1
    return Foresight(bytes=adapter * (1 + runtime.checkpoints_kept * (1 + averages)) if layers else None)


def _attention_layers(spec: TrainSpec) -> int | None:
    """Count the square attention layers that get an adapter; None where patterns reach other layers too."""
    names = ["to_q", "to_k", "to_v", "to_out.0"]
    square = [f"blocks.{block}.attn{which}.{name}"
              for block in range(spec.transformer.layers) for which in (1, 2) for name in names]  # fmt: skip
    others = [
        f"blocks.{block}.ffn.net.{part}"
        for block in range(spec.transformer.layers)
        for part in ("0.proj", "2")
    ]
    patterns = [re.compile(target) for target in spec.lora.targets]
    if any(pattern.fullmatch(name) for pattern in patterns for name in others):
        return None
    return sum(any(pattern.fullmatch(name) for pattern in patterns) for name in square)


TRAIN = Stage(
    name="train",
    version=1,
    spec=TrainSpec,
    runtime=TrainRuntime,
    needs=("fetch_model/transformer", "survey/captions", "encode_text/captions", "encode_video/latents"),
    entry="engine.stages.train.run:train",
    does="train the adapter",
    foresee=_foresee,
    progress=_progress,
)
