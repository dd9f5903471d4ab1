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
    conditioning: str = at("model.conditioning")
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
        troubles=(*_patterns(matched, len(layers)), *_small_buckets(view), *_conditioned(spec)), notes=(note,),
    )  # fmt: skip


def _patterns(matched: Matched, layers: int) -> Iterator[Trouble]:
    for target, near in matched.idle.items():
        message = f"{target!r} matches none of {layers} linear layers"
        yield Trouble("RCP4008", "train.lora.targets", message, f"near: {', '.join(near)}")
    for target in matched.slow:
        help_ = "write it without a repetition inside of another"
        yield Trouble("RCP4006", "train.lora.targets", f"{target!r} takes too long to match", help_)


def _conditioned(spec: TrainSpec) -> Iterator[Trouble]:
    """What the denoiser is shown of a clip is encoded, and not yet given to it."""
    if spec.conditioning != "none":
        yield Trouble(
            "RCP4209", "model.conditioning", f"a denoiser that is shown a {spec.conditioning.replace('_', ' ')} cannot be trained yet",
            "what it is shown can be encoded, with `recipe run --until encode_video`; for text to video write `none`",
        )  # fmt: skip


def _small_buckets(view: View) -> Iterator[Trouble]:
    """A batch has clips of one shape only: where an epoch has fewer than it takes, one batch shows some of them twice."""
    try:
        groups = json.loads(view.inputs["survey/samples"].read("groups.json"))
    except NotMade:
        return
    size, buckets = view.spec.batch_size, Counter[str]()
    for group in groups:
        buckets["x".join(map(str, group["bucket"]))] += group["take"]
    small = {shape: count for shape, count in sorted(buckets.items()) if count < size}
    if small:
        shown = ", ".join(f"{count} at {shape}" for shape, count in list(small.items())[:_MOST_BUCKETS])
        more = " …" if len(small) > _MOST_BUCKETS else ""
        yield Trouble(
            "RCP4107", "train.batch_size",
            f"{len(small)} of {len(buckets)} buckets have fewer samples in an epoch than a batch of {size}: {shown}{more}",
            f"a batch is of one shape, so each of these waits for several epochs and then shows the same clips more than once in it. A bucket "
            f"is whole from {size} samples on: add clips of that shape, raise `data.repeats`, set `train.batch_size` to the smallest count, give "
            "all clips one shape with `data.size: {kind: exact, …}`, or let them be repeated with `data.small_buckets: repeat`",
            warning=True, rule="data.size",
        )  # fmt: skip


TRAIN = Stage(
    name="train",
    version=2,
    spec=TrainSpec,
    runtime=TrainRuntime,
    needs=(
        "fetch_model/transformer",
        "survey/samples",
        "encode_text/captions",
        "encode_video/latents",
    ),
    entry="engine.stages.train.run:train",
    does="train the adapter",
    foresee=_foresee,
    progress=_progress,
)
