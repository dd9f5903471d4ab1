"""The header of a safetensors file, without torch.

Such a file is the length of its header in 8 bytes, the header as JSON padded to a multiple of 8, and the tensors. The
library writes the header's entries in another order in every process; here they are sorted, so that equal content is
equal bytes.
"""

import json
from collections.abc import Mapping

NOTES = "__metadata__"


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
