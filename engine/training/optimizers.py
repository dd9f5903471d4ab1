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
    """Split an optimizer's state into tensors, by ``<parameter>.<name>``, and plain data.

    Returns:
        The tensors, on the CPU, and ``{"tensors": their names, "plain": what is no tensor, by the same names}``. An
        optimizer that has not stepped has no state: only the names tell that from a state that was lost.
    """
    state = optimizer.state_dict()["state"]
    tensors, plain = dict[str, Tensor](), Plain()
    for parameter, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}.{name}"] = value.detach().cpu().contiguous().clone()
            else:
                plain[f"{parameter}.{name}"] = value
    return tensors, {"tensors": sorted(tensors), "plain": plain}


def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put back what ``flatten`` gave. Learning rate and other settings stay as the recipe says.

    Raises:
        ValueError: tensors are missing or too many, or it is the state of other parameters.
    """
    if odd := set(tensors) ^ set(rest["tensors"]):
        raise ValueError(f"the saved optimizer lacks tensors or has others: {', '.join(sorted(odd)[:3])}")
    state: dict[int, Plain] = {}
    for key, value in [*tensors.items(), *rest["plain"].items()]:
        parameter, _, name = key.partition(".")
        state.setdefault(int(parameter), {})[name] = value.clone() if isinstance(value, Tensor) else value
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if state and set(state) != set(range(len(parameters))):
        raise ValueError(
            f"the saved optimizer knows {len(state)} parameters, the model has {len(parameters)}"
        )
    for number, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameters[number].shape:
                raise ValueError(
                    f"the saved optimizer's {number}.{name} has another shape than its parameter"
                )
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
