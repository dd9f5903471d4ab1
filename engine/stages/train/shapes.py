"""The tensors of an adapter by name, told from numbers alone: what training will learn, and what a file must hold."""

from collections.abc import Iterator, Mapping
from math import isqrt

from engine.words.adapter import Dora, Full, Loha, Lokr, Lora

Shape = tuple[int, ...]


def adapter_shapes(
    adapter: Lora | Dora | Lokr | Loha | Full, layers: Mapping[str, tuple[int, int]]
) -> dict[str, dict[str, Shape]]:
    """Return the shape of every tensor of an adapter: layer → factor → shape; nothing for ``full``.

    Joined by a dot, layer and factor are the tensor's name in a saved adapter.

    Args:
        layers: widths in and out of the layers that the adapter is on.
    """
    if isinstance(adapter, Full):
        return {}
    return {layer: dict(_factors(adapter, *widths)) for layer, widths in layers.items()}


def _factors(
    adapter: Lora | Dora | Lokr | Loha, width_in: int, width_out: int
) -> Iterator[tuple[str, Shape]]:
    rank = adapter.rank
    if isinstance(adapter, Lokr):
        (in_outer, in_inner), (out_outer, out_inner) = (
            parted(width, adapter.factor) for width in (width_in, width_out)
        )
        yield "lokr_w1", (out_outer, in_outer)
        if rank >= max(in_inner, out_inner) / 2:  # two factors would be no smaller than their product
            yield "lokr_w2", (out_inner, in_inner)
        else:
            yield "lokr_w2_a", (out_inner, rank)
            yield "lokr_w2_b", (rank, in_inner)
    elif isinstance(adapter, Loha):
        for which in ("w1", "w2"):
            yield f"hada_{which}_a", (width_out, rank)
            yield f"hada_{which}_b", (rank, width_in)
    else:
        yield "lora_A.weight", (rank, width_in)
        yield "lora_B.weight", (width_out, rank)
        if isinstance(adapter, Dora):
            yield "lora_magnitude_vector", (width_out,)


def parted(width: int, factor: int) -> tuple[int, int]:
    """Part a width into two whole numbers: their product.

    Args:
        factor: the first of them where it divides the width; else the largest that does, up to this one and to the root
            of the width; -1 for the pair closest to the root.
    """
    if factor > 0 and width % factor == 0:
        return factor, width // factor
    most = width if factor == -1 else factor
    first = max((one for one in range(1, isqrt(width) + 1) if width % one == 0 and one <= most), default=1)
    return first, width // first
