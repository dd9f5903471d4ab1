"""Routes that a share of the tokens goes around, in training only, to save time. TREAD, Krause et al., 2025.

Before the first block of a route some tokens are taken out; behind its last one they come back as they were, and the rest
as the blocks made them. Which ones is drawn for each sample by its position, so that it does not matter in which
micro-batch or on which device it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engine.training.noise import generator


class NoSuchRoute(ValueError):
    """A route leaves the model, runs backwards, or meets another."""


@dataclass(frozen=True, slots=True)
class Route:
    """A stretch of blocks that some tokens go around.

    Attributes:
        first: block before which they leave, counted from 0; negative numbers count from the end.
        last: block behind which they come back; it is part of the route.
        drop: share of the tokens that goes around; in (0, 1).
    """

    first: int
    last: int
    drop: float


@dataclass(frozen=True, slots=True)
class Detour:
    """A route on which it is drawn who goes through it.

    Attributes:
        first, last: as in a resolved route, from 0 on.
        kept: numbers of the tokens that take the blocks, ``(B, K)``, int64, ascending in each sample.
    """

    first: int
    last: int
    kept: Tensor


def resolve(routes: Sequence[Route], blocks: int) -> tuple[Route, ...]:
    """Return the routes counted from 0 and in order.

    Raises:
        NoSuchRoute: one ends before it starts, leaves the model, or shares a block with another.
    """
    found: list[Route] = []
    for route in routes:
        first, last = (edge + blocks if edge < 0 else edge for edge in (route.first, route.last))
        told = f"the route from block {route.first} to {route.last}"
        if not (0 <= first < blocks and 0 <= last < blocks):
            raise NoSuchRoute(f"{told} leaves the model, whose blocks are 0 to {blocks - 1}")
        if last < first:
            raise NoSuchRoute(f"{told} ends before it starts, in a model of {blocks} blocks")
        found.append(Route(first, last, route.drop))
    found.sort(key=lambda route: route.first)
    for one, other in pairwise(found):
        if other.first <= one.last:
            raise NoSuchRoute(
                f"the routes {one.first} to {one.last} and {other.first} to {other.last} share blocks"
            )
    return tuple(found)


def keep_count(tokens: int, drop: float) -> int:
    """Return how many of the tokens go through a route: all but the whole part of the share; at least 1."""
    return max(1, tokens - int(tokens * drop))


def draw(
    routes: Sequence[Route],
    positions: Sequence[int],
    seed: int,
    tokens: int,
    forced: Sequence[Tensor] | None = None,
) -> tuple[Detour, ...]:
    """Draw who goes through each route, all alike and none twice.

    Args:
        routes: resolved ones.
        positions: global positions of the B samples; with the seed and the route's number they decide everything.
        tokens: of each sample.
        forced: for each sample the numbers of tokens that may not go around. Where one has more than a route takes, the
            route takes that many of every sample of the batch: with such samples it does matter who is in a batch.
    """
    forced = forced or [torch.empty(0, dtype=torch.int64)] * len(positions)
    most = max((len(numbers) for numbers in forced), default=0)
    return tuple(
        Detour(route.first, route.last, torch.stack([
            _kept(generator(seed, "tread", number, position), tokens, always, max(keep_count(tokens, route.drop), most))
            for position, always in zip(positions, forced, strict=True)
        ]))
        for number, route in enumerate(routes)
    )  # fmt: skip


def _kept(rng: torch.Generator, tokens: int, always: Tensor, count: int) -> Tensor:
    mixed = torch.randperm(tokens, generator=rng)
    rest = mixed[~torch.isin(mixed, always)]
    return torch.cat([always, rest])[:count].sort().values


def take(hidden_BLD: Tensor, kept_BK: Tensor) -> Tensor:
    """Return the kept tokens, ``(B, K, D)``."""
    return torch.take_along_dim(hidden_BLD, kept_BK[..., None], dim=1)


def put_back(hidden_BLD: Tensor, routed_BKD: Tensor, kept_BK: Tensor) -> Tensor:
    """Return all tokens, ``(B, L, D)``: the kept ones as they were routed, the others as they were."""
    return hidden_BLD.scatter(1, kept_BK[..., None].expand_as(routed_BKD), routed_BKD)
