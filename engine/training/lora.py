"""A low-rank adapter on a frozen model: y = Wx + (alpha/rank)·B(Ax). Hu et al., 2021; the layers are peft's.

The base never changes. A starts random, B at zero, so that the adapted model begins as the base, to the last bit.
"""

import difflib
import re
from collections.abc import Mapping, Sequence

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from torch import Tensor, nn

ADAPTER = "default"


class NoSuchLayers(Exception):
    """A pattern matches no linear layer."""


def add_lora(
    model: nn.Module, *, rank: int, alpha: float, dropout: float, targets: Sequence[str], seed: int
) -> None:
    """Freeze a model and give its matching linear layers an adapter in float32.

    Args:
        targets: regular expressions that must match the whole name of a layer.
        seed: of the adapter's first values.

    Raises:
        NoSuchLayers: a pattern matches none; the message lists near misses.
    """
    # a pattern, as peft would also take every layer whose name ends like one in a list
    exactly = "|".join(map(re.escape, matching(model, targets)))
    model.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=exactly, bias="none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, ADAPTER)
    for parameter in trainable(model):
        parameter.data = parameter.data.float()


def matching(model: nn.Module, targets: Sequence[str]) -> list[str]:
    """Return the names of the linear layers that the patterns match, sorted."""
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    found: set[str] = set()
    for pattern in targets:
        hits = [name for name in linear if re.fullmatch(pattern, name)]
        if not hits:
            near = difflib.get_close_matches(pattern.replace("\\", ""), linear, n=3, cutoff=0.3) or linear[:3]
            raise NoSuchLayers(
                f"{pattern!r} matches none of {len(linear)} linear layers, such as {', '.join(near)}"
            )
        found.update(hits)
    return sorted(found)


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the adapter's parameters, in the order of the model."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the adapter: ``<layer>.lora_A.weight`` and ``lora_B.weight``, float32, on the CPU."""
    state = get_peft_model_state_dict(model, adapter_name=ADAPTER)
    return {name: state[name].detach().float().cpu().contiguous().clone() for name in sorted(state)}


def load_adapter_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a saved adapter back.

    Raises:
        ValueError: it lacks tensors, has others, or has them in other shapes; the model was not touched.
    """
    own = get_peft_model_state_dict(model, adapter_name=ADAPTER)
    mine, saved = ({(name, tuple(value.shape)) for name, value in some.items()} for some in (own, state))
    if mine != saved:
        raise ValueError(f"the saved adapter differs from the model's: {sorted(mine ^ saved)[:3]} and so on")
    set_peft_model_state_dict(model, dict(state), adapter_name=ADAPTER)
