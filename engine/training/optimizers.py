"""How weights are updated, and within which limits: plain tables.

An optimizer's state is saved as tensors and as plain data, so that a checkpoint never holds a pickle.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import optimi
import torch
from torch import Tensor, nn
from transformers.optimization import Adafactor

from engine.training.rounding import StochasticRounding

Plain = dict[str, Any]
Optimizer = torch.optim.Optimizer
Parameters = Sequence[nn.Parameter]


class MissingPackage(Exception):
    """An optimizer needs a package that is not installed, or a newer one; the message has the line that installs it."""


# the package of a kind, and the extra of this project that brings it; the stage that plans has the same table
PACKAGES = {
    "adamw_8bit": ("bitsandbytes", "bitsandbytes"),
    "lion_8bit": ("bitsandbytes", "bitsandbytes"),
    "prodigy": ("prodigyopt", "prodigy"),
    "schedule_free": ("schedulefree", "schedule-free"),
}


def _package(kind: str) -> ModuleType:
    """Return the package of a kind. It is loaded only where it is used: some take seconds."""
    name, extra = PACKAGES[kind]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # something that the package itself misses
            raise
        line = f"pip install 'wan-recipes[{extra}]'"
        raise MissingPackage(
            f"the optimizer `{kind}` needs {name}, which is not installed: {line}"
        ) from error


def _adamw_8bit(
    parameters: Parameters, *, lr: float, betas: Sequence[float], epsilon: float, weight_decay: float
) -> Optimizer:
    # paged: averages wait in the memory of the computer when the GPU is full; a CPU has no such pages
    return _package("adamw_8bit").optim.AdamW8bit(
        parameters, lr=lr, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay, is_paged=parameters[0].is_cuda
    )  # fmt: skip


def _lion(
    parameters: Parameters, *, lr: float, betas: Sequence[float], weight_decay: float, kahan: bool = False
) -> Optimizer:
    # told whether: left to decide by the weights' format, optimi forgets it when a state is restored
    return optimi.Lion(
        parameters, lr=lr, betas=tuple(betas), weight_decay=weight_decay, foreach=False, kahan_sum=kahan
    )


def _lion_8bit(
    parameters: Parameters, *, lr: float, betas: Sequence[float], weight_decay: float
) -> Optimizer:
    return _package("lion_8bit").optim.Lion8bit(
        parameters, lr=lr, betas=tuple(betas), weight_decay=weight_decay, is_paged=parameters[0].is_cuda
    )


def _adafactor(parameters: Parameters, *, lr: float, weight_decay: float) -> Optimizer:
    """Adafactor with steps of the learning rate's size.

    Steps in proportion to the weights, as in torch.optim.Adafactor, are a thousandth of that for a factor of an adapter
    that starts at 0: it would hardly move.
    """
    return Adafactor(
        parameters, lr=lr, weight_decay=weight_decay, scale_parameter=False, relative_step=False, warmup_init=False
    )  # fmt: skip


def _prodigy(
    parameters: Parameters, *, lr: float, betas: Sequence[float], epsilon: float, weight_decay: float
) -> Optimizer:
    """Prodigy as its authors advise for diffusion models; a warm-up does not mislead its guess of the step size."""
    optimizer = _package("prodigy").Prodigy(
        parameters, betas=tuple(betas), eps=epsilon, use_bias_correction=True, safeguard_warmup=True
    )
    for group in optimizer.param_groups:
        # said afterwards: the constructor prints when it is told of decay, and refuses a rate of 0
        group.update(lr=lr, weight_decay=weight_decay)
    return optimizer


def _schedule_free(
    parameters: Parameters, *, lr: float, betas: Sequence[float], epsilon: float, weight_decay: float
) -> Optimizer:
    optimizer = _package("schedule_free").AdamWScheduleFree(
        parameters, lr=lr, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay, foreach=False
    )
    optimizer.train()
    return optimizer


def _muon(parameters: Parameters, *, lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Muon with steps as large as AdamW's would be (Liu et al., 2025), so that the same learning rates are right."""
    if not hasattr(torch.optim, "Muon"):
        raise MissingPackage(
            f"the optimizer `muon` needs torch 2.9 or newer, this is {torch.__version__}: pip install 'torch>=2.9'"
        )
    return torch.optim.Muon(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": lambda parameters, *, lr, betas, epsilon, weight_decay: torch.optim.AdamW(
        parameters, lr=lr, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay, fused=True
    ),
    "adamw_8bit": _adamw_8bit,
    "lion": _lion,
    "lion_8bit": _lion_8bit,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "schedule_free": _schedule_free,
    "muon": _muon,
}

# for weights in bfloat16: what rounding lost is kept beside each weight, and added to its next update
KAHAN: dict[str, Callable[..., Optimizer]] = {
    "adamw": lambda parameters, *, lr, betas, epsilon, weight_decay: optimi.AdamW(
        parameters, lr=lr, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay, foreach=False, kahan_sum=True
    ),
    "lion": partial(_lion, kahan=True),
}  # fmt: skip


