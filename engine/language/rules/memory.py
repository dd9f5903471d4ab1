"""Rules about what saves memory and time: settings that save nothing, and TREAD routes that lead nowhere or cost quality."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found
from engine.language.rules.training import tokens_of

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

ROUTES = "train.tread.routes"
FIRST_ROUTED = 2  # block
MOST_DROPPED = 0.5


def routes_lead_through(recipe: "Recipe", at: At) -> Findings:
    """A route runs forward through blocks that there are, and only one at a time."""
    if recipe.train.tread.kind == "none":
        return
    blocks, because = recipe.model.transformer.layers, "model.transformer.layers"
    whole = True
    for route in recipe.train.tread.routes:
        told = f"the route from block {route.first} to {route.last}"
        first, last = _edges(route.first, route.last, blocks)
        if not (0 <= first < blocks and 0 <= last < blocks):
            whole = False
            yield found(
                at, "RCP4050", ROUTES, f"{told} leaves the model, which has {blocks} blocks",
                f"write numbers from 0 to {blocks - 1}, or from -{blocks} to -1, which count from the end", because=because,
            )  # fmt: skip
        elif last < first:
            whole = False
            yield found(
                at, "RCP4050", ROUTES, f"{told} ends before it starts: of {blocks} blocks these are {first} and {last}",
                f"write `first: {last}` and `last: {first}`", because=because,
            )  # fmt: skip
    edges = sorted(_edges(route.first, route.last, blocks) for route in recipe.train.tread.routes)
    for (first, last), (next_first, next_last) in pairwise(edges if whole else ()):
        if next_first <= last:
            yield found(
                at, "RCP4050", ROUTES, f"two routes share blocks: {first} to {last}, and {next_first} to {next_last}",
                f"`last` is part of a route: let the second start at {last + 1} or later, or make one of them", because=because,
            )  # fmt: skip


def routes_spare_the_ends(recipe: "Recipe", at: At) -> Findings:
    """The first two blocks and the last see all tokens (quickstart; the paper routes blocks 2 to 8 of 12)."""
    if recipe.train.tread.kind == "none":
        return
    blocks = recipe.model.transformer.layers
    for route in recipe.train.tread.routes:
        first, last = _edges(route.first, route.last, blocks)
        met = [str(block) for block in (0, 1, blocks - 1) if first <= block <= last]
        if met and first >= 0 and last < blocks:  # or another rule has spoken
            yield found(
                at, "RCP4051", ROUTES, f"a route takes tokens out of block {', '.join(met)}, where the blocks are 0 to {blocks - 1}",
                "the first blocks find out what is in a clip, and the last makes the prediction, also for the tokens that were away: "
                f"let routes start at {FIRST_ROUTED} or later and end at -2 or earlier", severity="warning",
            )  # fmt: skip


def routes_keep_tokens(recipe: "Recipe", at: At) -> Findings:
    """The paper drops half; beyond it more is lost than time is saved (quickstart)."""
    if recipe.train.tread.kind == "none":
        return
    most = max(route.drop for route in recipe.train.tread.routes)
    if most > MOST_DROPPED:
        yield found(
            at, "RCP4052", ROUTES, f"a route drops {most:.0%} of the tokens",
            f"`drop` is the share that goes around, not the one that stays: write at most {MOST_DROPPED}; 0.1 is careful",
            severity="warning",
        )  # fmt: skip


def routes_take_tokens(recipe: "Recipe", at: At) -> Findings:
    """The share is rounded down to whole tokens: of a small clip it can be none."""
    if recipe.train.tread.kind == "none":
        return
    tokens, least = tokens_of(recipe), min(route.drop for route in recipe.train.tread.routes)
    if int(tokens * least) == 0:
        enough = math.ceil(100 / tokens) / 100
        way_out = (
            f"write {enough:g} or more"
            if enough <= MOST_DROPPED
            else "take larger clips, or more frames of them"
        )
        yield found(
            at, "RCP4052", ROUTES, f"a route drops {least:g} of {tokens} tokens, which is less than one: none goes around",
            f"{way_out}, or `tread: {{kind: none}}`", because="data.size", severity="warning",
        )  # fmt: skip


def offloaded_blocks_are_recomputed(recipe: "Recipe", at: At) -> Findings:
    """The backward pass of a block that is not computed again holds its weights on the device: offload saves nothing."""
    if recipe.train.offload.kind == "none":
        return
    again, because = recipe.train.gradient_checkpointing, "train.gradient_checkpointing"
    if again.kind == "none" or (again.kind == "blocks" and again.every > 1):
        yield found(
            at, "RCP4053", "train.offload.kind", "weights that leave the device are held there by the backward pass",
            "only a block that is computed again fetches its weights anew: write `train: {gradient_checkpointing: {kind: blocks, every: 1}}`, "
            "or no offload", because=f"{because}.kind" if again.kind == "none" else f"{because}.every",
        )  # fmt: skip


def trained_weights_stay(recipe: "Recipe", at: At) -> Findings:
    """Only frozen weights can wait elsewhere: what is trained has gradients and averages, and changes with every step."""
    if recipe.train.offload.kind != "none" and recipe.train.adapter.kind == "full":
        yield found(
            at, "RCP4054", "train.offload.kind", "all weights are trained, so that none can leave the device",
            "write `train: {offload: {kind: none}}`, or train an adapter", because="train.adapter.kind",
        )  # fmt: skip


def _edges(first: int, last: int, blocks: int) -> tuple[int, int]:
    """Count both from 0; what leaves the model stays outside."""
    return first + blocks if first < 0 else first, last + blocks if last < 0 else last
