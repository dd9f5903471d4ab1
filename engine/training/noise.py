"""Flow matching: how noisy a sample is, and what to predict there. Lipman et al., 2023; Esser et al., 2024.

σ runs from 0, data, to 1, pure noise. Every draw is a function of a seed and a path of numbers, such as the position of
the sample: there is no running generator whose state could be lost.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LogitNormal:
    """σ = sigmoid(mean + scale · z), z standard normal."""

    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class Uniform:
    """σ uniform in (0, 1)."""


Levels = LogitNormal | Uniform


def generator(seed: int, *path: int | str) -> torch.Generator:
    """Return a CPU generator that depends on nothing but the seed and the path.

    Torch's CPU generator reads the lower 32 bits of its seed: among 10⁵ positions, one pair is likely to share a
    stream. Two samples with the same noise harm nothing.
    """
    digest = hashlib.sha256("/".join(map(str, (seed, *path))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def draw_sigma(levels: Levels, shift: float, rng: torch.Generator) -> Tensor:
    """Draw one noise level; a scalar, float32, in (0, 1)."""
    if isinstance(levels, LogitNormal):
        sigma = torch.sigmoid(levels.mean + levels.scale * torch.randn((), generator=rng))
    else:
        sigma = torch.rand((), generator=rng)
    return shift_sigma(sigma, shift)


def shift_sigma(sigma: Tensor, shift: float) -> Tensor:
    """Push noise levels towards noise: s·σ / (1 + (s−1)·σ). 1 leaves them as they are; two shifts multiply."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def add_noise(latent_BCFHW: Tensor, noise_BCFHW: Tensor, sigma_B: Tensor) -> tuple[Tensor, Tensor]:
    """Mix data with noise and give the velocity that the model must predict.

    Args:
        latent_BCFHW: normalised latents, float32.
        noise_BCFHW: standard normal, same shape.
        sigma_B: noise levels in [0, 1], float32.

    Returns:
        ``(1−σ)·latent + σ·noise`` and the target ``noise − latent``, both ``(B, C, F, H, W)``.
    """
    sigma_B1111 = sigma_B.view(-1, 1, 1, 1, 1)
    noisy_BCFHW = (1 - sigma_B1111) * latent_BCFHW + sigma_B1111 * noise_BCFHW
    return noisy_BCFHW, noise_BCFHW - latent_BCFHW


def flow_loss(prediction_BCFHW: Tensor, target_BCFHW: Tensor) -> Tensor:
    """Mean squared error in float32, over all elements of each sample and then over the samples; a scalar."""
    return (prediction_BCFHW.float() - target_BCFHW.float()).square().flatten(1).mean(1).mean()
