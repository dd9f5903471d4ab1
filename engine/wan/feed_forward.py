"""Feed-forward networks a part of the tokens at a time, to save memory.

Each token goes through on its own, so the result is the same, and its gradients too; unless an adapter in there drops a
part of its inputs, which draws other masks for other chunks. The largest tensors of a block are
inside of this network: five times as wide as the rest. Chunks alone would save nothing in training, because the backward
pass needs what each of them made; so each chunk is computed again there.
"""

from collections.abc import Callable

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def chunk_feed_forward(model: WanTransformer3DModel, chunks: int) -> None:
    """Let every block's network take its tokens in up to that many chunks, for a model that trains."""
    for block in model.blocks if chunks > 1 else ():
        block.ffn.forward = _in_chunks(block.ffn.forward, chunks)


def _in_chunks(forward: Callable[[Tensor], Tensor], chunks: int) -> Callable[[Tensor], Tensor]:
    def in_chunks(hidden_BLD: Tensor) -> Tensor:
        parts = hidden_BLD.chunk(chunks, dim=1)
        if not torch.is_grad_enabled():
            return torch.cat([forward(part_BLD) for part_BLD in parts], dim=1)
        return torch.cat([checkpoint(forward, part_BLD, use_reentrant=False) for part_BLD in parts], dim=1)

    return in_chunks
