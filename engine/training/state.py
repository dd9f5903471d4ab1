"""Everything that a step changes, in one record: what a checkpoint must hold, and nothing beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.training.averages import Ema
from engine.training.checkpoints import Checkpoint
from engine.training.optimizers import flatten, restore


@dataclass(frozen=True, slots=True)
class Best:
    """The lowest evaluation loss so far, and the step that had it."""

    step: int
    loss: float


@dataclass(slots=True)
class State:
    """A training between two steps.

    Attributes:
        trained: what is trained, by name.
        optimizer: over these, in this order.
        ema: their average; None where none is kept.
        step: optimizer steps that are done.
        evaluated: the step of the last evaluation; -1 before the first.
        best: the best evaluation; None before the first.
    """

    trained: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    ema: Ema | None = None
    step: int = 0
    evaluated: int = -1
    best: Best | None = None

    def parts(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Return a copy of all of it for a checkpoint: tensors by part, on the CPU, and plain data."""
        tensors, rest = flatten(self.optimizer)
        trained = {name: parameter.detach().to("cpu", copy=True) for name, parameter in self.trained.items()}
        parts = {"trained": trained, "optimizer": tensors}
        record: dict[str, Any] = {"step": self.step, "evaluated": self.evaluated, "optimizer": rest}
        if self.ema is not None:
            parts["ema"], record["ema"] = self.ema.state()
        if self.best is not None:
            record["best"] = {"step": self.best.step, "loss": self.best.loss}
        return parts, record

    def put_back(self, saved: Checkpoint) -> None:
        """Take up a checkpoint.

        Raises:
            ValueError: it is that of another training: tensors are missing, too many, or of other shapes.
        """
        record, tensors = saved.record, saved.tensors("trained")
        mine = {(name, tuple(parameter.shape)) for name, parameter in self.trained.items()}
        if odd := mine ^ {(name, tuple(tensor.shape)) for name, tensor in tensors.items()}:
            raise ValueError(
                f"what it trained differs from what is trained here: {sorted(odd)[:3]} and so on"
            )
        restore(self.optimizer, saved.tensors("optimizer"), record["optimizer"])
        if self.ema is not None:
            self.ema.load(saved.tensors("ema"), record["ema"])
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(tensors[name])
        self.step, self.evaluated = record["step"], record["evaluated"]
        self.best = Best(**record["best"]) if "best" in record else None
