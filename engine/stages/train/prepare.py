"""Make a loaded denoiser ready to be trained: quantise, move, attach the adapter, choose kernels.

A rehearsal and the training itself call the same function, so that what passed the one is what the other does.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from engine.device import PRECISIONS
from engine.endings import StageError
from engine.stages.rehearse.spec import MEGA, RehearseRuntime, RehearseSpec
from engine.stages.train.layers import linear_layers, match
from engine.stages.train.spec import TrainRuntime, TrainSpec
from engine.training import adapters
from engine.training.offload import settle
from engine.training.optimizers import make_optimizer
from engine.training.quantise import USUAL_ERROR, CannotQuantise, Report, move, quantise
from engine.wan.attention import NoSuchKernels, use_kernels
from engine.wan.feed_forward import chunk_feed_forward

ADAPTERS = {
    "lora": adapters.Lora,
    "dora": adapters.Dora,
    "lokr": adapters.Lokr,
    "loha": adapters.Loha,
    "full": adapters.Full,
}


def prepare(
    spec: TrainSpec | RehearseSpec,
    runtime: TrainRuntime | RehearseRuntime,
    model: WanTransformer3DModel,
    layers: Sequence[str],
    seed: int,
    device: torch.device,
    tell: Callable[..., None],
) -> Report | None:
    """Change a model in place into what is trained, on its device and in training mode.

    Where blocks are offloaded, or shared by several devices, their frozen weights stay where they are: they never lie on
    the device all at once.

    Args:
        model: as it was loaded, on the CPU; where it is quantised, a layer at a time goes to the device.
        layers: whole names of the linear layers that get the adapter; none where all weights are trained.
        seed: of the adapter's first values.
        tell: hears what was quantised, and how well.

    Returns:
        What was quantised; None where nothing was.

    Raises:
        StageError: naming the word that cannot be had.
    """
    waiting = runtime.offload.kind != "none" or (runtime.shard and runtime.devices > 1)
    report = None
    if spec.quantize != "none":
        on = torch.device("cpu") if waiting or runtime.quantize_on == "cpu" else device
        report = _quantise(spec, model, on, tell)
    if not waiting:
        move(model, device)
    with blaming("train.adapter.targets", adapters.NoSuchLayers):
        adapters.attach(model, adapter_of(spec, layers), seed, PRECISIONS[spec.weights.kind])
    if waiting:
        settle(model, model.blocks, device)
    with blaming("train.attention", NoSuchKernels):
        use_kernels(model, runtime.attention, device)
    chunk_feed_forward(model, runtime.feed_forward_chunks)
    model.train()
    return report


def adapted_layers(spec: TrainSpec) -> list[str]:
    """Return the whole names of the linear layers that get the adapter, as the plan said; none for ``full``."""
    adapter = spec.adapter
    return [] if adapter.kind == "full" else match(linear_layers(spec.transformer), adapter.targets).names


def adapter_of(spec: TrainSpec | RehearseSpec, layers: Sequence[str]) -> adapters.Adapter:
    """Return the adapter that a recipe asks for, on layers that are named one by one."""
    said = spec.adapter.model_dump(exclude={"kind"})
    if "targets" in said:
        said["targets"] = [re.escape(layer) for layer in layers]
    return ADAPTERS[spec.adapter.kind](**said)


def optimizer_of(
    spec: TrainSpec | RehearseSpec, parameters: Sequence[nn.Parameter], rate: float, seed: int
) -> torch.optim.Optimizer:
    """Return the optimizer that a recipe asks for, over what is trained."""
    rounding = spec.weights.rounding if spec.weights.kind == "bf16" else "none"
    words = spec.optimizer.model_dump(exclude={"kind"})
    return make_optimizer(spec.optimizer.kind, parameters, lr=rate, rounding=rounding, seed=seed, **words)


@contextmanager
def blaming(word: str, *reasons: type[Exception]) -> Iterator[None]:
    """Say of some exceptions which word of the recipe leads to them."""
    try:
        yield
    except reasons as error:
        raise StageError(f"{word}: {error}") from error


def _quantise(
    spec: TrainSpec | RehearseSpec, model: WanTransformer3DModel, on: torch.device, tell: Callable[..., None]
) -> Report:
    # a device that does not know float8 says so with one of the last three
    with blaming("train.quantize", CannotQuantise, TypeError, NotImplementedError, RuntimeError):
        report = quantise(model, spec.quantize, model.blocks, on)
    tell("message", message=_said(report))
    return report


def _said(report: Report) -> str:
    worst = report.worst
    said = (f"{report.kind}: the denoiser takes {report.bytes_after // MEGA:,} MB instead of {report.bytes_before // MEGA:,}; "
            f"the largest error is {worst.output_error:.1%}, in {worst.worst}")  # fmt: skip
    if report.is_usual:
        return said
    return (f"{said}. That is more than the {USUAL_ERROR[report.kind]:.0%} that {report.kind} usually stays below: the model has rows with "
            "outliers, and may answer otherwise than it did; `train.quantize: none` keeps it as it is")  # fmt: skip
