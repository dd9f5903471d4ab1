"""An average of the weights over time, which is often better than the weights themselves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def decay_at(update: int, decay: float, *, warmup: bool) -> float:
    """Return the share of the average that stays at an update.

    Args:
        update: counted from 1.
        decay: the largest share, in [0, 1).
        warmup: whether the average follows faster at first: with s updates before this one it keeps at most
            (1 + s) / (10 + s) of itself, and nothing at the first, which is a copy.
    """
    if not warmup:
        return decay
    before = update - 1
    return min(decay, (1 + before) / (10 + before)) if before else 0.0


class Ema:
    """An exponential moving average of named parameters.

    It is kept in float32 whatever the parameters are: half a percent of a small difference is lost in bfloat16. It starts
    as the parameters are when it is made.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        *,
        decay: float,
        every: int,
        warmup: bool,
        device: torch.device,
    ) -> None:
        """Start an average.

        Args:
            parameters: what is averaged, by name.
            decay, warmup: see ``decay_at``.
            every: steps between two updates.
            device: where the average lies; the parameters may lie elsewhere.
        """
        self._parameters = dict(parameters)
        self._decay, self._every, self._warmup = decay, every, warmup
        self._updates = 0
        self.averages = {
            name: parameter.detach().to(device, torch.float32, copy=True)
            for name, parameter in parameters.items()
        }

    def follow(self, step: int) -> None:
        """Take in the weights after a step, if it is the turn of that step; steps count from 1."""
        if step % self._every:
            return
        self._updates += 1  # not the step: the warm-up counts what was averaged
        new = 1 - decay_at(self._updates, self._decay, warmup=self._warmup)
        for name, average in self.averages.items():
            average.lerp_(self._parameters[name].detach().to(average), new)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the parameters be their averages for a while; afterwards they are what they were, to the last bit."""
        weights = {
            name: parameter.detach().to(self.averages[name].device, copy=True)
            for name, parameter in self._parameters.items()
        }
        try:
            self._put(self.averages)
            yield
        finally:
            self._put(weights)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return a copy of the averages, float32 on the CPU, by name, and the number of updates as plain data."""
        return {name: average.cpu().clone() for name, average in self.averages.items()}, {
            "updates": self._updates
        }

    def load(self, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
        """Put back what ``state`` gave.

        Raises:
            ValueError: it is the average of other parameters, or not in float32; nothing was changed.
        """
        mine = {(name, tuple(average.shape), average.dtype) for name, average in self.averages.items()}
        saved = {(name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
        if odd := mine ^ saved:
            names = sorted({name for name, _, _ in odd})
            raise ValueError(f"the saved average is that of other parameters: {', '.join(names[:3])}")
        for name, average in self.averages.items():
            average.copy_(tensors[name])
        self._updates = rest["updates"]
