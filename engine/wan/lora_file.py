"""The adapter as a file that diffusers' stock loader reads.

The header matters: where it lacks rank and alpha, a reader takes alpha = rank, and an adapter trained at another
strength comes out wrong without a word. It holds these and the layers and no more: a reader hands all of it to its own
peft, which refuses settings that it does not know.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from safetensors.torch import save
from torch import Tensor

PREFIX = "transformer"


def save_lora(
    path: Path, state: Mapping[str, Tensor], rank: int, alpha: float, notes: Mapping[str, str]
) -> None:
    """Write ``transformer.<layer>.lora_A.weight`` and ``lora_B.weight``, and the header.

    Args:
        state: the adapter, by ``<layer>.lora_A.weight``.
        notes: further header entries.
    """
    layers = sorted({name.rpartition(".lora_")[0] for name in state})
    config = {"r": rank, "lora_alpha": alpha, "target_modules": layers}
    told = json.dumps({f"{PREFIX}.{name}": value for name, value in config.items()})
    named = {f"{PREFIX}.{name}": tensor for name, tensor in state.items()}
    header = {**notes, "format": "pt", LORA_ADAPTER_METADATA_KEY: told}
    path.write_bytes(_orderly(save(named, header)))


def _orderly(content: bytes) -> bytes:
    """Sort the header of a safetensors file: the library writes its entries in another order in every process.

    The file is the length of the header in 8 bytes, the header as JSON padded to 8 bytes, then the tensors.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]
