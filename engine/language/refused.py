"""What people bring from the quickstart and from other trainers, and Wan or this program does not take: and why.

These are not words, so that nothing can be set that nothing reads. But "unknown word" would not tell what is known.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeGuard

from engine.language.nodes import KeyPath


class Refusal(NamedTuple):
    """Why something is not taken; ``below`` is where in the value of the word it stands."""

    code: str
    message: str
    help: str
    below: KeyPath = ()


_NOTHING_DELETES = (
    "no clip is ever deleted or rewritten; `data.bad_files: skip` leaves bad ones out and lists them"
)
_SWAP = (
    "parts of the model are not moved to the memory of the computer yet; memory is saved by `train.gradient_checkpointing`, "
    "a smaller `train.micro_batch` and `train.feed_forward_chunks`"
)
_OFFLOAD = (
    f"{_SWAP}. To move the whole model and to move its blocks exclude each other, wherever both are built"
)
_MASKED = "Wan 2.1 must not be trained with it: a mask in pixels does not fit latents in which four frames are one; leave it out"
_CLIP_SCORE = "CLIP looks at single images and knows no motion: not for video models; compare samples from the same seeds"
_BOUNDARY = "only the two experts of Wan 2.2 A14B share the noise levels at a boundary; Wan 2.1 has one model for all of them"
_FOUR_BITS = (
    "Wan 2.1 is sensitive to quantisation, and 4 bits ruin it; 24 GB hold it in `bf16`, so nothing needs them"
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
_TREAD = "token routing is not built yet; leave it out, all tokens go through all layers"

NAMES: dict[str, tuple[str, str]] = {
    "masked_loss": ("RCP4201", _MASKED),
    "masked_loss_probability": ("RCP4201", _MASKED),
    "mask_path": ("RCP4201", _MASKED),
    "clip_score": ("RCP4202", _CLIP_SCORE),
    "evaluation_type": ("RCP4202", _CLIP_SCORE),
    "enable_model_cpu_offload": ("RCP4207", _OFFLOAD),
    "enable_group_offload": ("RCP4207", _OFFLOAD),
    "group_offload_type": ("RCP4207", _SWAP),
    "group_offload_blocks_per_group": ("RCP4207", _SWAP),
    "group_offload_use_stream": ("RCP4207", _SWAP),
    "group_offload_to_disk_path": ("RCP4207", _SWAP),
    "blocks_to_swap": ("RCP4207", _SWAP),
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
    ("precision", "nf4|int4|fp4|4-?bit", "RCP4203", _FOUR_BITS),
    ("attention_mechanism", "sage", "RCP4014", _SAGE),
)
"""What a name holds and what its value holds, as patterns."""

TREAD_NAMES = ("tread", "tread_config")
TREAD_FIRST, TREAD_LAST, TREAD_MOST = 2, -1, 0.5
TREAD_LAYERS = 30  # of Wan 2.1 1.3B, so that a route to layer 29 is seen to reach the last

_ROUTE: tuple[tuple[str, str, Callable[[float], bool], str, str], ...] = (
    ("start_layer_idx", "RCP4204", lambda layer: 0 <= layer < TREAD_FIRST, "starts at",
     "layers 0 and 1 need all tokens: start at 2"),
    ("end_layer_idx", "RCP4204", lambda layer: layer == TREAD_LAST or layer >= TREAD_LAYERS - 1, "ends at",
     "the last layer needs all tokens: end at -2"),
    ("selection_ratio", "RCP4205", lambda share: share > TREAD_MOST, "drops",
     "0.5 is already much for Wan 2.1, 0.1 to 0.3 keep the quality"),
)  # fmt: skip
"""Key of a route → what is wrong with which values of it, and why."""


def refusals(path: str, name: str, value: Any) -> list[Refusal]:
    """Say why a word, or a value of a word, is not taken; nothing where nothing is known of it.

    Args:
        path: dotted path of the section that the word stands in.
        name: the word, known or not.
        value: what it was set to, as plain data.
    """
    where = f"{path}.{name}".strip(".")
    if name in TREAD_NAMES:
        return list(_routes(where, value)) or [Refusal("RCP4206", f"`{where}` is not taken", _TREAD)]
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


def _routes(where: str, tread: Any) -> Iterator[Refusal]:
    """Look at routes as SimpleTuner writes them; a ratio there is the share of tokens that is dropped."""
    routes = tread.get("routes") if isinstance(tread, dict) else None
    for number, route in enumerate(routes if isinstance(routes, list) else ()):
        if not isinstance(route, dict):
            continue
        told = f"route {number + 1} of `{where}`"
        for key, code, wrong, does, why in _ROUTE:
            if _number(said := route.get(key)) and wrong(said):
                shown = f"{said:.0%} of the tokens" if key == "selection_ratio" else f"layer {said}"
                yield Refusal(code, f"{told} {does} {shown}", f"{why}; and {_TREAD}", ("routes", number, key))


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
