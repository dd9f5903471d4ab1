"""The linear layers of the denoiser by name, told from its numbers alone: what an adapter can be put on, and its size."""

import difflib
import re
from collections.abc import Mapping, Sequence

from engine.words.model import Transformer

PATCH = 1 * 2 * 2  # latents that one token covers


def linear_layers(numbers: Transformer) -> dict[str, tuple[int, int]]:
    """Return the width in and out of every linear layer of ``WanTransformer3DModel`` for text to video."""
    width, hidden = numbers.heads * numbers.head_width, numbers.feed_forward_width
    layers = {
        "condition_embedder.time_embedder.linear_1": (numbers.time_width, width),
        "condition_embedder.time_embedder.linear_2": (width, width),
        "condition_embedder.time_proj": (width, 6 * width),
        "condition_embedder.text_embedder.linear_1": (numbers.text_width, width),
        "condition_embedder.text_embedder.linear_2": (width, width),
        "proj_out": (width, numbers.out_channels * PATCH),
    }
    for block in range(numbers.layers):
        for attention in ("attn1", "attn2"):
            for name in ("to_q", "to_k", "to_v", "to_out.0"):
                layers[f"blocks.{block}.{attention}.{name}"] = (width, width)
        layers[f"blocks.{block}.ffn.net.0.proj"] = (width, hidden)
        layers[f"blocks.{block}.ffn.net.2"] = (hidden, width)
    return layers


def adapted(layers: Mapping[str, tuple[int, int]], targets: Sequence[str]) -> list[str]:
    """Return the layers that some pattern matches as a whole."""
    patterns = [re.compile(target) for target in targets]
    return [name for name in layers if any(pattern.fullmatch(name) for pattern in patterns)]


def without_match(layers: Mapping[str, tuple[int, int]], targets: Sequence[str]) -> dict[str, list[str]]:
    """Return the patterns that match nothing, each with names that it may have meant."""
    idle = [target for target in targets if not any(re.fullmatch(target, name) for name in layers)]
    return {
        target: difflib.get_close_matches(target.replace("\\", ""), layers, n=3, cutoff=0.3)
        or list(layers)[:3]
        for target in idle
    }
