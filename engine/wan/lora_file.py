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

from engine.header import with_notes

PREFIX = "transformer"


def save_lora(path: Path, state: Mapping[str, Tensor], rank: int, alpha: float) -> None:
    """Write ``transformer.<layer>.lora_A.weight`` and ``lora_B.weight``, and the header.

    Args:
        state: the adapter, by ``<layer>.lora_A.weight``.
    """
    layers = sorted({name.rpartition(".lora_")[0] for name in state})
    config = {"r": rank, "lora_alpha": alpha, "target_modules": layers}
    told = json.dumps({f"{PREFIX}.{name}": value for name, value in config.items()})
    named = {f"{PREFIX}.{name}": tensor for name, tensor in state.items()}
    header = {"format": "pt", LORA_ADAPTER_METADATA_KEY: told}
    path.write_bytes(with_notes(save(named, header), {}))
