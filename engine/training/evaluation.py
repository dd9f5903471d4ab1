"""The loss on samples that nothing is learnt from, measured so that any two numbers of it can be compared.

The noise of a sample follows from its name, and its noise levels are fixed, so that between two evaluations only the
model differs. The chance in the draws, which drowns the loss of single training steps, is the same in both and cancels:
a hundred forward passes say what takes training thousands of samples to show.

Nothing of what training does beside is in it: no dropout, no routes around blocks, no alignment, no rollout.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor, nn

from engine.training.loop import NotFinite
from engine.training.noise import add_noise, generator

Predict = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
"""Velocity that the model predicts, ``(B, C, F, H, W)``, from noisy latents of that shape, float32, their noise levels
``(B,)``, float32, and the indices of the samples that they come from. Captions are always the same, such as the first."""


@dataclass(frozen=True, slots=True)
class Item:
    """A sample that the loss is measured on.

    Attributes:
        index: by which the sample is asked for.
        name: what its noise follows from; it should name the content, and so stay when other samples come and go.
        sigmas: noise levels that it is measured at, in [0, 1], at least one; each item has as many. A shift that grows
            with the size of a frame gives samples of other shapes other levels.
    """

    index: int
    name: str
    sigmas: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """The loss over the noise levels.

    Attributes:
        sigmas: noise levels, each the mean of the items'.
        losses: at each of these, the mean of the items.
    """

    sigmas: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over all levels and items."""
        return mean(self.losses)


def evaluate(
    predict: Predict,
    latent: Callable[[int], Tensor],
    items: Sequence[Item],
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    seed: int,
    step: int,
    micro_batch: int,
    stopping: Callable[[], bool],
) -> Curve | None:
    """Measure the loss with the weights that the model has at this moment.

    The model is in eval mode meanwhile, and afterwards as it was. No global generator is read or moved on. A forward
    pass holds levels of one sample, so that samples of any shapes go together, in any order.

    Args:
        latent: gives the normalised latent of a sample, ``(C, F, H, W)``, float32.
        items: at least one.
        loss: error of each sample of a batch, ``(B,)``, from prediction and target; such as one of ``LOSSES``.
        seed: another one is other noise.
        step: steps that are done, for the message if the loss is not finite.
        micro_batch: most levels in one forward pass, 1 or more; changes nothing but rounding.
        stopping: polled before each forward pass.

    Returns:
        None where it was asked to stop: half a curve cannot be compared with a whole one.

    Raises:
        NotFinite: a loss is infinite or not a number.
        ValueError: there are no items, or they have different numbers of levels.
    """
    if not items:
        raise ValueError("there is no sample to measure the loss on")
    rows: list[list[float]] = []
    with torch.no_grad(), still(model):
        for item in items:
            latent_CFHW, row = latent(item.index), list[float]()
            for first in range(0, len(item.sigmas), micro_batch):
                if stopping():
                    return None
                noisy_BCFHW, target_BCFHW, sigma_B = _drawn(item, latent_CFHW, first, micro_batch, seed)
                prediction_BCFHW = predict(noisy_BCFHW, sigma_B, [item.index] * len(sigma_B))
                row += loss(prediction_BCFHW.float(), target_BCFHW.to(prediction_BCFHW.device)).tolist()
            if not all(map(math.isfinite, row)):
                raise NotFinite(step, [item.index])
            rows.append(row)
    sigmas = zip(*(item.sigmas for item in items), strict=True)
    # this mean is exact but for the last rounding, so that the order of the items cannot matter
    return Curve(tuple(map(mean, sigmas)), tuple(map(mean, zip(*rows, strict=True))))


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, without dropout, and afterwards each of its modules into the mode that it had."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _drawn(
    item: Item, latent_CFHW: Tensor, first: int, count: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy latents, targets and noise levels of an item at ``count`` of its levels, or as many as are left."""
    sigmas = item.sigmas[first : first + count]
    draws = [generator(seed, "evaluation", item.name, first + place) for place in range(len(sigmas))]
    noise_BCFHW = torch.stack([torch.randn(latent_CFHW.shape, generator=rng) for rng in draws])
    sigma_B = torch.tensor(sigmas)
    return *add_noise(latent_CFHW.expand_as(noise_BCFHW), noise_BCFHW, sigma_B), sigma_B
