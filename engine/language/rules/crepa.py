"""Rules about CREPA: what is aligned, with what, and where it is taken from."""

from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, datasets, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

PATCH = 14  # px: every DINOv2 of its authors


def hidden_tokens_have_a_block(recipe: "Recipe", at: At) -> Findings:
    """Blocks are counted from 0: the last of 30 is 29."""
    crepa, layers = recipe.train.crepa, recipe.model.transformer.layers
    if crepa.kind != "none" and crepa.block >= layers:
        yield found(
            at, "RCP4061", "train.crepa.block", f"there is no block {crepa.block} in a denoiser of {layers}",
            f"blocks are counted from 0: write at most {layers - 1}",
            because="model.transformer.layers",
        )  # fmt: skip


def teacher_sees_whole_patches(recipe: "Recipe", at: At) -> Findings:
    """The teacher cuts a picture into patches of 14 px and drops what is left over at the right and at the bottom."""
    crepa = recipe.train.crepa
    if crepa.kind == "none" or crepa.image_size % PATCH == 0:
        return
    lower = crepa.image_size // PATCH * PATCH
    yield found(
        at, "RCP4062", "train.crepa.image_size", f"{crepa.image_size} px are not a multiple of the teacher's patch, {PATCH} px",
        f"the rest would be cut off: write {lower} or {lower + PATCH}",
    )  # fmt: skip


def neighbours_are_there(recipe: "Recipe", at: At) -> Findings:
    """A frame has neighbours within its clip only: none is as far away as the clip is long."""
    crepa = recipe.train.crepa
    if crepa.kind == "none" or crepa.distance == 0:
        return
    most = max(dataset.frames for dataset in datasets(recipe).values())
    frames = (most - 1) // recipe.model.codec.time_stride + 1
    nearest = crepa.distance if crepa.neighbours == "nearest" else 1  # of `all`, those that are there count
    if nearest >= frames:
        length = "1 latent frame" if frames == 1 else f"{frames} latent frames"
        yield found(
            at, "RCP4061", "train.crepa.distance", f"in clips of {length} there is no neighbour at a distance of {crepa.distance}",
            f"frames would be aligned with their own features alone: write `distance: {min(frames - 1, 1)}`",
            because="data.frames", severity="warning",
        )  # fmt: skip


def hidden_tokens_are_whole(recipe: "Recipe", at: At) -> Findings:
    """Within a TREAD route some tokens are missing, and hidden frames are no frames there.

    They are whole before the first block of a route, and again after its last.
    """
    train, layers = recipe.train, recipe.model.transformer.layers
    if train.crepa.kind == "none" or train.tread.kind == "none":
        return
    block = train.crepa.block
    for route in train.tread.routes:
        first, last = (number + layers if number < 0 else number for number in (route.first, route.last))
        if first <= block < last:
            outside = [f"{first - 1} or below" if first > 1 else "0"] * (first > 0) + [f"{last} or above"]
            yield found(
                at, "RCP4063", "train.crepa.block", f"block {block} lies in the route of TREAD from block {first} to block {last}",
                f"some tokens are missing there: write {', or '.join(outside)}", because="train.tread.routes",
            )  # fmt: skip
