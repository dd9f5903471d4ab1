"""Frozen weights in 8 bits: one scale a row, one code a weight; y = (scale · code) x + b. The tensors are quanto's.

Only linear layers are quantised, and only those inside of the blocks: there are nearly all weights. Norms, tables and
what stands before and behind the blocks keep their number format.

The codes are made here, from float32, and not by quanto's ``freeze``: that divides in the number format of the model,
which for bfloat16 costs 7 % more error, and gives a row of zeros the scale 0, which in float8 makes every output NaN.
And layers compute with plain matrix products: quanto takes kernels that read beyond small weights (int8 in bfloat16 on a
CPU), or that are compiled on the spot with nvcc (float8 on a GPU).
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from optimum.quanto import QLinear, WeightQBytesTensor, qfloat8_e4m3fn, qint8, qtype
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

KINDS: dict[str, qtype] = {"int8": qint8, "fp8": qfloat8_e4m3fn}

# what is usual for weights drawn from a normal distribution is .008 and .026; rows with outliers are worse
USUAL_ERROR = {"int8": 0.02, "fp8": 0.04}

TOKENS = 16  # random inputs that the error of an output is measured with


class CannotQuantise(Exception):
    """A layer cannot be brought to 8 bits."""


class Linear8(QLinear):
    """A linear layer with a frozen weight in 8 bits; inputs must be in the number format of the scales."""

    def forward(self, input_TI: Tensor) -> Tensor:
        """Return the outputs ``(…, O)`` of inputs ``(…, I)``."""
        return _Product.apply(input_TI, self.weight, self.bias)


class _Product(torch.autograd.Function):
    """The product with a weight that is brought back to its format when it is needed, and kept in 8 bits meanwhile."""

    @staticmethod
    def forward(ctx: Any, input_TI: Tensor, weight_OI: WeightQBytesTensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight_OI)
        return nn.functional.linear(input_TI, weight_OI.dequantize(), bias_O)

    @staticmethod
    def backward(ctx: Any, up_TO: Tensor) -> tuple[Tensor, None, None]:
        (weight_OI,) = ctx.saved_tensors
        return up_TO @ weight_OI.dequantize(), None, None


@dataclass(frozen=True, slots=True)
class Quantised:
    """What became of the layers of one kind, such as ``blocks.*.attn1.to_q``.

    Attributes:
        layers: how many there are.
        bytes_before, bytes_after: of their weights, scales and biases.
        weight_error: relative RMS error of the weight, of the worst layer; 0 to 1.
        output_error: relative RMS error of the output on random inputs, of the worst layer; rounding of the model's
            number format is part of it.
        worst: name of the layer with the largest error of the output.
    """

    layers: int
    bytes_before: int
    bytes_after: int
    weight_error: float
    output_error: float
    worst: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was quantised and what was not.

    Attributes:
        kind: ``int8`` or ``fp8``.
        quantised: by kind of layer.
        kept: bytes of the parameters and buffers that were not quantised, by kind.
    """

    kind: str
    quantised: dict[str, Quantised]
    kept: dict[str, int]

    @property
    def bytes_before(self) -> int:
        """Bytes of the whole model before."""
        return sum(row.bytes_before for row in self.quantised.values()) + sum(self.kept.values())

    @property
    def bytes_after(self) -> int:
        """Bytes of the whole model after."""
        return sum(row.bytes_after for row in self.quantised.values()) + sum(self.kept.values())

    @property
    def worst(self) -> Quantised:
        """The kind of layers with the largest error of the output."""
        return max(self.quantised.values(), key=lambda row: row.output_error)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data, with the sums and the worst layer."""
        sums = {"bytes_before": self.bytes_before, "bytes_after": self.bytes_after, "worst": self.worst.worst}
        return asdict(self) | sums

    @property
    def is_usual(self) -> bool:
        """Whether every error is one that 8 bits usually make."""
        most = USUAL_ERROR[self.kind]
        return all(max(row.weight_error, row.output_error) < most for row in self.quantised.values())


def quantise(model: nn.Module, kind: str, blocks: nn.Module, on: torch.device) -> Report:
    """Bring the linear layers inside of the blocks to 8 bits, and freeze them; one after the other, in place.

    To be called after loading and before an adapter is attached. A device that is quantised on never holds more than
    one layer in full.

    Args:
        model: float32 or bfloat16.
        kind: ``int8``, or ``fp8`` (e4m3: 4 bits of exponent, 3 of mantissa).
        blocks: the part of the model whose linear layers are meant.
        on: where codes are made, and stay.

    Raises:
        CannotQuantise: a weight is not finite, there is no linear layer, or one is quantised or adapted already.
    """
    names = list(_linear_layers(model, blocks))
    if not names:
        raise CannotQuantise("there is no linear layer inside of the blocks")
    rows: dict[str, list[Quantised]] = {}
    for name in names:
        layer = model.get_submodule(name)
        quantised = _quantised(layer, KINDS[kind], on, name)
        rows.setdefault(_kind_of(name), []).append(_row(name, layer, quantised))
        model.set_submodule(name, quantised)  # and the layer in full is gone
    return Report(kind, {kind_: _together(of_kind) for kind_, of_kind in rows.items()}, _kept(model))


def move(model: nn.Module, device: torch.device) -> None:
    """Move a model that may be quantised; ``Module.to`` would let quanto repack float8 for kernels of its own."""
    for layer in [module for module in model.modules() if isinstance(module, Linear8)]:
        weight = layer.weight
        layer.weight = _plain(weight.qtype, weight._data.to(device), weight._scale.to(device))  # noqa: SLF001 - quanto shows them no other way
    model.to(device)


def _linear_layers(model: nn.Module, blocks: nn.Module) -> Iterator[str]:
    inside = set(blocks.modules())
    for name, module in model.named_modules():
        if module in inside and isinstance(module, Linear8 | BaseTunerLayer):
            raise CannotQuantise(f"{name} is quantised or has an adapter already")
        if module in inside and isinstance(module, nn.Linear):
            yield name


def _quantised(layer: nn.Linear, to: qtype, on: torch.device, name: str) -> Linear8:
    weight_OI = layer.weight.detach().to(on).float()
    largest_O1 = weight_OI.abs().amax(1, keepdim=True)
    if not largest_O1.isfinite().all():
        raise CannotQuantise(f"{name} has weights that are not finite")
    scale_O1 = (largest_O1 / to.qmax).to(layer.weight.dtype)
    # a row of zeros, or of numbers that vanish beside its format, has scale 0: any other stands for the same
    scale_O1 = torch.where(scale_O1 == 0, torch.ones_like(scale_O1), scale_O1)
    code_OI = weight_OI / scale_O1.float()
    code_OI = code_OI if to.is_floating_point else code_OI.round_()
    code_OI = code_OI.clamp_(-to.qmax, to.qmax).to(to.dtype)
    quantised = Linear8(
        layer.in_features, layer.out_features, layer.bias is not None, dtype=layer.weight.dtype, device="meta", weights=to
    )  # fmt: skip
    # scales of inputs and outputs, which stay as they are
    quantised.input_scale = quantised.output_scale = torch.ones((), dtype=layer.weight.dtype, device=on)
    quantised.weight = _plain(to, code_OI, scale_O1)
    if layer.bias is not None:
        quantised.bias = nn.Parameter(layer.bias.detach().to(on), requires_grad=False)
    return quantised


def _plain(to: qtype, code_OI: Tensor, scale_O1: Tensor) -> nn.Parameter:
    """Return a frozen weight that is scale times code, and never packed for some kernel."""
    weight_OI = WeightQBytesTensor(to, 0, code_OI.size(), code_OI.stride(), code_OI, scale_O1, None)
    return nn.Parameter(weight_OI, requires_grad=False)


@torch.no_grad()
def _row(name: str, layer: nn.Linear, quantised: Linear8) -> Quantised:
    weight_OI, device = quantised.weight.dequantize(), quantised.weight.device
    exact_OI = layer.weight.detach().to(device).float()
    rng = torch.Generator().manual_seed(0)  # the same inputs for every layer
    input_TI = torch.randn(TOKENS, layer.in_features, generator=rng).to(device, layer.weight.dtype)
    output_TO = nn.functional.linear(input_TI, weight_OI).float()
    exact_TO = input_TI.float() @ exact_OI.T
    return Quantised(
        layers=1,
        bytes_before=sum(parameter.nbytes for parameter in layer.parameters()),
        bytes_after=_bytes(quantised),
        weight_error=_error(weight_OI.float(), exact_OI),
        output_error=_error(output_TO, exact_TO),
        worst=name,
    )


def _error(found: Tensor, exact: Tensor) -> float:
    length = torch.linalg.vector_norm(exact).item()
    return torch.linalg.vector_norm(found - exact).item() / length if length else 0.0


def _bytes(layer: Linear8) -> int:
    weight = layer.weight
    bias = 0 if layer.bias is None else layer.bias.nbytes
    return weight._data.nbytes + weight._scale.nbytes + bias  # noqa: SLF001 - quanto shows them no other way


def _together(rows: Sequence[Quantised]) -> Quantised:
    return Quantised(
        layers=len(rows),
        bytes_before=sum(row.bytes_before for row in rows),
        bytes_after=sum(row.bytes_after for row in rows),
        weight_error=max(row.weight_error for row in rows),
        output_error=max(row.output_error for row in rows),
        worst=max(rows, key=lambda row: row.output_error).worst,
    )


def _kept(model: nn.Module) -> dict[str, int]:
    """Return the bytes of everything outside of quantised layers, by kind of module."""
    kept: dict[str, int] = {}
    for name, module in model.named_modules():
        if not isinstance(module, Linear8) and (
            size := _size([*module.parameters(False), *module.buffers(False)])
        ):
            kind = _kind_of(name) or "the model itself"
            kept[kind] = kept.get(kind, 0) + size
    return kept


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(math.prod(tensor.shape) * tensor.element_size() for tensor in tensors)


def _kind_of(name: str) -> str:
    """Return the name of a module with ``*`` for the number of its block."""
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name, count=1)
