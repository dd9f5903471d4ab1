"""What a step makes small: the error of the predicted velocity, and what a recipe adds to it.

Every draw follows from a seed and the global position of a sample, so that micro-batches, devices and restarts see the
same. What is not asked for draws nothing and computes nothing: the loss without it is the same to the last bit.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from engine.training import routing
from engine.training.crepa import Crepa
from engine.training.loop import Losses
from engine.training.noise import Levels, add_noise, draw_sigma, generator, shift_for_size
from engine.training.rollout import Rollout, roll
from engine.training.walk import Checkpointing, Course, Walk

Grid = tuple[int, int, int]
"""Tokens of a clip along time, height and width."""


class Denoiser(Protocol):
    """The model that is trained, and what it is told of the samples of a batch."""

    def predict(self, noisy_BCFHW: Tensor, sigma_B: Tensor, rows: Tensor | None, walk: Walk) -> Tensor:
        """Return the velocity, ``(B, C, F, H, W)``, of some rows of the batch; of all of them where None."""

    def still(self) -> AbstractContextManager[None]:
        """Without dropout."""

    def base(self) -> AbstractContextManager[None]:
        """Without dropout and without the adapter."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples that go through the model together.

    Attributes:
        latent_BCFHW: normalised latents, float32.
        positions: their global positions.
        regularised_B: whether a sample teaches what the model without the adapter makes of it.
        feature_BTPD: what CREPA's teacher sees in their frames; None without CREPA.
    """

    latent_BCFHW: Tensor
    positions: Sequence[int]
    regularised_B: Tensor
    feature_BTPD: Tensor | None


@dataclass(frozen=True, slots=True)
class Levelled:
    """Which noise levels are learnt.

    Attributes:
        shift: the same for all clips; None makes it follow from the size of a frame.
        lowest, highest: of the levels after the shift; see ``draw_sigma``.
    """

    levels: Levels
    shift: float | None
    lowest: float
    highest: float

    def shift_for(self, grid: Grid) -> float:
        """Return the shift for a clip."""
        return shift_for_size(grid[1] * grid[2]) if self.shift is None else self.shift


@dataclass(frozen=True, slots=True)
class Objective:
    """What is learnt of a batch.

    Attributes:
        seed: of all draws.
        batch_size: samples of a whole step.
        steps: of the whole training.
        noise: which noise levels.
        loss: error of each sample, ``(B,)``; one of ``LOSSES``.
        patch: latents of a token along time, height and width.
        checkpointing, routes, rollout, crepa: see there; no routes, and None, add nothing.
    """

    seed: int
    batch_size: int
    steps: int
    noise: Levelled
    loss: Callable[[Tensor, Tensor], Tensor]
    patch: Grid
    checkpointing: Checkpointing
    routes: tuple[routing.Route, ...]
    rollout: Rollout | None
    crepa: Crepa | None

    def losses(self, batch: Batch, model: Denoiser) -> Losses:
        """Return the mean losses of a batch.

        They are ``loss``, with CREPA its parts ``flow`` and ``crepa``, and with samples that regularise ``regularised``, what
        these add to the mean: near 0 where the adapter changes little, it makes the whole look better than it is.
        """
        grid = self.grid(batch.latent_BCFHW)
        noisy_BCFHW, target_BCFHW, sigma_B = self._states(batch, model, grid)
        hidden: list[Tensor] = []
        course = self._course(batch, grid, hidden.append)
        prediction_BCFHW = model.predict(noisy_BCFHW, sigma_B, None, course)
        target_BCFHW = _as_base(batch, model, noisy_BCFHW, sigma_B, target_BCFHW)
        flow_B = self.loss(prediction_BCFHW, target_BCFHW.to(prediction_BCFHW.device))
        kept = _regularised(batch, flow_B)
        if self.crepa is None or batch.feature_BTPD is None:
            return {"loss": flow_B.mean(), **kept}
        aligned_B = self.crepa.loss(hidden[0], grid, batch.feature_BTPD.to(hidden[0].device))
        # what regularises stays as the base makes it
        aligned_B = aligned_B * ~batch.regularised_B.to(aligned_B.device)
        total_B = flow_B + self.crepa.weight_at(self._step(batch), self.steps) * aligned_B
        return {"loss": total_B.mean(), "flow": flow_B.mean(), "crepa": aligned_B.mean(), **kept}

    def grid(self, latent_BCFHW: Tensor) -> Grid:
        """Return how many tokens clips have along time, height and width."""
        frames, height, width = (
            side // of for side, of in zip(latent_BCFHW.shape[2:], self.patch, strict=True)
        )
        return frames, height, width

    def _states(self, batch: Batch, model: Denoiser, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Return noisy latents, what is to be predicted there, and the noise levels."""
        draw = partial(draw_sigma, self.noise.levels, self.noise.shift_for(grid))
        draws = [generator(self.seed, "noise", position) for position in batch.positions]
        sigma_B = torch.stack([draw(rng, self.noise.lowest, self.noise.highest) for rng in draws])
        shape = batch.latent_BCFHW.shape[1:]
        noise_BCFHW = torch.stack([torch.randn(shape, generator=rng) for rng in draws])
        if self.rollout is None:
            return *add_noise(batch.latent_BCFHW, noise_BCFHW, sigma_B), sigma_B

        def predict(noisy_RCFHW: Tensor, sigma_R: Tensor, rows: Tensor) -> Tensor:
            with model.still():
                return model.predict(noisy_RCFHW, sigma_R, rows, Course()).cpu()

        return *roll(
            self.rollout, predict, batch.latent_BCFHW, noise_BCFHW, sigma_B, batch.positions, self.seed,
            self._step(batch), self.noise.highest,
        ), sigma_B  # fmt: skip

    def _course(self, batch: Batch, grid: Grid, look: Callable[[Tensor], None]) -> Course:
        tokens = grid[0] * grid[1] * grid[2]
        detours = routing.draw(self.routes, batch.positions, self.seed, tokens)
        watch = {} if self.crepa is None else {self.crepa.block: look}
        return Course(self.checkpointing, detours, watch)

    def _step(self, batch: Batch) -> int:
        """Return the steps that were done when a batch is seen; all of its samples are of one step."""
        return batch.positions[0] // self.batch_size


def _regularised(batch: Batch, flow_B: Tensor) -> Losses:
    """Return what samples that regularise add to the mean, where there are any."""
    if not batch.regularised_B.any():
        return {}
    return {"regularised": (flow_B * batch.regularised_B.to(flow_B.device)).mean()}


def _as_base(
    batch: Batch, model: Denoiser, noisy_BCFHW: Tensor, sigma_B: Tensor, target_BCFHW: Tensor
) -> Tensor:
    """Put what the model without its adapter predicts in place of the target of samples that regularise."""
    rows = batch.regularised_B.nonzero().flatten()
    if len(rows) == 0:
        return target_BCFHW
    with torch.no_grad(), model.base():
        said_RCFHW = model.predict(noisy_BCFHW[rows], sigma_B[rows], rows, Course())
    return target_BCFHW.index_copy(0, rows, said_RCFHW.float().to(target_BCFHW.device))
