"""Train the adapter."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path

from engine.seam import Foresight, NotMade, Runtime, Spec, Stage, Trouble, View, at
from engine.stages.digests import digests_of
from engine.stages.train.layers import Matched, linear_layers, match, parameters
from engine.stages.train.packages import package_troubles
from engine.stages.train.shapes import adapter_shapes
from engine.stages.train.start import foresee_start
from engine.words.adapter import Dora, FileStart, FreshStart, Full, Loha, Lokr, Lora
from engine.words.methods import (
    AttentionKept,
    BlockCheckpointing,
    Crepa,
    DiskOffload,
    HeldOut,
    MemoryOffload,
    NoCheckpointing,
    NoCrepa,
    NoEvaluation,
    NoOffload,
    NoRollout,
    NoTread,
    Rollout,
    Tread,
)
from engine.words.model import Transformer
from engine.words.noise import HuberLoss, Noise, SquaredLoss
from engine.words.optimizer import (
    Adafactor,
    Adamw,
    Adamw8bit,
    Bfloat16Weights,
    ConstantSchedule,
    CosineSchedule,
    DecayEma,
    Float32Weights,
    LinearSchedule,
    Lion,
    Lion8bit,
    Muon,
    NoClip,
    NoEma,
    NormClip,
    PolynomialSchedule,
    Prodigy,
    RestartsSchedule,
    ScheduleFree,
    ValueClip,
)

FLOAT32 = 4  # bytes
_WEIGHTS = {"fp32": 4, "bf16": 2}
# bytes that an optimizer keeps for a parameter, at most: small tensors stay in float32 where others are in 8 bits
AVERAGES = {
    "adamw": 8, "adamw_8bit": 8, "lion": 6, "lion_8bit": 4, "adafactor": 4, "prodigy": 16, "schedule_free": 8, "muon": 4,
}  # fmt: skip
_MOST_BUCKETS = 6  # that one message lists


class TrainSpec(Spec):
    """What decides what is learnt."""

    transformer: Transformer = at("model.transformer")
    steps: int = at("train.steps")
    batch_size: int = at("train.batch_size")
    learning_rate: float = at("train.learning_rate")
    adapter: Lora | Dora | Lokr | Loha | Full = at("train.adapter")
    start: FreshStart | FileStart = at("train.start")
    optimizer: Adamw | Adamw8bit | Lion | Lion8bit | Adafactor | Prodigy | ScheduleFree | Muon = at(
        "train.optimizer"
    )
    weights: Float32Weights | Bfloat16Weights = at("train.weights")
    schedule: ConstantSchedule | LinearSchedule | CosineSchedule | RestartsSchedule | PolynomialSchedule = at(
        "train.schedule"
    )
    clip: NoClip | NormClip | ValueClip = at("train.clip")
    ema: NoEma | DecayEma = at("train.ema")
    result: str = at("train.result")
    noise: Noise = at("train.noise")
    loss: SquaredLoss | HuberLoss = at("train.loss")
    caption_dropout: float = at("train.caption_dropout")
    max_tokens: int = at("model.text_encoder.max_tokens")
    conditioning: str = at("model.conditioning")
    precision: str = at("train.precision")
    quantize: str = at("train.quantize")
    tread: NoTread | Tread = at("train.tread")
    crepa: NoCrepa | Crepa = at("train.crepa")
    rollout: NoRollout | Rollout = at("train.rollout")
    evaluation: NoEvaluation | HeldOut = at("train.evaluation")
    seed: int = at("train.seed")


class TrainRuntime(Runtime):
    """How training works; the same is learnt."""

    micro_batch: int = at("train.micro_batch")
    gradient_checkpointing: NoCheckpointing | BlockCheckpointing | AttentionKept = at(
        "train.gradient_checkpointing"
    )
    offload: NoOffload | MemoryOffload | DiskOffload = at("train.offload")
    ema_on: str = at("train.ema_on")
    quantize_on: str = at("train.quantize_on")
    feed_forward_chunks: int = at("train.feed_forward_chunks")
    attention: str = at("train.attention")
    checkpoint_every: int = at("train.checkpoints.every")
    checkpoint_unit: str = at("train.checkpoints.unit")
    checkpoints_kept: int = at("train.checkpoints.keep")
    device: str = at("hardware.device")
    devices: int = at("hardware.devices")
    shard: bool = at("hardware.shard")
    threads: int = at("hardware.threads")


def _progress(spec: TrainSpec, shared: Path) -> int | None:
    """Return the step of the newest checkpoint that this training can go on from."""
    names = (re.fullmatch(r"step-(\d+)", path.parent.name) for path in shared.glob("step-*/manifest.json"))
    steps = [int(name[1]) for name in names if name and int(name[1]) <= spec.steps]
    return max(steps, default=None)


def _foresee(view: View) -> Foresight:
    """What is trained, how large it is, and what stands in the way of it."""
    spec, layers = view.spec, linear_layers(view.spec.transformer)
    matched = match(layers, getattr(spec.adapter, "targets", ()))
    shapes = adapter_shapes(spec.adapter, {name: layers[name] for name in matched.names})
    trained = sum(prod(shape) for factors in shapes.values() for shape in factors.values())
    note = f"{len(matched.names)} of {len(layers)} linear layers, {trained:,} parameters"
    if spec.adapter.kind == "full":
        trained = parameters(spec.transformer)
        note = f"all weights, {trained:,} parameters"
    buckets = _epoch(view)
    length = f"; an epoch is {buckets.total() / spec.batch_size:.4g} steps" if buckets else ""
    start = foresee_start(spec.start, spec.adapter, spec.transformer, digest=_digest(view))
    return Foresight(
        leaves=start.leaves, amount=spec.steps, unit="steps", bytes=_bytes(view, trained),
        troubles=(*_patterns(matched, len(layers)), *package_troubles(spec, view.runtime), *start.troubles, *_small_buckets(view, buckets), *_epochs(view, buckets.total()),
                  *_conditioned(spec)),
        notes=(note + length, *start.notes),
    )  # fmt: skip


def _bytes(view: View, trained: int) -> int:
    """Disk: what is handed on, and for each checkpoint that is kept, and the one being written, that with all averages."""
    spec, kept = view.spec, view.runtime.checkpoints_kept + (view.spec.evaluation.kind != "none")
    weights = _WEIGHTS[spec.weights.kind]
    averages = AVERAGES[spec.optimizer.kind] + (FLOAT32 if spec.ema.kind != "none" else 0)
    each: int = weights + (kept + 1) * (weights + averages)
    return trained * each


def _digest(view: View) -> Callable[[Path], str]:
    return lambda path: digests_of([path], view.memo, view.tell, keep=view.keep)[path]


def _patterns(matched: Matched, layers: int) -> Iterator[Trouble]:
    for target, near in matched.idle.items():
        message = f"{target!r} matches none of {layers} linear layers"
        yield Trouble("RCP4008", "train.adapter.targets", message, f"near: {', '.join(near)}")
    for target in matched.slow:
        help_ = "write it without a repetition inside of another"
        yield Trouble("RCP4006", "train.adapter.targets", f"{target!r} takes too long to match", help_)


def _conditioned(spec: TrainSpec) -> Iterator[Trouble]:
    """What the denoiser is shown of a clip is encoded, and not yet given to it."""
    if spec.conditioning != "none":
        yield Trouble(
            "RCP4209", "model.conditioning", f"a denoiser that is shown a {spec.conditioning.replace('_', ' ')} cannot be trained yet",
            "what it is shown can be encoded, with `recipe run --until encode_video`; for text to video write `none`",
        )  # fmt: skip


def _epoch(view: View) -> Counter[str]:
    """Return the samples that an epoch has of each shape; nothing where the clips are not known yet."""
    try:
        groups = json.loads(view.inputs["survey/samples"].read("groups.json"))
    except NotMade:
        return Counter()
    buckets = Counter[str]()
    for group in groups:
        buckets["x".join(map(str, group["bucket"]))] += group["take"]
    return buckets


def _epochs(view: View, epoch: int) -> Iterator[Trouble]:
    """A run that is killed takes up its newest checkpoint; one that ends before its first epochs has none."""
    spec, runtime = view.spec, view.runtime
    first = -(-epoch * runtime.checkpoint_every // spec.batch_size)
    if runtime.checkpoint_unit == "epochs" and first > spec.steps:
        yield Trouble(
            "RCP4023", "train.checkpoints.every",
            f"{runtime.checkpoint_every} epochs of {epoch} samples take {first} steps, and the run has {spec.steps}",
            "a run that breaks off would begin anew: save more often, or count in steps", warning=True, rule="train.steps",
        )  # fmt: skip


def _small_buckets(view: View, buckets: Mapping[str, int]) -> Iterator[Trouble]:
    """A batch has clips of one shape only: where an epoch has fewer than it takes, one batch shows some of them twice."""
    size = view.spec.batch_size
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
    version=3,
    spec=TrainSpec,
    runtime=TrainRuntime,
    needs=(
        "fetch_model/transformer",
        "survey/samples",
        "encode_text/captions",
        "encode_video/latents",
        "encode_features/features",
    ),
    entry="engine.stages.train.run:train",
    does="train the adapter",
    foresee=_foresee,
    progress=_progress,
    processes=lambda runtime: runtime.devices,
)
