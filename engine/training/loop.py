"""The step loop. It knows samples by their numbers, a loss, parameters and an optimizer, and nothing else.

A step is a pure function of the weights, the optimizer's averages and the step's number: order and noise come from
(seed, position), dropout from a seed of the step. So a run that resumes goes on to the last bit.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.training.noise import generator
from engine.training.optimizers import CLIPS, gradient_norm, rate_factor
from engine.training.order import Order

LossOf = Callable[[Sequence[int], Sequence[int]], Tensor]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a loop needs to be told.

    Attributes:
        steps: optimizer steps in all.
        micro_batch: most samples in one forward pass; changes nothing but rounding, and which inputs dropout drops.
        learning_rate: after warm-up.
        schedule, warmup_steps: see ``rate_factor``.
        clip, clip_limit: see ``CLIPS``.
        seed: of dropout.
        save_every: steps between two saves.
    """

    steps: int
    micro_batch: int
    learning_rate: float
    schedule: str
    warmup_steps: int
    clip: str
    clip_limit: float
    seed: int
    save_every: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one step showed: ``step`` counts from 1, ``gradient_norm`` is before clipping."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float


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
    parameters: Sequence[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    order: Order,
    settings: Settings,
    *,
    start: int,
    on_step: Callable[[Metrics], None],
    save: Callable[[int], None],
    stopping: Callable[[], bool],
) -> None:
    """Train from step ``start`` to ``settings.steps``.

    Args:
        loss_of: mean loss over some samples, given their indices and their global positions; a scalar with a graph.
        parameters: what is trained.
        start: steps that are already done.
        on_step: told every step.
        save: called with the number of steps done, every ``save_every`` steps, at the end, and before stopping.
        stopping: polled after every step.

    Raises:
        NotFinite: before the step would have spoilt the weights.
        Stopped: after the state was saved.
    """
    for step in range(start, settings.steps):
        began = time.monotonic()
        rate = settings.learning_rate * rate_factor(
            settings.schedule, step, settings.steps, settings.warmup_steps
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        # dropout draws from the global generator: give it a state that depends on the step alone
        torch.manual_seed(generator(settings.seed, "dropout", step).initial_seed())
        optimizer.zero_grad(set_to_none=True)
        loss = _gradients(loss_of, order, step, settings.micro_batch)
        norm = float(gradient_norm(parameters))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise NotFinite(step + 1, order.batch(step))
        CLIPS[settings.clip](parameters, settings.clip_limit)
        optimizer.step()
        on_step(Metrics(step + 1, loss, rate, norm, time.monotonic() - began))
        stop = stopping() and step + 1 < settings.steps
        if stop or (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            save(step + 1)
        if stop:
            raise Stopped(step + 1)


def _gradients(loss_of: LossOf, order: Order, step: int, micro_batch: int) -> float:
    """Gather the gradients of a batch, a few samples at a time; returns its mean loss."""
    total = 0.0
    for part in order.share(step, micro_batch):
        # each part counts by its share, so that the split does not change the mathematics
        loss = loss_of(part.samples, part.positions) * (len(part.samples) / order.batch_size)
        loss.backward()
        total += float(loss.detach())
    return total
