"""The way of the hidden tokens through the blocks: what is computed again, who goes around, and where they are looked at.

A model hands its blocks over as functions and is given back what comes out of the last one. So what saves memory or time
on the way stands here, and the model stays the stock one. Every random draw was made before: a block that is computed
again in the backward pass must meet the same tokens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
    noop_context_fn,
)

from engine.training.routing import Detour, put_back, take

# a block, given hidden tokens (B, K, D) and which of the L tokens they are, (B, K), or None for all of them
Block = Callable[[Tensor, Tensor | None], Tensor]
Walk = Callable[[Sequence[Block], Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """What the backward pass computes again instead of finding it kept.

    Attributes:
        kind: ``none``, nothing; ``blocks``, all of a block but its input; ``keep_attention``, all but the outputs of
            attention, where torch computes it: kernels of other packages are run again, which is slower and no less right.
        every: with ``blocks``, of so many blocks one is computed again, the first of them; at least 1.
    """

    kind: Literal["none", "blocks", "keep_attention"] = "none"
    every: int = 1


@dataclass(frozen=True, slots=True)
class Course:
    """A walk. As it stands here, with nothing asked for, it is one block after the other.

    Attributes:
        checkpointing: what is computed again; nothing is where there are no gradients.
        detours: stretches that some tokens go around; in order, apart from each other, and within the blocks.
        watch: block → what is shown the hidden tokens ``(B, L, D)`` behind it, with their graph, once a walk.

    Raises:
        ValueError: a block to watch lies on a detour, where some of the tokens are away.
    """

    checkpointing: Checkpointing = Checkpointing()
    detours: tuple[Detour, ...] = ()
    watch: Mapping[int, Callable[[Tensor], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for block in self.watch:
            if any(detour.first <= block < detour.last for detour in self.detours):
                raise ValueError(f"behind block {block} some tokens are away: watch where no route is open")

    def __call__(self, blocks: Sequence[Block], hidden_BLD: Tensor) -> Tensor:
        """Return the hidden tokens behind the last block, ``(B, L, D)``, in the number format that they came in."""
        number = 0
        while number < len(blocks):
            detour = next((some for some in self.detours if some.first == number), None)
            if detour is None:
                hidden_BLD = self._through(number, blocks[number], hidden_BLD, None)
            else:
                hidden_BLD = self._around(blocks, hidden_BLD, detour)
                number = detour.last
            if number in self.watch:
                self.watch[number](hidden_BLD)
            number += 1
        return hidden_BLD

    def _around(self, blocks: Sequence[Block], hidden_BLD: Tensor, detour: Detour) -> Tensor:
        kept_BK = detour.kept.to(hidden_BLD.device)
        hidden_BKD = take(hidden_BLD, kept_BK)
        for number in range(detour.first, detour.last + 1):
            hidden_BKD = self._through(number, blocks[number], hidden_BKD, kept_BK)
        return put_back(hidden_BLD, hidden_BKD, kept_BK)

    def _through(self, number: int, block: Block, hidden_BKD: Tensor, kept_BK: Tensor | None) -> Tensor:
        every = self.checkpointing.every if self.checkpointing.kind == "blocks" else 1
        if self.checkpointing.kind == "none" or number % every or not torch.is_grad_enabled():
            return block(hidden_BKD, kept_BK)
        again = _AGAIN[self.checkpointing.kind]
        return checkpoint(block, hidden_BKD, kept_BK, use_reentrant=False, context_fn=again)


# every way in which torch itself computes attention, on all devices; which of them there are depends on its version
_ATTENTION = {
    getattr(torch.ops.aten, name).default
    for name in (
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
    )
    if hasattr(torch.ops.aten, name)
}


def _keep_attention(
    _context: object, operator: object, *_given: object, **_named: object
) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operator in _ATTENTION else CheckpointPolicy.PREFER_RECOMPUTE


_AGAIN = {
    "blocks": noop_context_fn,
    "keep_attention": partial(create_selective_checkpoint_contexts, _keep_attention),
}
