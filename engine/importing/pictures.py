"""Conversions of sizes and shapes: of training clips, and of samples."""

import math
import re
from fractions import Fraction
from typing import Any

from engine.importing.conversions import (
    Around,
    Noted,
    NotHere,
    Nothing,
    number,
    on,
    shown,
    text,
    truth,
    whole,
)

_SIMPLE = 32  # no side of an aspect is written with a larger number below the colon


def simpletuner_size(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's resolution, by its type."""
    return _size(value, _unit(around))


def simpletuner_size_as(value: Any, key: str, around: Around) -> Noted:
    """The same, seen from the type."""
    return _size(around.said(key), text(value))


def _size(value: Any, unit: str) -> Noted:
    found = number(value)
    if unit == "area":
        return Noted({"kind": "area", "megapixels": found})
    if unit == "pixel":
        return Noted({"kind": "pixel", "edge": whole(found)})
    if unit != "pixel_area":
        raise NotHere(f"a resolution is of the type area, pixel_area or pixel, not {shown(unit)}")
    edge = whole(found)
    wide = {480: "832x480 would be 632", 720: "1280x720 would be 960"}
    note = f"{edge} is the area of a {edge}x{edge} square, not {edge}p: {wide.get(edge)}."
    return Noted({"kind": "pixel_area", "edge": edge}, note if edge in wide else "")


def _unit(around: Around) -> str:
    return str(around.said("resolution_type") or "pixel_area")


def smallest(value: Any, _: str, around: Around) -> Noted | int:
    """SimpleTuner's smallest clip: a length only where it counts in pixels, or cuts squares."""
    found, unit = number(value), _unit(around)
    if found <= 0:
        raise Nothing("clips of every size are taken, as here")
    if unit == "pixel":
        return whole(found)
    edge = whole(math.ceil(math.sqrt(found) * 1000)) if unit == "area" else whole(found)
    if on(around.said("crop")) and around.said("crop_aspect") == "square":
        return Noted(edge, "SimpleTuner holds both sides to the edge of the area where it cuts squares.")
    raise NotHere(
        f"SimpleTuner leaves out clips with fewer pixels than a square of {edge} px; `data.min_size` asks for a length of the shorter side"
    )


def downsampled(value: Any, _: str, around: Around) -> dict[str, Any]:
    """SimpleTuner's largest clip, and what a larger one is brought to before it is cut."""
    number(value)
    if not on(around.said("crop")):
        raise Nothing("every clip is scaled to the training size anyway")
    above, to = around.said("maximum_image_size"), around.said("target_downsample_size")
    if above is None or to is None:
        raise NotHere("maximum_image_size and target_downsample_size count only together")
    if _unit(around) != "pixel":
        raise NotHere("SimpleTuner counts areas here, and `data.scale` the shorter side: write it in pixels")
    if whole(to) > whole(above):
        raise NotHere(f"clips above {above} px would be made larger, to {to} px")
    return {"kind": "downsample", "above": whole(above), "to": whole(to)}


def aspect(value: Any, buckets: str, around: Around) -> Noted:
    """The shape of SimpleTuner's crops."""
    return _aspect(text(value), around.said(buckets))


def aspect_of(value: Any, shape: str, around: Around) -> Noted:
    """The same, seen from the shapes that there are."""
    kind = str(around.said(shape))
    if kind not in ("closest", "random"):
        raise Nothing(f"it counts only where `{shape}` is closest or random")
    return _aspect(kind, value)


def _aspect(kind: str, buckets: Any) -> Noted:
    if kind in ("square", "preserve"):
        return Noted({"kind": kind})
    if kind not in ("closest", "random"):
        raise NotHere(f"a shape is square, preserve, closest or random, not {shown(kind)}")
    if not isinstance(buckets, list) or not buckets:
        raise NotHere(f"{kind} needs crop_aspect_buckets, a list of aspects")
    weighed = any(isinstance(bucket, dict) for bucket in buckets)
    said = [number(bucket.get("aspect") if isinstance(bucket, dict) else bucket) for bucket in buckets]
    names = [_ratio(one) for one in said]
    near = [
        f"{one} is written as {name}" for one, name in zip(said, names, strict=True) if not _exact(one, name)
    ]
    notes = (
        f"{', '.join(near)}." if near else "",
        "Their weights are left out: all are equally likely here." if weighed else "",
    )
    return Noted({"kind": kind, "of": list(dict.fromkeys(names))}, " ".join(filter(None, notes)))


def _ratio(said: float) -> str:
    """Return the nearest ratio of small whole numbers."""
    if not 1 / _SIMPLE <= said <= _SIMPLE:
        raise NotHere(f"{said} is no aspect: that is a width, divided by its height")
    ratio = Fraction(said).limit_denominator(_SIMPLE)
    return f"{ratio.numerator}:{ratio.denominator}"


def _exact(said: float, name: str) -> bool:
    width, height = map(int, name.split(":"))
    return math.isclose(said, width / height)


def crop_style(value: Any, *_: Any) -> Noted:
    """Where SimpleTuner cuts."""
    styles = {"center": "centre", "centre": "centre", "corner": "corner", "random": "random"}
    if (style := styles.get(text(value))) is None:
        raise NotHere("no face is looked for: clips are cut at the centre, a corner, or a place by chance")
    same = "Which place follows from the clip, and stays the same in every epoch."
    return Noted(style, same if style == "random" else "")


def musubi_size(value: Any, _: str, around: Around) -> dict[str, Any]:
    """One size for all, or with buckets an area."""
    sides = [whole(side) for side in (value if isinstance(value, list) else [value, value])]
    if len(sides) != 2:
        raise NotHere(f"{shown(value)} is not a width and a height")
    if truth(around.said("enable_bucket") or False):
        return {"kind": "pixel_area", "edge": round(math.sqrt(sides[0] * sides[1]))}
    return {"kind": "exact", "width": sides[0] // 16 * 16, "height": sides[1] // 16 * 16}


def musubi_size_of(value: Any, _: str, around: Around) -> dict[str, Any]:
    """The same, seen from the switch."""
    truth(value)
    return musubi_size(around.said("resolution"), "", around)


def ai_toolkit_size(value: Any, *_: Any) -> Noted:
    """An edge, whose square is the area; of several the largest."""
    edges = [whole(edge) for edge in (value if isinstance(value, list) else [value])]
    if not edges:
        raise NotHere("no resolution is said")
    more = (
        "ai-toolkit makes a sample at each of its resolutions; here a clip has one, the largest."
        if len(edges) > 1
        else ""
    )
    return Noted({"kind": "pixel_area", "edge": max(edges)}, more)


def width(value: Any, *_: Any) -> Noted:
    """The width of SimpleTuner's validation resolution."""
    return _side(value, 0)


def height(value: Any, *_: Any) -> Noted:
    """The height of SimpleTuner's validation resolution."""
    return _side(value, 1)


def _side(value: Any, number_of: int) -> Noted:
    first, comma, _ = str(value).partition(",")
    more = "only the first of several sizes is sampled" if comma else ""
    if found := re.fullmatch(r"\s*(\d{1,6})\s*[xX]\s*(\d{1,6})\s*", first):
        return Noted(multiple_of_16(found[number_of + 1]).value, more)
    side = number(first)
    side = (
        side if side >= 128 else side * 1000 if side != 1 else 1024
    )  # SimpleTuner takes small numbers for megapixels
    return Noted(multiple_of_16(int(side)).value, more)


def multiple_of_16(value: Any, *_: Any) -> Noted:
    """A side that the model can tile."""
    found = whole(value)
    kept = found // 16 * 16
    return Noted(kept, "" if kept == found else f"{found} is not a multiple of 16.")
