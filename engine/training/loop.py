"""The step loop. It knows samples by their numbers, a loss, and the state that a step changes, and nothing else.

A step is a pure function of the state and of its number: order, noise and dropout come from (seed, position). So a run that resumes goes on to the last bit.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.training.devices import Devices, one
from engine.training.noise import generator
from engine.training.optimizers import CLIPS, gradient_norm
from engine.training.order import Order
from engine.training.state import State

Losses = Mapping[str, Tensor]
"""Scalars by name: ``loss`` is what is learnt, with a graph; what it is made of is only shown."""

LossOf = Callable[[Sequence[int], Sequence[int]], Losses]
"""Mean losses over some samples, given their indices and their global positions."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a loop needs to be told.

    Attributes:
        steps: optimizer steps in all.
        micro_batch: most samples in one forward pass; changes nothing but rounding, and which inputs dropout drops.
        learning_rate: after warm-up.
        factor: the factor on the learning rate at a step, counted from 0.
        clip, clip_limit: see ``CLIPS``.
        seed: of dropout.
        saves: whether the state is saved when so many steps are done.
        evaluates: whether the loss on held-out samples is due when so many steps are done.
    """

    steps: int
    micro_batch: int
    learning_rate: float
    factor: Callable[[int], float]
    clip: str
    clip_limit: float
    seed: int
    saves: Callable[[int], bool]
    evaluates: Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one step showed.

    Attributes:
        step: counts from 1.
        gradient_norm: before clipping.
        parts: what the loss was made of, by name, where it was made of several.
    """

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told, and asked, while a loop runs.

    Attributes:
        on_step: told every step.
        evaluate: asked where the loss on held-out samples is due; notes in the state what it found. False where it was
            asked to stop before it was done.
        save: returns when the state is safe.
        stopping: polled after every step.
    """

    on_step: Callable[[Metrics], None]
    evaluate: Callable[[], bool]
    save: Callable[[], None]
    stopping: Callable[[], bool]


class NotFinite(Exception):
    """The loss or the gradients are infinite or not numbers; the weights were not touched."""

    def __init__(self, step: int, samples: Sequence[int]) -> None:
        super().__init__(f"the loss is not finite at step {step}, samples {list(samples)}")
        self.step = step
        self.samples = tuple(samples)


class Stopped(Exception):
    """Someone asked to stop; the state was saved after ``step``."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.step = step


def train(
    loss_of: LossOf,
    state: State,
    order: Order,
    settings: Settings,
    watch: Watch,
    devices: Devices | None = None,
) -> None:
    """Train from ``state.step`` to ``settings.steps``.

    Args:
        devices: which share of each batch is this process's; all of it where None.

    Raises:
        NotFinite: before the step would have spoilt the weights.
        Stopped: after the state was saved.
    """
    devices, saved = devices or one(), state.step
    while True:
        due = settings.evaluates(state.step) and state.evaluated != state.step
        seen = not due or not devices.any_of(not watch.evaluate())
        done = seen and state.step >= settings.steps
        stop = devices.any_of(not seen or watch.stopping()) and not done
        if state.step > saved and (done or stop or settings.saves(state.step)):
            watch.save()
            saved = state.step
        if stop:
            raise Stopped(state.step)
        if done:
            return
        watch.on_step(_step(loss_of, state, order, settings, devices))


def _step(loss_of: LossOf, state: State, order: Order, settings: Settings, devices: Devices) -> Metrics:
    """Take one step: gradients, limits, update, average."""
    began, step, parameters = time.monotonic(), state.step, list(state.trained.values())
    rate = settings.learning_rate * settings.factor(step)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    losses = _gradients(loss_of, order, step, settings, devices)
    devices.sum_gradients(parameters)
    norm = float(total := gradient_norm(parameters))
    if not (math.isfinite(losses["loss"]) and math.isfinite(norm)):
        raise NotFinite(step + 1, order.batch(step))
    CLIPS[settings.clip](parameters, settings.clip_limit, total)
    state.optimizer.step()
    state.step += 1
    if state.ema is not None:
        state.ema.follow(state.step)
    loss = losses.pop("loss")
    return Metrics(state.step, loss, rate, norm, time.monotonic() - began, losses)


def _seed(seed: int) -> None:
    """Seed the global generators. Not by ``torch.manual_seed``: without a GPU, it writes down the stack in case one comes."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


def _gradients(
    loss_of: LossOf, order: Order, step: int, settings: Settings, devices: Devices
) -> dict[str, float]:
    """Gather the gradients of a batch, a few samples at a time; returns its mean losses."""
    totals: dict[str, float] = {"loss": 0.0}
    for part in order.share(step, settings.micro_batch, devices.rank, devices.count):
        # dropout draws from the global generator: give it a state that depends on nothing but these samples
        _seed(generator(settings.seed, "dropout", part.positions[0]).initial_seed())
        # each part counts by its share, so that the split does not change the mathematics
        share = len(part.samples) / order.batch_size
        losses = loss_of(part.samples, part.positions)
        (losses["loss"] * share).backward()
        for name, value in losses.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach()) * share
    return devices.sum_of(totals)
