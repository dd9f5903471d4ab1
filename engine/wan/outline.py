"""A Wan in outline: its layers without weights, and a short one with random weights, to try things on.

Neither reads more of a model than ``config.json``.
"""

from pathlib import Path

import torch
from accelerate import init_empty_weights
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

DRAWN = 1_000_003  # a prime: no two rows of a matrix are alike
APART = 7919  # and neither are two matrices
SPREAD = 0.02  # of random weights; the size does not matter, only that signals neither vanish nor blow up


def outline(folder: Path) -> WanTransformer3DModel:
    """Return the denoiser that a folder's ``config.json`` describes, on the meta device: names and shapes, no numbers."""
    config = WanTransformer3DModel.load_config(folder, local_files_only=True)
    with torch.device("meta"):
        model: WanTransformer3DModel = WanTransformer3DModel.from_config(config)
    return model


def short_model(folder: Path, blocks: int, dtype: torch.dtype, seed: int) -> WanTransformer3DModel:
    """Return a denoiser of the same widths with fewer blocks and random weights, on the CPU, in evaluation mode.

    What ``from_pretrained`` keeps in float32 is float32 here as well. Two blocks of the 14B model are 0.9 billion numbers,
    so some are drawn and repeated.

    Args:
        blocks: most blocks that it has.
        dtype: of all other weights.
        seed: of the weights.
    """
    config = dict(WanTransformer3DModel.load_config(folder, local_files_only=True))
    config["num_layers"] = min(blocks, config["num_layers"])
    # the tables of RoPE are computed as ever; those of the modulation are drawn, and drawn again below
    with init_empty_weights(include_buffers=False), torch.random.fork_rng(devices=[]):
        model: WanTransformer3DModel = WanTransformer3DModel.from_config(config)
    drawn = torch.randn(DRAWN, generator=torch.Generator().manual_seed(seed)) * SPREAD
    for number, (name, empty) in enumerate(list(model.named_parameters())):
        owner, _, leaf = name.rpartition(".")
        format_ = torch.float32 if _stays_wide(model, name) else dtype
        value = _repeated(drawn.roll(APART * number).to(format_), empty.shape)
        if leaf == "weight" and value.dim() == 1:  # of a norm
            value.fill_(1)
        model.get_submodule(owner).register_parameter(leaf, nn.Parameter(value))
    return model.eval()


def _repeated(drawn: Tensor, shape: torch.Size) -> Tensor:
    size = shape.numel()
    return drawn.repeat(-(-size // len(drawn)))[:size].view(shape).clone()


def _stays_wide(model: WanTransformer3DModel, name: str) -> bool:
    return bool(set(name.split(".")) & set(model._keep_in_fp32_modules))  # noqa: SLF001 - said nowhere else
