"""The header of a safetensors file, without torch.

Such a file is the length of its header in 8 bytes, the header as JSON padded to a multiple of 8, and the tensors. The
library writes the header's entries in another order in every process; here they are sorted, so that equal content is
equal bytes.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTES = "__metadata__"
LONGEST = 100_000_000  # bytes; the library reads no longer header either
_NUMBERS = {
    "F64": "<d",
    "F32": "<f",
    "F16": "<e",
    "I64": "<q",
    "I32": "<i",
    "I16": "<h",
    "I8": "<b",
    "U8": "<B",
}


class NotSafetensors(Exception):
    """A file that is no whole safetensors file; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor of a file.

    Attributes:
        dtype: number format in the letters of safetensors, such as ``BF16``.
        start, stop: bytes of its numbers, counted from the start of the file.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself: its tensors by name, and notes."""

    tensors: Mapping[str, Entry]
    notes: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read what a file says of itself; its tensors are left alone.

    Raises:
        OSError: it cannot be opened or read.
        NotSafetensors: it is something else, or a part of one.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 0 < length <= min(size - 8, LONGEST):
            raise NotSafetensors("it does not begin like one")
        text = file.read(length)
    try:
        said = json.loads(text)
        notes = {str(name): str(value) for name, value in (said.pop(NOTES, None) or {}).items()}
        tensors = {name: _entry(entry, 8 + length) for name, entry in said.items()}
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
        raise NotSafetensors("its header is damaged") from error
    if any(not 0 <= entry.start <= entry.stop <= size for entry in tensors.values()):
        raise NotSafetensors("it is cut off: its header tells of more than it holds")
    return Header(tensors, notes)


def read_number(path: Path, entry: Entry) -> float:
    """Return the only number of a tensor.

    Raises:
        OSError: the file cannot be read.
        NotSafetensors: there is not exactly one, or it is in a format of 8 bits and fewer.
    """
    with path.open("rb") as file:
        file.seek(entry.start)
        raw = file.read(min(entry.stop - entry.start, 9))
    # bfloat16 is the upper half of float32
    kind, raw = ("F32", b"\0\0" + raw) if entry.dtype == "BF16" else (entry.dtype, raw)
    if kind not in _NUMBERS or struct.calcsize(_NUMBERS[kind]) != len(raw):
        raise NotSafetensors(f"a tensor of {entry.dtype} and shape {list(entry.shape)} is not one number")
    return float(struct.unpack(_NUMBERS[kind], raw)[0])


def _entry(said: Mapping[str, Any], after: int) -> Entry:
    start, stop = (after + int(offset) for offset in said["data_offsets"])
    return Entry(str(said["dtype"]), tuple(int(side) for side in said["shape"]), start, stop)


def read_notes(content: bytes) -> dict[str, str]:
    """Return the notes in the header of a safetensors file."""
    return dict(_header(content).get(NOTES, {}))


def with_notes(content: bytes, notes: Mapping[str, str]) -> bytes:
    """Return a safetensors file with further notes in its header, sorted; its tensors stay where they are."""
    header = _header(content)
    header[NOTES] = dict(notes) | header.get(NOTES, {})  # what the file says of itself is not replaced
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + _length(content) :]


def _length(content: bytes) -> int:
    return int.from_bytes(content[:8], "little")


def _header(content: bytes) -> dict[str, dict[str, str]]:
    header: dict[str, dict[str, str]] = json.loads(content[8 : 8 + _length(content)])
    return header
