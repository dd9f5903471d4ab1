"""Tensors in a small file of their own, plain or compressed; whoever reads need not know which."""

import gzip
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load, load_file, save, save_file
from torch import Tensor


def save_tensors(folder: Path, name: str, tensors: Mapping[str, Tensor], compress: bool) -> None:
    """Write ``name.safetensors``, or with ``compress`` ``name.safetensors.gz``: slower, and smaller by a little.

    The same tensors give the same bytes.

    Args:
        folder: that of the item; it must exist.
        name: of the file, without suffixes.
        tensors: contiguous, on the CPU.
        compress: whether to pack them with gzip at its quickest level.
    """
    if compress:
        # no time in the header, so that equal tensors make equal files
        packed = gzip.compress(save(dict(tensors)), compresslevel=1, mtime=0)
        (folder / f"{name}.safetensors.gz").write_bytes(packed)
    else:
        save_file(dict(tensors), folder / f"{name}.safetensors")


def load_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    """Return what ``save_tensors`` wrote, plain or compressed, on the CPU.

    Raises:
        FileNotFoundError: the folder holds neither.
    """
    packed = folder / f"{name}.safetensors.gz"
    if packed.is_file():
        return load(gzip.decompress(packed.read_bytes()))
    return load_file(folder / f"{name}.safetensors")
