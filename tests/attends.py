"""Blocks such as a denoiser has, with next to no numbers, and the ways of going through them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from engine.training.routing import Detour
from engine.training.walk import Checkpointing

EVERY_MODE = [
    Checkpointing("none"),
    Checkpointing("blocks"),
    Checkpointing("blocks", every=2),
    Checkpointing("blocks", every=3),
    Checkpointing("keep_attention"),
]


class Attends(nn.Module):
    """A block such as a denoiser has: attention, a wide network, and a place for each token."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.wide, self.narrow, self.drop = nn.Linear(8, 64), nn.Linear(64, 8), nn.Dropout(0.2)
        self.ran = 0

    def forward(self, hidden_BKD: Tensor, kept_BK: Tensor | None) -> Tensor:
        self.ran += 1
        places = (
            torch.arange(hidden_BKD.shape[1], device=hidden_BKD.device)[None] if kept_BK is None else kept_BK
        )
        query, key, value = self.mix(hidden_BKD + 0.1 * places[..., None].sin()).chunk(3, -1)
        hidden_BKD = hidden_BKD + self.out(
            scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
        )
        return hidden_BKD + self.narrow(self.drop(nn.functional.gelu(self.wide(hidden_BKD))))


def blocks_of(count: int) -> list[Attends]:
    torch.manual_seed(3)
    return [Attends() for _ in range(count)]


def tokens() -> Tensor:
    return torch.randn(2, 24, 8, generator=torch.Generator().manual_seed(0))


DETOUR = Detour(1, 3, torch.tensor([[0, 2, 3, 5, 7, 8, 20, 23], [1, 2, 3, 4, 5, 6, 7, 9]]))
