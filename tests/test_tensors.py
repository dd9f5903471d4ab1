"""Tensors on disk: the same whether they are compressed or not, and written the same every time."""

import gzip
import struct
from pathlib import Path

import pytest
import torch

from engine.tensors import load_tensors, save_tensors

TENSORS = {
    "latent_CFHW": torch.randn(16, 3, 4, 6, generator=torch.Generator().manual_seed(0)),
    "half": torch.arange(24).reshape(2, 12).to(torch.bfloat16),
    "empty": torch.zeros(0, 4),
}


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, compress: bool) -> None:
    save_tensors(tmp_path, "latent", TENSORS, compress)
    loaded = load_tensors(tmp_path, "latent")
    assert loaded.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype


def test_a_compressed_file_holds_a_plain_one(tmp_path: Path) -> None:
    for compress in (False, True):
        save_tensors(tmp_path, "latent", {"grey": torch.zeros(1000)}, compress)
    plain, packed = (tmp_path / f"latent.safetensors{suffix}" for suffix in ("", ".gz"))
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert packed.stat().st_size < plain.stat().st_size / 10


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_tensors_make_the_same_bytes_at_any_time(tmp_path: Path, compress: bool) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save_tensors(tmp_path / folder, "x", TENSORS, compress)
    one, two = (next((tmp_path / folder).iterdir()).read_bytes() for folder in ("one", "two"))
    assert one == two
    if compress:
        assert struct.unpack("<I", one[4:8]) == (0,)  # the time in a gzip header


def test_tensors_that_are_not_there_are_missed_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"latent\.safetensors"):
        load_tensors(tmp_path, "latent")
