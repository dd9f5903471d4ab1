"""DINOv2, which shows a denoiser what is in a picture: its patch tokens. Oquab et al., 2023; the classes are transformers'.

The token of the whole picture comes first and is left out: it says nothing of where things are.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name in torch
from huggingface_hub.errors import StrictDataclassError
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

Pixels = NDArray[np.uint8]

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that it was trained on (ImageNet), by colour, where white is 1."""

# what comes out of transformers where a config.json says what is no DINOv2: it is looked at where it is used
STRANGE = (StrictDataclassError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)

UNUSED = {"embeddings.mask_token"}  # stands for hidden patches, which only its own training has


def build_teacher(folder: Path, *, width: int, patch: int, seed: int) -> None:
    """Write a tiny teacher with random weights to a folder; the same numbers and seed give the same bytes.

    Args:
        folder: gets ``config.json`` and ``model.safetensors``.
        width: of its features; a multiple of 16.
        patch: pixels along the side of a patch.
        seed: of the weights; torch's own generator is left as it was.
    """
    config = Dinov2Config(
        hidden_size=width, num_hidden_layers=2, num_attention_heads=width // 16, mlp_ratio=2, patch_size=patch,
        image_size=5 * patch,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        Dinov2Model(config).save_pretrained(folder)


def load_teacher(folder: Path, device: torch.device) -> Dinov2Model:
    """Return a teacher in float32, in evaluation mode, without gradients.

    Raises:
        ValueError: the folder holds no DINOv2, only a pickle of one, its file lacks weights or is damaged, or its config is
            strange. transformers would leave missing weights at their random start.
    """
    try:
        teacher, report = Dinov2Model.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"the weights of DINOv2 cannot be loaded: {reason}") from error
    except STRANGE as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(f"no DINOv2 can be made by its config.json: {reason}") from error
    if missing := sorted(set(report["missing_keys"]) - UNUSED):
        raise ValueError(f"the file of DINOv2 lacks {', '.join(missing[:3])}")
    return teacher.to(device).eval().requires_grad_(requires_grad=False)


@torch.no_grad()
def patch_tokens(teacher: Dinov2Model, frame_HWC: Pixels, image_size: int) -> Tensor:
    """Return ``token_PD``, float32, on the CPU: the teacher's patches of a frame, row by row, after its last norm.

    Args:
        teacher: as loaded.
        frame_HWC: RGB, 0 to 255, of any shape; it is squashed into a square, as the grid of its patches is one.
        image_size: side of that square in pixels; a multiple of the teacher's patch.

    Raises:
        ValueError: the size is no multiple of the patch, of which the rest would be dropped without a word.
    """
    patch = teacher.config.patch_size
    if image_size % patch:
        raise ValueError(f"{image_size} px are not a multiple of the teacher's patch of {patch} px")
    pixel_CHW = signal(frame_HWC, image_size).to(teacher.device)
    token_1LD: Tensor = teacher(pixel_values=pixel_CHW[None]).last_hidden_state
    return token_1LD[0, 1:].cpu()


def signal(frame_HWC: Pixels, image_size: int) -> Tensor:
    """Return ``pixel_CHW``, float32, on the CPU: a frame as the teacher reads it, scaled with a bicubic filter."""
    pixel_1CHW = torch.from_numpy(np.array(frame_HWC)).permute(2, 0, 1)[None].float() / 255
    square_1CHW = F.interpolate(pixel_1CHW, (image_size, image_size), mode="bicubic", antialias=True)
    mean_C11, deviation_C11 = (torch.tensor(said).view(3, 1, 1) for said in (MEAN, DEVIATION))
    # a bicubic filter overshoots at edges, where a picture would be cut off
    return (square_1CHW[0].clamp(0, 1) - mean_C11) / deviation_C11
