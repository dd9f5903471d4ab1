"""The linear layers of the denoiser by name, told from its numbers alone: what an adapter can be put on, and its size."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import regex

from engine.words.model import Transformer

PATCH = 1 * 2 * 2  # latents that one token covers
BYTES = {"fp32": 4, "bf16": 2}
FLOAT32 = 4
PATIENCE = 0.05  # seconds for one pattern and one name


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


def model_bytes(numbers: Transformer, precision: str, quantize: str) -> int:
    """Return the bytes of the denoiser's weights for text to video, as they lie in memory while an adapter is trained.

    Args:
        precision: ``fp32`` or ``bf16``; time embedder, norms and modulation tables are float32 all the same.
        quantize: ``none``, or ``int8`` or ``fp8``: one byte a weight of the linear layers inside of the blocks, and one
            number a row in the format of the model.
    """
    size, width = BYTES[precision], numbers.heads * numbers.head_width
    total = FLOAT32 * 2 * width  # the table of the head
    total += size * (numbers.in_channels * PATCH + 1) * width  # the convolution that makes tokens
    # of a block: its table and one norm in float32, and four norms of queries and keys
    total += numbers.layers * (FLOAT32 * (6 + 2) * width + size * 4 * width)
    for name, (wide_in, wide_out) in linear_layers(numbers).items():
        each = FLOAT32 if ".time_embedder." in name else size
        bias = each * wide_out
        quantised = quantize != "none" and name.startswith("blocks.")
        total += bias + (wide_in + each if quantised else each * wide_in) * wide_out
    return total


def parameters(numbers: Transformer) -> int:
    """Return how many weights the whole denoiser has, linear layers and all else."""
    width, inputs = numbers.heads * numbers.head_width, numbers.in_channels * PATCH
    linear = sum((before + 1) * behind for before, behind in linear_layers(numbers).values())
    # a block: the norms of queries and keys in both attentions, the norm between them, and the modulation
    block = 2 * 2 * width + 2 * width + 6 * width
    return linear + (inputs + 1) * width + numbers.layers * block + 2 * width  # and the modulation at the end


@dataclass(frozen=True, slots=True)
class Matched:
    """What patterns match.

    Attributes:
        names: layers that some pattern matches as a whole.
        idle: patterns that match nothing, each with names that it may have meant.
        slow: patterns that were given up: a recipe of a stranger must not be able to hold the program.
    """

    names: list[str]
    idle: dict[str, list[str]]
    slow: list[str]


def match(layers: Mapping[str, tuple[int, int]], targets: Sequence[str]) -> Matched:
    """Hold patterns against the names of layers."""
    hits, idle, slow = set[str](), dict[str, list[str]](), list[str]()
    for target in targets:
        pattern = regex.compile(target)
        try:
            found = [name for name in layers if pattern.fullmatch(name, timeout=PATIENCE)]
        except TimeoutError:
            slow.append(target)
            continue
        hits.update(found)
        if not found:
            near = difflib.get_close_matches(target.replace("\\", ""), layers, n=3, cutoff=0.3)
            idle[target] = near or list(layers)[:3]
    return Matched([name for name in layers if name in hits], idle, slow)
