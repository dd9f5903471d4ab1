"""Load the parts of a Wan from a folder in diffusers layout.

A number format is asked for while loading and never afterwards: the classes keep their time embedder, norms and
modulation tables in float32 when loaded, and a later ``.to(bfloat16)`` would undo that and cast the RoPE tables too.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BaseImageProcessor,
    CLIPVisionModel,
    PreTrainedTokenizerBase,
    UMT5EncoderModel,
)


def load_transformer(folder: Path, dtype: torch.dtype, device: torch.device) -> WanTransformer3DModel:
    """Return the denoiser in evaluation mode; float32 where the class insists on it."""
    model: WanTransformer3DModel = WanTransformer3DModel.from_pretrained(
        folder / "transformer", torch_dtype=dtype
    )
    return model.to(device).eval()


def load_codec(folder: Path, device: torch.device) -> AutoencoderKLWan:
    """Return the video codec in float32, as its statistics were measured."""
    codec: AutoencoderKLWan = AutoencoderKLWan.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    return codec.to(device).eval()


def load_text_encoder(
    folder: Path, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedTokenizerBase, UMT5EncoderModel]:
    """Return the tokenizer and the text encoder in evaluation mode.

    Raises:
        ValueError: the file lacks weights, or the encoder reads another embedding table than the one that was loaded.
            transformers leaves such weights at their random start, and every text comes out meaningless.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    encoder, report = UMT5EncoderModel.from_pretrained(
        folder / "text_encoder", dtype=dtype, output_loading_info=True
    )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"the text encoder's file lacks {', '.join(missing[:3])}")
    if not torch.equal(encoder.encoder.embed_tokens.weight, encoder.shared.weight):
        raise ValueError(
            "this version of transformers loads UMT5 with an untied embedding table; install another"
        )
    return tokenizer, encoder.to(device).eval()


def load_image_encoder(folder: Path, device: torch.device) -> tuple[BaseImageProcessor, CLIPVisionModel]:
    """Return the processor and the encoder of pictures in float32, in evaluation mode; only Wan 2.1 I2V has them.

    Raises:
        ValueError: the file lacks weights; transformers would leave them at their random start.
    """
    processor = AutoImageProcessor.from_pretrained(folder / "image_processor")
    encoder, report = CLIPVisionModel.from_pretrained(
        folder / "image_encoder", dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"the image encoder's file lacks {', '.join(missing[:3])}")
    return processor, encoder.to(device).eval()
