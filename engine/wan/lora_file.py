"""What was trained, as a file that other programs read; and such a file read again.

LoRA and DoRA are written as diffusers' stock pipeline loads them. It loads no other kind: every name must have ``lora``
in it. The products of LyCORIS are written under Wan's native names, as ComfyUI loads them.

The header of a LoRA matters: where it lacks rank and alpha, a reader takes alpha = rank, and an adapter trained at
another strength comes out wrong without a word. It holds these and the layers and no more: a reader hands all of it to
its own peft, which refuses settings that it does not know.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from engine.header import with_notes
from engine.names import to_native

PREFIX, NATIVE_PREFIX = "transformer", "diffusion_model"
MAGNITUDE = "lora_magnitude_vector"


def save_lora(path: Path, state: Mapping[str, Tensor], rank: int, alpha: float) -> None:
    """Write ``transformer.<layer>.lora_A.weight`` and ``lora_B.weight``, and the header; and DoRA's lengths.

    Args:
        state: the adapter, by ``<layer>.lora_A.weight``, ``lora_B.weight`` and, of DoRA, ``lora_magnitude_vector``.
    """
    layers = sorted({name.rpartition(".lora_")[0] for name in state})
    config: dict[str, object] = {"r": rank, "lora_alpha": alpha, "target_modules": layers}
    if any(name.endswith(MAGNITUDE) for name in state):
        config["use_dora"] = True
    told = json.dumps({f"{PREFIX}.{name}": value for name, value in config.items()})
    named = {f"{PREFIX}.{name}": tensor for name, tensor in state.items()}
    header = {"format": "pt", LORA_ADAPTER_METADATA_KEY: told}
    path.write_bytes(with_notes(save(named, header), {}))


def save_lycoris(path: Path, state: Mapping[str, Tensor], alpha: float) -> None:
    """Write ``diffusion_model.<native layer>.lokr_w1`` and so on, and ``alpha`` of each layer.

    Args:
        state: the adapter, by ``<layer>.lokr_…`` or ``<layer>.hada_…``.
    """
    named = {f"{NATIVE_PREFIX}.{to_native(name)}": tensor for name, tensor in state.items()}
    layers = {name.rpartition(".")[0] for name in named}
    alphas = {f"{layer}.alpha": torch.tensor(float(alpha)) for layer in layers}
    path.write_bytes(with_notes(save(named | alphas, {"format": "pt"}), {}))


def save_transformer(folder: Path, like: Path, state: Mapping[str, Tensor]) -> None:
    """Write all weights of a denoiser as the folder ``transformer`` of a model in diffusers layout.

    Args:
        like: the folder of the denoiser that training started from; its numbers are copied.
        state: every parameter by name; they keep their number format.

    Raises:
        RuntimeError: the weights are not those of such a denoiser.
    """
    with torch.device("meta"):
        model = WanTransformer3DModel.from_config(WanTransformer3DModel.load_config(like))
    model.load_state_dict(state, assign=True)
    model.save_pretrained(folder)


def read_adapter(path: Path, sources: Mapping[str, tuple[str, float]]) -> dict[str, Tensor]:
    """Return the tensors of a file under our names, in float32.

    Args:
        sources: our name → name in the file, and what to multiply it by.
    """
    with safe_open(path, framework="pt") as file:
        return {
            ours: _plain(ours, file.get_tensor(name).float() * factor)
            for ours, (name, factor) in sources.items()
        }


def _plain(name: str, tensor: Tensor) -> Tensor:
    """DoRA's lengths are a column in some files."""
    return tensor.flatten() if name.endswith(MAGNITUDE) else tensor
