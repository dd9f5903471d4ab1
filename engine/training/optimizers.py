"""How weights are updated, how fast, and within which limits: plain tables.

An optimizer's state is saved as tensors and as plain data, so that a checkpoint never holds a pickle.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optimi
import torch
from torch import Tensor, nn

Plain = dict[str, Any]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": lambda parameters, *, lr, betas, epsilon, weight_decay: torch.optim.AdamW(
        parameters, lr=lr, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay
    ),
    "lion": lambda parameters, *, lr, betas, weight_decay: optimi.Lion(
        parameters, lr=lr, betas=tuple(betas), weight_decay=weight_decay, decouple_lr=False, foreach=False
    ),
}


def _constant(step: int, steps: int, warmup: int) -> float:  # noqa: ARG001 - one signature for the table
    return 1.0


def _cosine(step: int, steps: int, warmup: int) -> float:
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


SCHEDULES: dict[str, Callable[[int, int, int], float]] = {"constant": _constant, "cosine": _cosine}


def rate_factor(schedule: str, step: int, steps: int, warmup: int) -> float:
    """Return the factor on the learning rate at a step, counted from 0.

    It rises in equal parts from ``1 / warmup`` at step 0 to 1 at step ``warmup - 1``; then the schedule takes over.
    """
    return (step + 1) / warmup if step < warmup else SCHEDULES[schedule](step, steps, warmup)


def _clip_value(parameters: Sequence[nn.Parameter], limit: float) -> None:
    nn.utils.clip_grad_value_(parameters, limit)


def _clip_norm(parameters: Sequence[nn.Parameter], limit: float) -> None:
    nn.utils.clip_grad_norm_(parameters, limit)


CLIPS: dict[str, Callable[[Sequence[nn.Parameter], float], None]] = {
    "none": lambda parameters, limit: None,
    "value": _clip_value,
    "norm": _clip_norm,
}


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the norm over all gradients; a scalar, float32."""
    return torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(p.grad.float()) for p in parameters if p.grad is not None])
    )


def flatten(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], Plain]:
    """Split an optimizer's state into tensors, by ``<parameter>.<name>``, and plain data."""
    state = optimizer.state_dict()["state"]
    tensors, rest = dict[str, Tensor](), Plain()
    for parameter, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}.{name}"] = value.detach().cpu().contiguous().clone()
            else:
                rest[f"{parameter}.{name}"] = value
    return tensors, rest


def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put a saved state back. Learning rate and other settings stay as the recipe says.

    Raises:
        ValueError: it is the state of other parameters.
    """
    state: dict[int, Plain] = {}
    for key, value in [*tensors.items(), *rest.items()]:
        parameter, _, name = key.partition(".")
        state.setdefault(int(parameter), {})[name] = value.clone() if isinstance(value, Tensor) else value
    whole = optimizer.state_dict()
    count = sum(len(group["params"]) for group in whole["param_groups"])
    if state and set(state) != set(range(count)):
        raise ValueError(f"the saved optimizer knows {len(state)} parameters, the model has {count}")
    optimizer.load_state_dict(whole | {"state": state})
