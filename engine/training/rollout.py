"""Scheduled sampling: some samples start noisier, and the model brings them to where they are learnt from.

In sampling, a model goes on from what it made itself, errors and all; in training, it sees data mixed with noise and
nothing else. A rollout shows it states of its own making. Bengio et al., 2015.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.training.noise import add_noise, generator

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]

# shares of the reach in (0, 1], from u uniform in [0, 1)
STRATEGIES: dict[str, Callable[[float], float]] = {
    "uniform": lambda u: 1 - u,  # all alike
    "near": lambda u: 1 - math.sqrt(u),  # density 2 · (1 − x), mean a third
    "far": lambda u: math.sqrt(1 - u),  # density 2 · x, mean two thirds
}


@dataclass(frozen=True, slots=True)
class Rollout:
    """Which samples are rolled out, from where, and what is learnt there.

    Attributes:
        probability: share of the samples that are rolled out from step ``ramp_steps`` on, 0 to 1.
        start_probability: that share at step 0; it goes from one to the other in equal parts.
        ramp_steps: 0 has ``probability`` from the first step on.
        reach: how much noisier a rollout may start, in σ; above 0.
        strategy: which distances in (0, reach] are drawn. ``uniform``: all alike; ``near``: with a density that falls
            evenly to 0 at the reach; ``far``: with one that rises evenly from 0.
        steps: Euler steps of a rollout, 1 or more; each is a forward pass.
        target: what is predicted after a rollout. ``drawn``: noise − data, as if nothing had happened. ``corrected``:
            (x̂ − data) / σ, which leads from the state x̂ to the data; it weighs an error of the model by distance / σ, so
            that a little noise and a long way make it large.
    """

    probability: float
    start_probability: float
    ramp_steps: int
    reach: float
    strategy: Literal["uniform", "near", "far"]
    steps: int
    target: Literal["drawn", "corrected"]


def roll(
    rollout: Rollout,
    predict: Predict,
    latent_BCFHW: Tensor,
    noise_BCFHW: Tensor,
    sigma_B: Tensor,
    positions: Sequence[int],
    seed: int,
    step: int,
    highest: float,
) -> tuple[Tensor, Tensor]:
    """Mix data with noise, as ``add_noise`` does, and let the model itself make some of these states.

    A sample that is not rolled out is what ``add_noise`` gives, to the last bit. Which samples are, and how far, follows
    from the seed, their positions and the step.

    Args:
        predict: velocity of the noisy latents ``(R, C, F, H, W)`` of some samples, given their noise levels ``(R,)``
            and their indices in the batch, int64, ``(R,)``. Called ``rollout.steps`` times without gradients, or not at
            all where no sample is rolled out. Its caller turns dropout off, and brings latents to the model's number
            format.
        latent_BCFHW: normalised latents, float32.
        noise_BCFHW: standard normal, same shape.
        sigma_B: noise levels in [0, 1] that are learnt from, float32.
        positions: global positions of the samples.
        step: optimizer steps that are done.
        highest: noise levels from here on belong to another expert, and no rollout goes there; 1 has none.

    Returns:
        States at ``sigma_B`` and their targets, both ``(B, C, F, H, W)``, float32.
    """
    noisy_BCFHW, target_BCFHW = add_noise(latent_BCFHW, noise_BCFHW, sigma_B)
    start_B = starts(rollout, sigma_B, positions, seed, step, highest)
    rows = (start_B > sigma_B).nonzero().flatten()
    if len(rows) == 0:
        return noisy_BCFHW, target_BCFHW
    start_RCFHW, _ = add_noise(latent_BCFHW[rows], noise_BCFHW[rows], start_B[rows])
    made_RCFHW = _euler(predict, start_RCFHW, start_B[rows], sigma_B[rows], rows, rollout.steps)
    noisy_BCFHW[rows] = made_RCFHW
    if rollout.target == "corrected":
        target_BCFHW[rows] = (made_RCFHW - latent_BCFHW[rows]) / sigma_B[rows].view(-1, 1, 1, 1, 1)
    return noisy_BCFHW, target_BCFHW


def share_at(rollout: Rollout, step: int) -> float:
    """Return the share of the samples that are rolled out after ``step`` optimizer steps, 0 to 1."""
    if step >= rollout.ramp_steps:
        return rollout.probability
    rise = rollout.probability - rollout.start_probability
    return rollout.start_probability + rise * step / rollout.ramp_steps


def starts(
    rollout: Rollout, sigma_B: Tensor, positions: Sequence[int], seed: int, step: int, highest: float
) -> Tensor:
    """Return the noise levels that samples start from, ``(B,)``, float32; see ``roll``.

    One that does not start above its own level is not rolled out. Samples of data alone, σ = 0, never are: from there no
    velocity leads to the data.
    """
    share = share_at(rollout, step)
    far_B = torch.zeros(len(positions))
    for place, position in enumerate(positions):
        chance, way = torch.rand(2, generator=generator(seed, "rollout", position)).tolist()
        if chance < share:
            far_B[place] = rollout.reach * STRATEGIES[rollout.strategy](way)
    # the largest float32 that is surely below the other expert's levels
    limit = 1.0 if highest == 1 else torch.nextafter(torch.tensor(highest), torch.tensor(0.0)).item()
    return (sigma_B + far_B.to(sigma_B.device) * (sigma_B > 0)).clamp(max=limit)


@torch.no_grad()
def _euler(
    predict: Predict, noisy_RCFHW: Tensor, start_R: Tensor, end_R: Tensor, rows: Tensor, steps: int
) -> Tensor:
    """Follow the model's velocity from one noise level to another in equal steps."""
    for step in range(steps):
        here_R, there_R = (torch.lerp(start_R, end_R, at / steps) for at in (step, step + 1))
        velocity_RCFHW = predict(noisy_RCFHW, here_R, rows)
        noisy_RCFHW = noisy_RCFHW + (there_R - here_R).view(-1, 1, 1, 1, 1) * velocity_RCFHW
    return noisy_RCFHW
