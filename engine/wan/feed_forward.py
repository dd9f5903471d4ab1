"""Feed-forward networks a part of the tokens at a time, to save memory.

Each token goes through on its own, so the result is the same, and its gradients too; unless an adapter in there drops a
part of its inputs, which draws other masks for other chunks. The largest tensors of a block are
inside of this network: five times as wide as the rest. Chunks alone would save nothing in training, because the backward
pass needs what each of them made; so each chunk is computed again there.
"""

import copy
from collections.abc import Callable

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint


def chunk_feed_forward(model: WanTransformer3DModel, chunks: int) -> None:
    """Let every block's network take its tokens in up to that many chunks, for a model that trains."""
    for block in model.blocks if chunks > 1 else ():
        block.ffn.forward = _in_chunks(copy.copy(block.ffn), chunks)


def _in_chunks(network: nn.Module, chunks: int) -> Callable[[Tensor], Tensor]:
    """Return what calls a network in chunks; what it is given shares the layers with the one in the block."""

    def in_chunks(hidden_BLD: Tensor) -> Tensor:
        parts = hidden_BLD.chunk(chunks, dim=1)
        if not torch.is_grad_enabled():
            return torch.cat([network(part_BLD) for part_BLD in parts], dim=1)
        # by then the weights may have left the device: a chunk is computed again with those that it was computed with,
        # which are arguments, as what a function brings along would be kept when its block is computed again as well
        names, weights = zip(*network.named_parameters(), strict=True)

        def again(part_BLD: Tensor, *weights: Tensor) -> Tensor:
            return functional_call(network, dict(zip(names, weights, strict=True)), part_BLD)

        return torch.cat(
            [checkpoint(again, part_BLD, *weights, use_reentrant=False) for part_BLD in parts], dim=1
        )

    return in_chunks