def make_optimizer(
    kind: str, parameters: Parameters, *, lr: float, rounding: str, seed: int, **settings: Any
) -> Optimizer:
    """Make an optimizer.

    Args:
        kind: a key of ``OPTIMIZERS``.
        parameters: what is trained: float32 with the rounding `none`, otherwise bfloat16.
        lr: learning rate; the loop sets it anew at every step.
        rounding: how small updates of bfloat16 weights survive: `kahan`, for the kinds of ``KAHAN``; `stochastic`, for
            kinds that treat each parameter by itself, which are all but `prodigy` and `schedule_free`; or `none`.
        seed: of the chance in `stochastic`.
        settings: what the kind is told beside, by the names of its constructor.

    Raises:
        MissingPackage: a package is not installed, or too old.
        KeyError: there is no such kind, or none with that rounding.
        ValueError: `muon` is given something else than matrices.
    """
    optimizer = (KAHAN if rounding == "kahan" else OPTIMIZERS)[kind](parameters, lr=lr, **settings)
    return StochasticRounding(optimizer, seed) if rounding == "stochastic" else optimizer


@contextmanager
def shown(optimizer: Optimizer) -> Iterator[None]:
    """Let the parameters be what is looked at, evaluated and exported, for a while.

    That is what is trained, but for `schedule_free`: it trains at one place and has its result, an average, at another.
    Afterwards the parameters are what they were, to the last bit.
    """
    if not hasattr(optimizer, "eval"):
        yield
        return
    weights = {
        parameter: parameter.detach().clone()
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()  # for its mode: it computes the weights back, which is not exact
        with torch.no_grad():
            for parameter, weight in weights.items():
                parameter.copy_(weight)


def _clip_value(parameters: Parameters, limit: float, norm: Tensor) -> None:  # noqa: ARG001 - one signature for the table
    nn.utils.clip_grad_value_(parameters, limit)


CLIPS: dict[str, Callable[[Parameters, float, Tensor], None]] = {
    "none": lambda parameters, limit, norm: None,
    "value": _clip_value,
    "norm": nn.utils.clip_grads_with_norm_,
}
"""Limits on gradients in place, given the largest entry or norm, and the norm that they have."""


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the L2 norm over the gradients of all parameters together, counted in float32; a scalar.

    This is what a step reports, before ``CLIPS`` change the gradients, whichever of them is set.
    """
    return torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(p.grad.float()) for p in parameters if p.grad is not None])
    )


# what optimizers keep in their group, beside the options that the recipe decides: counts, and guesses of the step size
GROUP_STATE = (
    "setup", "step",  # optimi
    "k", "d", "d_max", "d_hat", "d_numerator", "d_denom",  # Prodigy
    "weight_sum", "lr_max", "scheduled_lr", "train_mode",  # schedulefree, and k
    "rounded",  # StochasticRounding
)  # fmt: skip


def flatten(optimizer: Optimizer) -> tuple[dict[str, Tensor], Plain]:
    """Split an optimizer's state into tensors and plain data.

    Returns:
        The tensors, on the CPU, by ``<parameter>.<name>`` or ``group.<name>``, and a record for JSON: ``shapes`` of the
        parameters, ``tensors``, their names, and ``plain``, what is no tensor, by the same names. An optimizer that has not
        stepped has no tensors: only the names tell that from tensors that were lost.
    """
    group, parameters = _group(optimizer)
    kept = {f"group.{name}": group[name] for name in GROUP_STATE if name in group}
    for number, parameter in enumerate(parameters):
        for name, value in optimizer.state.get(parameter, {}).items():
            kept[f"{number}.{name}"] = value
    tensors = {
        key: value.detach().to("cpu", copy=True).contiguous()
        for key, value in kept.items()
        if isinstance(value, Tensor)
    }
    plain = {key: value for key, value in kept.items() if key not in tensors}
    return tensors, {"shapes": _shapes(parameters), "tensors": sorted(tensors), "plain": plain}


def restore(optimizer: Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put back what ``flatten`` gave. Learning rate and other settings stay as the recipe says.

    Not by ``load_state_dict``: it would round averages in float32 to the format of their weights.

    Raises:
        ValueError: tensors are missing or too many, or it is the state of other parameters; nothing was changed.
    """
    group, parameters = _group(optimizer)
    if rest["shapes"] != _shapes(parameters):
        theirs, ours = len(rest["shapes"]), len(parameters)
        raise ValueError(f"the saved optimizer is that of {theirs} other parameters; the model has {ours}")
    if odd := set(tensors) ^ set(rest["tensors"]):
        raise ValueError(f"the saved optimizer lacks tensors or has others: {', '.join(sorted(odd)[:3])}")
    optimizer.state.clear()
    for key, value in {**tensors, **rest["plain"]}.items():
        owner, _, name = key.partition(".")
        if owner == "group":
            group[name] = value.clone() if isinstance(value, Tensor) else value
        else:
            parameter = parameters[int(owner)]
            optimizer.state[parameter][name] = (
                _placed(optimizer, parameter, value) if isinstance(value, Tensor) else value
            )


def _placed(optimizer: Optimizer, parameter: nn.Parameter, value: Tensor) -> Tensor:
    """Copy a saved tensor to where the optimizer would have made it: beside its parameter, or into pages."""
    inner = getattr(optimizer, "inner", optimizer)
    if getattr(inner, "is_paged", False) and value.shape == parameter.shape:
        return inner.get_state_buffer(parameter, dtype=value.dtype).copy_(value)
    return value.to(parameter.device, copy=True)


def _group(optimizer: Optimizer) -> tuple[Plain, list[nn.Parameter]]:
    """Return the one group that every optimizer here has, and its parameters."""
    (group,) = optimizer.param_groups
    return group, group["params"]


def _shapes(parameters: Parameters) -> list[list[int]]:
    return [list(parameter.shape) for parameter in parameters]
