"""What the denoiser predicts, and who may lead its tokens through the blocks.

The forward pass is the stock model's. Only its loop over the blocks can be handed to someone else, who says which blocks
are computed again in the backward pass and which tokens go around some of them; what a block needs to know of the tokens
that it is given, where each lies in the clip and how noisy it is, is seen to here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

TIMES = (
    1000  # Wan's time is 1000·σ, a real number: rounding it, or casting it to bfloat16, trains other times
)

# a block, given hidden tokens (B, K, D) and which of the L tokens they are, (B, K), or None for all of them
Block = Callable[[Tensor, Tensor | None], Tensor]
Walk = Callable[[Sequence[Block], Tensor], Tensor]


def straight(blocks: Sequence[Block], hidden_BLD: Tensor) -> Tensor:
    """Lead all tokens through all blocks, as the stock model does."""
    for block in blocks:
        hidden_BLD = block(hidden_BLD, None)
    return hidden_BLD


def predict(
    transformer: WanTransformer3DModel,
    noisy_BCFHW: Tensor,
    sigma_B: Tensor,
    text_BLD: Tensor,
    walk: Walk = straight,
) -> Tensor:
    """Return the velocity ``noise − data`` that the model sees, ``(B, C, F, H, W)``.

    Args:
        noisy_BCFHW: in the model's number format.
        sigma_B: noise levels in [0, 1], float32; or one for each token, ``(B, tokens)``, for a model that takes these.
        text_BLD: padded embeddings; L is the model's full text length.
        walk: leads the hidden tokens, in the model's number format, through the blocks.

    Raises:
        ValueError: the model computes blocks again by itself; it would take the whole walk for one of them.
    """
    if transformer.gradient_checkpointing:
        raise ValueError(
            "a walk says what is computed again: call `disable_gradient_checkpointing` on the model"
        )
    with _led(transformer, walk):
        return transformer(
            hidden_states=noisy_BCFHW,
            timestep=sigma_B * TIMES,
            encoder_hidden_states=text_BLD,
            return_dict=False,
        )[0]


@contextmanager
def _led(transformer: WanTransformer3DModel, walk: Walk) -> Iterator[None]:
    """Let a walk stand where the stock forward pass looks for the blocks, and put these back, whatever happens."""
    blocks = transformer.blocks
    transformer.blocks = nn.ModuleList([_Led(list(blocks), walk)])
    try:
        yield
    finally:
        transformer.blocks = blocks


class _Led(nn.Module):
    """All blocks in the place of one. They are not registered: no name of a weight may change."""

    def __init__(self, blocks: Sequence[nn.Module], walk: Walk) -> None:
        super().__init__()
        self.each, self.walk = tuple(blocks), walk

    def forward(
        self, hidden_BLD: Tensor, text_BLD: Tensor, time: Tensor, rotary: tuple[Tensor, Tensor]
    ) -> Tensor:
        return self.walk([_alone(block, text_BLD, time, rotary) for block in self.each], hidden_BLD)


def _alone(block: nn.Module, text_BLD: Tensor, time: Tensor, rotary: tuple[Tensor, Tensor]) -> Block:
    """Return a block that needs nothing but tokens: each keeps its place in the clip and its own time, if it has one."""

    def run(hidden_BKD: Tensor, kept_BK: Tensor | None) -> Tensor:
        if kept_BK is None:
            return block(hidden_BKD, text_BLD, time, rotary)
        places = tuple(_of(part_BL1R, kept_BK) for part_BL1R in rotary)
        # (B, 6, D) is one time for all tokens, (B, L, 6, D) one for each
        return block(hidden_BKD, text_BLD, _of(time, kept_BK) if time.ndim == 4 else time, places)

    return run


def _of(some_BL__: Tensor, kept_BK: Tensor) -> Tensor:
    """Return what belongs to the kept tokens, ``(B, K, …)``; a batch of 1 counts for all samples."""
    return torch.take_along_dim(some_BL__, kept_BK[(...,) + (None,) * (some_BL__.ndim - 2)], dim=1)
