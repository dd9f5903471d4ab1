"""Rules about clips and videos: which sizes and frame counts the model can take, and which it knows."""

from math import floor
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, each, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

WIDE = 16 / 9
EDGES = {480: (632, "832x480"), 720: (960, "1280x720")}
"""What people call a height → the edge of a square with as many pixels, and what it is the area of."""


def frames_are_whole(recipe: "Recipe", at: At) -> Findings:
    """The video codec takes step·n + offset frames and drops the rest without a word."""
    step, offset = recipe.model.frames.step, recipe.model.frames.offset
    counts = {f"{path}.frames": dataset.frames for path, dataset in each(recipe, at, "frames")}
    for path, frames in (counts | {"sample.frames": recipe.sample.frames}).items():
        below = (frames - offset) // step * step + offset
        if below != frames:
            lost = (
                f": the codec would use {below} of them and drop {frames - below} silently"
                if below > 0
                else ""
            )
            yield found(
                at, "RCP4001", path, f"`{path}` is {frames}, not {step}n+{offset}{lost}",
                f"write {_or(below, below + step)}", because="model.frames.step",
            )  # fmt: skip


def sizes_are_tiles(recipe: "Recipe", at: At) -> Findings:
    """Width and height must be whole tiles of codec and patches; a rest would be cut or fail late."""
    unit = recipe.model.size_multiple
    sides = [("sample.width", recipe.sample.width), ("sample.height", recipe.sample.height)]
    for path, dataset in each(recipe, at, "size"):
        if dataset.size.kind == "exact":
            sides += [
                (f"{path}.size.width", dataset.size.width),
                (f"{path}.size.height", dataset.size.height),
            ]
    for path, side in sides:
        if side % unit:
            below = side // unit * unit
            yield found(
                at, "RCP4002", path, f"`{path}` is {side}, not a multiple of {unit}",
                f"write {_or(below, below + unit)}", because="model.size_multiple",
            )  # fmt: skip


def area_is_not_a_height(recipe: "Recipe", at: At) -> Findings:
    """480 as an area is a square of 480 px: a wide clip comes out at 640x368, three fifths of the pixels of 832x480.

    The quickstart writes 480 with ``pixel_area`` and samples at 832x480.
    """
    unit = recipe.model.size_multiple
    for path, dataset in each(recipe, at, "size"):
        size = dataset.size
        if size.kind != "pixel_area" or size.edge not in EDGES:
            continue
        edge, name = EDGES[size.edge]
        width, height = (
            floor(side / unit + 0.5) * unit for side in (size.edge * WIDE**0.5, size.edge / WIDE**0.5)
        )
        yield found(
            at, "RCP4010", f"{path}.size.edge", f"an area of {size.edge} is {width}x{height} for a 16:9 clip, not {size.edge}p",
            f"the edge is that of a square with as many pixels: write {edge} for about those of {name}",
            severity="warning",
        )  # fmt: skip


def size_is_known(recipe: "Recipe", at: At) -> Findings:
    """Wan is right only at the sizes that it was trained at; elsewhere it may work, and often does not (quickstart)."""
    known, said = recipe.model.advice.sizes, f"{recipe.sample.width}x{recipe.sample.height}"
    if known and said not in known:
        yield found(
            at, "RCP4009", "sample.width", f"{recipe.model.name} was not trained at {said}",
            f"bad samples would not tell you that training went wrong: write {' or '.join(known)}",
            because="model.advice.sizes", severity="warning",
        )  # fmt: skip


def _or(below: int, above: int) -> str:
    """Name the nearest values that fit."""
    return " or ".join(str(value) for value in (below, above) if value > 0)
