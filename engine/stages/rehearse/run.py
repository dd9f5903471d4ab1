"""Take one small step of the training that is asked for, with a short model of the same widths and random numbers."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from engine.device import PRECISIONS, choose
from engine.endings import StageError
from engine.seam import Work
from engine.stages.rehearse.spec import RehearseRuntime, RehearseSpec
from engine.stages.train.layers import match
from engine.stages.train.prepare import blaming, optimizer_of, prepare
from engine.training import noise
from engine.training.adapters import trained
from engine.training.devices import TorchIsOlder, can_shard
from engine.training.offload import offloaded
from engine.training.optimizers import MissingPackage
from engine.training.walk import Checkpointing, Course
from engine.wan.denoise import predict
from engine.wan.outline import outline, short_model

SEED = 0  # what is learnt does not matter
BLOCKS = 2  # one block, and one behind it
SHAPE = (2, 4, 4)  # of the latents: frames, height, width
TOKENS = 16  # of the text
RATE = 1e-4
# how torch and the packages beside it say that something cannot be had
FAILURES = (RuntimeError, ValueError, TypeError, NotImplementedError, ImportError, AssertionError)

Rehearsal = Work[RehearseSpec, RehearseRuntime]


def rehearse(work: Rehearsal) -> None:
    """Write ``report/rehearsal.json``: what was tried, how long it took, and what quantising cost.

    Raises:
        StageError: something that the recipe asks for cannot be had; the message names its word.
    """
    spec, start = work.spec, time.monotonic()
    folder = work.inputs["fetch_model/transformer"]
    layers = adapted(outline(folder), spec)
    device = choose(work.runtime.device, work.runtime.threads, work.runtime.devices)
    if work.runtime.shard and work.runtime.devices > 1:
        with blaming("hardware.shard", TorchIsOlder):
            can_shard()
    model = short_model(folder, BLOCKS, PRECISIONS[spec.precision], SEED)
    alone = work.runtime.model_copy(update={"shard": False})  # a rehearsal has nobody to share blocks with
    # what it would say is of the short model
    quantised = prepare(spec, alone, model, shortened(layers), SEED, device, lambda *_, **__: None)
    with ExitStack() as stack:
        if work.runtime.offload.kind != "none":
            place = work.output if work.runtime.offload.kind == "disk" else None
            stack.enter_context(offloaded(list(model.blocks), device, place))
        loss = _step(work, model, device)
    report = {
        "layers": len(layers),
        "blocks": len(model.blocks),
        "device": str(device),
        "loss": loss,
        "seconds": round(time.monotonic() - start, 3),
        "peak_bytes": _peak(device),
        "quantised": quantised and quantised.as_json(),
    }
    (work.output / "report").mkdir()
    (work.output / "report" / "rehearsal.json").write_text(json.dumps(report, indent=2) + "\n")


def adapted(model: nn.Module, spec: RehearseSpec) -> list[str]:
    """Return the linear layers of the real model that get the adapter; none where all weights are trained.

    Raises:
        StageError: a pattern matches none of them, or takes too long.
    """
    if spec.adapter.kind == "full":
        return []
    linear = {name: (module.in_features, module.out_features)
              for name, module in model.named_modules() if isinstance(module, nn.Linear)}  # fmt: skip
    found = match(linear, spec.adapter.targets)
    for target, near in found.idle.items():
        raise StageError(f"train.adapter.targets: {target!r} matches none of the {len(linear)} linear layers of this model, "
                         f"such as {', '.join(near)}")  # fmt: skip
    for target in found.slow:
        raise StageError(f"train.adapter.targets: {target!r} takes too long to match")
    return found.names


def shortened(layers: Sequence[str]) -> list[str]:
    """Return where a short model has the same layers: those of later blocks are tried in its own, by turns."""
    return sorted({re.sub(r"^blocks\.(\d+)", _in_turn, layer) for layer in layers})


def _in_turn(found: re.Match[str]) -> str:
    return f"blocks.{int(found[1]) % BLOCKS}"


def _step(work: Rehearsal, model: WanTransformer3DModel, device: torch.device) -> float:
    """Take one step on random latents; returns its loss."""
    own = trained(model)
    with blaming("train.optimizer", MissingPackage, *FAILURES):
        optimizer = optimizer_of(work.spec, list(own.values()), RATE, SEED)
    with _as_asked(work, device):
        loss = _loss(work, model, device)
        loss.backward()
    if not loss.isfinite():
        raise StageError(f"the loss of one small training step on {device} is {loss.item()}: {_asked(work)}")
    if cut_off := [name for name, parameter in own.items() if parameter.grad is None]:
        raise StageError(
            f"train.adapter: no gradient reaches {len(cut_off)} of {len(own)} tensors, such as {cut_off[0]}"
        )
    with blaming("train.optimizer", *FAILURES):
        optimizer.step()
    return loss.item()


def _loss(work: Rehearsal, model: WanTransformer3DModel, device: torch.device) -> Tensor:
    spec, dtype = work.spec, PRECISIONS[work.spec.precision]
    rng = noise.generator(SEED, "rehearsal", 0)
    latent_BCFHW, noise_BCFHW = torch.randn(2, 1, spec.transformer.out_channels, *SHAPE, generator=rng)
    text_BLD = torch.randn(1, TOKENS, spec.transformer.text_width, generator=rng)
    sigma_B = torch.tensor([0.5])
    noisy_BCFHW, target_BCFHW = noise.add_noise(latent_BCFHW, noise_BCFHW, sigma_B)
    course = Course(Checkpointing(**work.runtime.gradient_checkpointing.model_dump()))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)  # of the adapter's dropout
        prediction_BCFHW = predict(
            model, noisy_BCFHW.to(device, dtype), sigma_B.to(device), text_BLD.to(device, dtype), course
        )
    return noise.flow_loss(prediction_BCFHW, target_BCFHW.to(device))


@contextmanager
def _as_asked(work: Rehearsal, device: torch.device) -> Iterator[None]:
    """Say what was asked for where a step fails: it is more than one word, and torch names none of them."""
    try:
        yield
    except FAILURES as error:
        raise StageError(f"one small training step fails on {device}: {error}. {_asked(work)}") from error


def _asked(work: Rehearsal) -> str:
    spec, runtime = work.spec, work.runtime
    words = {
        "train.attention": runtime.attention, "train.precision": spec.precision, "train.quantize": spec.quantize,
        "train.adapter.kind": spec.adapter.kind, "train.weights.kind": spec.weights.kind,
        "train.gradient_checkpointing.kind": runtime.gradient_checkpointing.kind, "train.offload.kind": runtime.offload.kind,
    }  # fmt: skip
    said = ", ".join(f"`{word}: {value}`" for word, value in words.items())
    return f"Asked for was {said}: one of these does not go with the others, or with this device"


def _peak(device: torch.device) -> int | None:
    """Return the most memory that tensors took on the device; None where nobody counts."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
