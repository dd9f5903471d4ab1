"""What is trained: an adapter beside a frozen model, or the model itself. The layers of adapters are peft's.

With W of a linear layer, and s = alpha / rank, a real number:

- LoRA (Hu et al., 2021): W + s·BA
- DoRA (Liu et al., 2024): the rows of W + s·BA, each brought to a length that is learnt
- LoKr (LyCORIS): W + s·kron(w1, w2), w2 a product of two factors where that is smaller; s is 1 where it is not
- LoHa (FedPara, Hyeon-Woo et al., 2021): W + s·(w1_a w1_b) ⊙ (w2_a w2_b)

One factor of each starts at zero, so that the adapted model begins as the base, to the last bit.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, PeftConfig, inject_adapter_in_model
from peft.tuners.lokr.layer import LoKrLayer
from peft.tuners.lora.layer import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

ADAPTER = "default"  # peft's name for the only one


class NoSuchLayers(Exception):
    """A pattern matches no linear layer."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter.

    Attributes:
        rank: inner width, at least 1.
        alpha: strength, above 0; what is added is scaled by alpha / rank.
        dropout: share of the inputs that are dropped in training, 0 up to 1.
        targets: regular expressions that must match the whole name of a linear layer.
    """

    rank: int
    alpha: float
    dropout: float
    targets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Dora:
    """A low-rank adapter of the directions of a weight's rows, and their lengths; see ``Lora``."""

    rank: int
    alpha: float
    dropout: float
    targets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Lokr:
    """A Kronecker product; see ``Lora``.

    Attributes:
        dropout: share of the rows of what is added that are dropped in training; the others grow to make up for it.
        factor: the sides of w1, at most; -1 makes w1 and w2 as equal as they can be.
    """

    rank: int
    alpha: float
    dropout: float
    factor: int
    targets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Loha:
    """An entry-by-entry product of two low-rank matrices; see ``Lora``, and for the dropout ``Lokr``."""

    rank: int
    alpha: float
    dropout: float
    targets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Full:
    """No adapter: all weights of the model."""


Adapter = Lora | Dora | Lokr | Loha | Full


def attach(model: nn.Module, adapter: Adapter, seed: int, dtype: torch.dtype = torch.float32) -> None:
    """Freeze a model and give its matching linear layers an adapter; or, for ``Full``, unfreeze all of it.

    Args:
        seed: of the adapter's first values; the global generator is put back.
        dtype: number format of what is trained. With ``Full``, weights that are wider already stay so: the parts
            that the model keeps in float32 are not narrowed.

    Raises:
        NoSuchLayers: a pattern matches none; the message lists near misses, and the model was not touched.
    """
    if isinstance(adapter, Full):
        model.requires_grad_(True)
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, dtype))
        return
    # one pattern of whole names, as peft would also take every layer whose name ends like one in a list
    config = _config(adapter, "|".join(map(re.escape, matching(model, adapter.targets))))
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPU's as well
        inject_adapter_in_model(config, model, ADAPTER)
    for parameter in trained(model).values():
        parameter.data = parameter.data.to(dtype)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            _measure_rows(module)
        elif isinstance(module, LoKrLayer):
            _drop_idle_scale(module)


def _config(adapter: Lora | Dora | Lokr | Loha, layers: str) -> PeftConfig:
    match adapter:
        case Lora() | Dora():
            return LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout,
                              target_modules=layers, bias="none", use_dora=isinstance(adapter, Dora))  # fmt: skip
        case Lokr():
            return LoKrConfig(r=adapter.rank, alpha=adapter.alpha, rank_dropout=adapter.dropout, rank_dropout_scale=True,
                              target_modules=layers, decompose_factor=adapter.factor, init_weights="lycoris")  # fmt: skip
        case Loha():
            return LoHaConfig(
                r=adapter.rank, alpha=adapter.alpha, rank_dropout=adapter.dropout, target_modules=layers
            )


def _measure_rows(layer: LoraLayer) -> None:
    """Measure DoRA's lengths again, as the forward pass does: peft rounded them to the format of the base."""
    if ADAPTER not in layer.lora_magnitude_vector:
        return
    dora = layer.lora_magnitude_vector[ADAPTER]
    with torch.no_grad():
        # the same calls in the same formats, or step 0 would differ from the base in the last bits
        added = dora.get_lora_weight(layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]).to(dora.weight.dtype)
        base = layer.get_base_layer().weight.to(added.dtype)
        dora.weight.copy_(dora.get_weight_norm(base, added, layer.scaling[ADAPTER]))


def _drop_idle_scale(layer: LoKrLayer) -> None:
    """Set the scale to 1 where nothing has a rank: so do LyCORIS and ComfyUI, and peft does not."""
    if ADAPTER in layer.lokr_w1 and ADAPTER in layer.lokr_w2:
        layer.scaling[ADAPTER] = 1.0


def matching(model: nn.Module, targets: Sequence[str]) -> list[str]:
    """Return the names of the linear layers that the patterns match, sorted.

    Raises:
        NoSuchLayers: a pattern matches none; the message lists near misses.
    """
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


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what is trained, sorted by name; the names are those of ``adapter_state``."""
    own = {_plain(name): value for name, value in model.named_parameters() if value.requires_grad}
    return dict(sorted(own.items()))


def _plain(name: str) -> str:
    """``q.lora_A.default.weight`` → ``q.lora_A.weight``, ``q.lora_magnitude_vector.default.weight`` → without both."""
    name = re.sub(rf"\.{ADAPTER}(\.weight)?$", r"\1", name)
    return name.removesuffix(".weight") if name.endswith(".lora_magnitude_vector.weight") else name


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of what is trained: on the CPU, contiguous, in the format that it is trained in.

    The names are ``<layer>.`` and ``lora_A.weight``, ``lora_B.weight``, ``lora_magnitude_vector``, ``lokr_w1``,
    ``lokr_w2`` (or ``lokr_w2_a``, ``lokr_w2_b``), ``hada_w1_a``, ``hada_w1_b``, ``hada_w2_a``, ``hada_w2_b``; or the
    model's own.
    """
    return {
        name: parameter.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, parameter in trained(model).items()
    }


def load_adapter_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a saved adapter back, into the parameters that are there.

    Raises:
        ValueError: it lacks tensors, has others, or has them in other shapes; the model was not touched.
    """
    own = trained(model)
    mine, saved = ({(name, tuple(value.shape)) for name, value in some.items()} for some in (own, state))
    if mine != saved:
        raise ValueError(f"the saved adapter differs from the model's: {sorted(mine ^ saved)[:3]} and so on")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(state[name])


@contextmanager
def without_adapter(model: nn.Module) -> Iterator[None]:
    """Let the model compute as its base does; backward passes belong outside of the block.

    Raises:
        ValueError: the model has no adapter, so its base is gone.
    """
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    if not layers:
        raise ValueError("the model is trained itself, and has no base to go back to")
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
