"""Flow matching: how noisy a sample is, what to predict there, and how wrong a prediction is. Lipman et al., 2023; Esser et al., 2024.

σ runs from 0, data, to 1, pure noise. Every draw is a function of a seed and a path of numbers, such as the position of
the sample: there is no running generator whose state could be lost.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from scipy.special import betaincinv, expit
from torch import Tensor, nn

MOST_DRAWS = 100_000  # a range that one level in a thousand reaches is missed that often once in 10⁴³
MOST_MODE = 2 / (math.pi - 2)  # beyond it the levels of Mode fold over, and later leave [0, 1]


class NoLevel(ValueError):
    """No noise level lies in the range."""


Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True, slots=True)
class LogitNormal:
    """σ = sigmoid(mean + scale · z), z standard normal."""

    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class Uniform:
    """σ uniform in [0, 1)."""


@dataclass(frozen=True, slots=True)
class Beta:
    """σ of a beta distribution; both shapes above 0. ``Beta(1, 2)`` is 1 − √u."""

    alpha: float
    beta: float


@dataclass(frozen=True, slots=True)
class Mode:
    """σ = 1 − u − scale · (cos²(πu/2) − 1 + u), u uniform: above 0 the middle is favoured, below 0 both ends.

    Raises:
        ValueError: the scale is outside of -1 to 2/(π − 2), about 1.75, where σ falls as u rises.
    """

    scale: float

    def __post_init__(self) -> None:
        if not -1 <= self.scale <= MOST_MODE:
            raise ValueError(f"a mode has a scale from -1 to {MOST_MODE:.4f}, not {self.scale:g}")


@dataclass(frozen=True, slots=True)
class Fixed:
    """σ is one of some values in [0, 1], each equally likely."""

    values: tuple[float, ...]


Levels = LogitNormal | Uniform | Beta | Mode | Fixed


def generator(seed: int, *path: int | str) -> torch.Generator:
    """Return a CPU generator that depends on nothing but the seed and the path.

    Torch's CPU generator reads the lower 32 bits of its seed: among 10⁵ positions, one pair is likely to share a
    stream. Two samples with the same noise harm nothing.
    """
    digest = hashlib.sha256("/".join(map(str, (seed, *path))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def draw_sigma(
    levels: Levels, shift: float, rng: torch.Generator, lowest: float = 0.0, highest: float = 1.0
) -> Tensor:
    """Draw one noise level.

    What falls outside of the range is drawn again, so that inside of it the levels keep the shape of their distribution:
    one of two experts sees what a model for all levels would see there.

    Args:
        levels: their distribution before the shift.
        shift: see ``shift_sigma``.
        rng: the only source of chance; how far it moves on depends on what is drawn.
        lowest: levels below this are left out, after the shift.
        highest: levels from here on are left out, after the shift; 1 leaves none out.

    Returns:
        A scalar, float32, in [0, 1]; it is in the range before it is rounded.

    Raises:
        NoLevel: none was found in the range.
    """
    for _ in range(MOST_DRAWS):
        sigma = shift_sigma(_draw(levels, rng), shift)
        if lowest <= sigma and (sigma < highest or highest == 1):
            return torch.tensor(sigma, dtype=torch.float32)
    raise NoLevel(
        f"none of {MOST_DRAWS:,} noise levels of {levels}, shifted by {shift:g}, is {lowest:g} or more and below {highest:g}: "
        "widen the range, or take other levels or another shift"
    )


def _draw(levels: Levels, rng: torch.Generator) -> float:
    """Draw one level before the shift. In Python's numbers: a draw that is thrown away costs little, and 0.9 is not below 0.9."""
    if isinstance(levels, LogitNormal):
        z = torch.randn((), generator=rng, dtype=torch.float64).item()
        return float(expit(levels.mean + levels.scale * z))
    if isinstance(levels, Fixed):
        return levels.values[int(torch.randint(len(levels.values), (), generator=rng))]
    u = torch.rand((), generator=rng, dtype=torch.float64).item()
    if isinstance(levels, Beta):  # by its quantiles: exact, and one draw whatever the shapes
        return float(betaincinv(levels.alpha, levels.beta, u))
    if isinstance(levels, Mode):
        return 1 - u - levels.scale * (u - math.sin(math.pi * u / 2) ** 2)  # cos²(πu/2) − 1 + u
    return u


def shift_sigma(sigma: Number, shift: float) -> Number:
    """Push noise levels towards noise: s·σ / (1 + (s−1)·σ). 1 leaves them as they are; two shifts multiply."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def shift_for_size(tokens: int) -> float:
    """Return the shift for a frame of a size: the larger it is, the more noise it takes to hide what it shows.

    From e^0.5 at 256 tokens to e^1.15 at 4096, with an exponent linear between (Esser et al., 2024), and not beyond
    either: a shift that counts the frames of a video as well ends in pure noise.

    Args:
        tokens: of one latent frame of h by w latents, h/2 · w/2.
    """
    along = (min(max(tokens, 256), 4096) - 256) / (4096 - 256)
    return math.exp(0.5 + (1.15 - 0.5) * along)


def evenly_spread(count: int, shift: float, lowest: float = 0.0, highest: float = 1.0) -> Tensor:
    """Return noise levels at the middles of equal parts of a range, the parts being equal before the shift.

    They are the same for any distribution of levels, so that a loss at them can be compared.

    Returns:
        ``(count,)``, float32, rising, within ``lowest`` to ``highest``.
    """
    # the inverse of shift_sigma is the shift by the reciprocal
    first, end = (shift_sigma(bound, 1 / shift) for bound in (lowest, highest))
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return shift_sigma(first + (end - first) * middles, shift).float()


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


def squared_loss(prediction_BCFHW: Tensor, target_BCFHW: Tensor) -> Tensor:
    """Return the mean squared error of each sample, over all of its elements; ``(B,)``, float32."""
    return (prediction_BCFHW.float() - target_BCFHW.float()).square().flatten(1).mean(1)


def huber_loss(prediction_BCFHW: Tensor, target_BCFHW: Tensor, delta: float) -> Tensor:
    """Return Huber's loss of each sample, the mean over all of its elements; ``(B,)``, float32. Huber, 1964.

    An error e counts e²/2 up to ``delta``, above 0, and delta · (|e| − delta/2) beyond: outliers pull no harder than
    an error of that size. Where all errors are smaller, it is half of the squared loss.
    """
    errors_BCFHW = nn.functional.huber_loss(
        prediction_BCFHW.float(), target_BCFHW.float(), reduction="none", delta=delta
    )
    return errors_BCFHW.flatten(1).mean(1)


LOSSES: dict[str, Callable[..., Tensor]] = {"l2": squared_loss, "huber": huber_loss}


def flow_loss(prediction_BCFHW: Tensor, target_BCFHW: Tensor) -> Tensor:
    """Mean squared error in float32, over all elements of each sample and then over the samples; a scalar."""
    return squared_loss(prediction_BCFHW, target_BCFHW).mean()
