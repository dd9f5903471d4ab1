"""Train the adapter."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.seam import Foresight, NotMade, Runtime, Spec, Stage, Trouble, View, at
from engine.stages.train.layers import Matched, linear_layers, match
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

FLOAT32 = 4  # bytes; adapter and averages are never smaller
_MOST_BUCKETS = 6  # that one message lists


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
    feed_forward_chunks: int = at("train.feed_forward_chunks")
    attention: str = at("train.attention")
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
    """Disk: the adapter, and for each kept checkpoint, and the one being written, the adapter with the optimizer's averages."""
    spec, kept = view.spec, view.runtime.checkpoints_kept
    layers = linear_layers(spec.transformer)
    matched = match(layers, spec.lora.targets)
    adapter = sum(sum(layers[name]) for name in matched.names) * spec.lora.rank * FLOAT32
    averages = 2 if isinstance(spec.optimizer, Adamw) else 1
    note = f"{len(matched.names)} of {len(layers)} linear layers, {adapter // FLOAT32:,} parameters"
    return Foresight(
        amount=spec.steps, unit="steps", bytes=adapter * (1 + (kept + 1) * (1 + averages)),
        troubles=(*_patterns(matched, len(layers)), *_small_buckets(view)), notes=(note,),
    )  # fmt: skip


def _patterns(matched: Matched, layers: int) -> Iterator[Trouble]:
    for target, near in matched.idle.items():
        message = f"{target!r} matches none of {layers} linear layers"
        yield Trouble("RCP4008", "train.lora.targets", message, f"near: {', '.join(near)}")
    for target in matched.slow:
        help_ = "write it without a repetition inside of another"
        yield Trouble("RCP4006", "train.lora.targets", f"{target!r} takes too long to match", help_)


def _small_buckets(view: View) -> Iterator[Trouble]:
    """A batch has clips of one shape only: where there are fewer of them than a batch takes, it repeats some."""
    try:
        clips = json.loads(view.inputs["survey/clips"].read("clips.json"))
        said = json.loads(view.inputs["survey/captions"].read("captions.json"))
    except NotMade:
        return
    size, shapes = view.spec.batch_size, {clip["id"]: "x".join(map(str, clip["bucket"])) for clip in clips}
    buckets = Counter(shapes[sample["clip"]] for sample in said)
    small = {shape: count for shape, count in sorted(buckets.items()) if count < size}
    if small:
        shown = ", ".join(f"{count} at {shape}" for shape, count in list(small.items())[:_MOST_BUCKETS])
        more = " …" if len(small) > _MOST_BUCKETS else ""
        yield Trouble(
            "RCP4107", "train.batch_size",
            f"{len(small)} of {len(buckets)} buckets have fewer clips than a batch of {size}: {shown}{more}",
            "a batch is of one shape, so these repeat their clips within one batch and count for more: add clips of that "
            "shape, set `train.batch_size` to the smallest count, or give all clips one shape with `data.size: {kind: exact, …}`",
            warning=True, rule="data.size",
        )  # fmt: skip


TRAIN = Stage(
    name="train",
    version=1,
    spec=TrainSpec,
    runtime=TrainRuntime,
    needs=(
        "fetch_model/transformer",
        "survey/clips",
        "survey/captions",
        "encode_text/captions",
        "encode_video/latents",
    ),
    entry="engine.stages.train.run:train",
    does="train the adapter",
    foresee=_foresee,
    progress=_progress,
)
