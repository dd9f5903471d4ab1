"""What people bring from the quickstart and from other trainers, and Wan or this program does not take: and why.

These are not words, so that nothing can be set that nothing reads. But "unknown word" would not tell what is known.
"""

import re
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """Why something is not taken."""

    code: str
    message: str
    help: str


_NOTHING_DELETES = (
    "no clip is ever deleted or rewritten; `data.bad_files: skip` leaves bad ones out and lists them"
)
_OFFLOAD = (
    "the encoders are gone before the denoiser loads, so there is no whole model to move; to save memory, let the denoiser's blocks "
    "wait elsewhere: `train.offload: {kind: memory}`"
)
_MASKED = "Wan 2.1 must not be trained with it: a mask in pixels does not fit latents in which four frames are one; leave it out"
_CLIP_SCORE = "CLIP looks at single images and knows no motion: not for video models; compare samples from the same seeds"
_BOUNDARY = "only the two experts of Wan 2.2 A14B share the noise levels at a boundary; Wan 2.1 has one model for all of them"
_FOUR_BITS = (
    "Wan 2.1 is sensitive to quantisation, and 4 bits ruin it; to save memory write `train.quantize: int8`, or let blocks wait "
    "elsewhere with `train.offload: {kind: memory}`"
)
_IMAGE_TO_VIDEO = (
    "only text to video is built yet. It will want clips and no single images: an image has no later frame to learn from. "
    "A LoRA of the text model runs on the image model of the same size"
)
_SAGE = "sage attention has no backward pass, so it cannot train: write `sample.attention: sage` to sample faster with it"
_CHUNK_SIZE = (
    "a chunk size of 2 splits the batch, and a batch of 1 or 2 stays whole: it saves nothing. Here tokens are split, and the "
    "word is how many parts: `train.feed_forward_chunks: 4`"
)

NAMES: dict[str, tuple[str, str]] = {
    "masked_loss": ("RCP4201", _MASKED),
    "masked_loss_probability": ("RCP4201", _MASKED),
    "mask_path": ("RCP4201", _MASKED),
    "clip_score": ("RCP4202", _CLIP_SCORE),
    "evaluation_type": ("RCP4202", _CLIP_SCORE),
    "enable_model_cpu_offload": ("RCP4207", _OFFLOAD),
    "model_cpu_offload": ("RCP4207", _OFFLOAD),
    "enable_sequential_cpu_offload": ("RCP4207", _OFFLOAD),
    "feed_forward_chunk_size": ("RCP4016", _CHUNK_SIZE),
    "boundary": ("RCP4208", _BOUNDARY),
    "boundary_ratio": ("RCP4208", _BOUNDARY),
    "timestep_boundary": ("RCP4208", _BOUNDARY),
    "i2v": ("RCP4209", _IMAGE_TO_VIDEO),
    "is_i2v": ("RCP4209", _IMAGE_TO_VIDEO),
    "conditioning_image_embeds": ("RCP4209", _IMAGE_TO_VIDEO),
    "delete_problematic_images": ("RCP4210", _NOTHING_DELETES),
    "delete_unwanted_images": ("RCP4210", _NOTHING_DELETES),
}
"""Words by name, wherever they stand."""

VALUES = (
    ("precision|quanti[sz]|qtype", "nf4|int4|fp4|4-?bit", "RCP4203", _FOUR_BITS),
    ("attention_mechanism", "sage", "RCP4014", _SAGE),
)
"""What a name holds and what its value holds, as patterns."""


def refusals(path: str, name: str, value: Any) -> list[Refusal]:
    """Say why a word, or a value of a word, is not taken; nothing where nothing is known of it.

    Args:
        path: dotted path of the section that the word stands in.
        name: the word, known or not.
        value: what it was set to, as plain data.
    """
    where = f"{path}.{name}".strip(".")
    if name in NAMES:
        code, why = NAMES[name]
        return [Refusal(code, f"`{where}` is not taken", why)]
    return [
        Refusal(code, f"`{where}` cannot be {value}", why)
        for names, values, code, why in VALUES
        if isinstance(value, str) and re.search(names, name) and re.search(values, value, re.IGNORECASE)
    ]


def refusal(path: str, name: str, value: Any) -> Refusal | None:
    """Return the first of the reasons; None where there is none."""
    return next(iter(refusals(path, name, value)), None)
