"""Conversions of sizes, frames, clips and prompts."""

import math
import re
from typing import Any

from engine.importing.conversions import Around, Noted, NotHere, Nothing, number, shown, text, truth, whole


def frames_8n1(value: Any, *_: Any) -> Noted:
    """SimpleTuner rounds frames down to 8n+1 without being asked."""
    found = whole(value)
    kept = max(1, (found - 1) // 8 * 8 + 1)
    rate = "SimpleTuner takes them at the clip's own rate; here each clip is brought to the model's first."
    if kept == found:
        return Noted(kept, rate)
    odd = "" if (found - 1) % 4 == 0 else f"{found} is not 4n+1, which is all that the codec takes. "
    return Noted(kept, f"{odd}SimpleTuner rounds {found} down to 8n+1 = {kept} and trains those. {rate}")


def frames_4n1(value: Any, *_: Any) -> Noted:
    """Frames that the codec can take."""
    found = whole(value)
    kept = max(1, (found - 1) // 4 * 4 + 1)
    return Noted(kept, "" if kept == found else f"{found} is not 4n+1, which is all that the codec takes.")


def longest(value: Any, *_: Any) -> Noted:
    """The longest of several lengths: musubi-tuner makes a sample of each."""
    lengths = [whole(length) for length in (value if isinstance(value, list) else [value])]
    if not lengths:
        raise NotHere("no length is said")
    kept = frames_4n1(max(lengths))
    more = (
        "musubi-tuner makes a sample of each of its lengths; here a clip gives one, of the longest. "
        if len(lengths) > 1
        else ""
    )
    return Noted(kept.value, more + kept.note)


def too_short(value: Any, *_: Any) -> str:
    """SimpleTuner leaves out clips with fewer frames."""
    whole(value)
    return "drop"


def shorter(value: Any, *_: Any) -> str:
    """Of a clip that is too short for one of its lengths musubi-tuner takes the others."""
    return "fewer" if isinstance(value, list) and len(value) > 1 else "drop"


def area(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's resolution, by its type; square where clips are cropped to a square."""
    return _area(value, str(around.said("resolution_type") or "pixel_area"), around)


def area_as(value: Any, key: str, around: Around) -> Noted:
    """The same, seen from the type."""
    return _area(around.said(key), text(value), around)


def _area(value: Any, kind: str, around: Around) -> Noted:
    found = number(value)
    if kind == "area":
        edge = round(math.sqrt(found * 1e6))
        return Noted(_shape(edge, around), f"{found} megapixels are the area of a square of {edge} px.")
    if kind != "pixel_area":
        raise NotHere(
            f"resolution_type {shown(kind)} gives the shorter side; write `data.size` with a width and a height, or an area"
        )
    edge = whole(found)
    wide = {480: "832x480 would be 632", 720: "1280x720 would be 960"}
    note = f"{edge} is the area of a {edge}x{edge} square, not {edge}p: {wide.get(edge)}."
    return Noted(_shape(edge, around), note if edge in wide else "")


def _shape(edge: int, around: Around) -> dict[str, Any]:
    if around.said("crop") in (True, "true") and around.said("crop_aspect") in (None, "square"):
        side = max(16, edge // 16 * 16)
        return {"kind": "exact", "width": side, "height": side}
    return {"kind": "pixel_area", "edge": edge}


def square(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's crop, which is a square unless another shape is asked for."""
    if not truth(value):
        raise Nothing("each clip keeps its shape, scaled to cover its size")
    if around.said("crop_aspect") not in (None, "square"):
        raise Nothing("`crop_aspect` says the shape")
    made = area(around.said("resolution"), "", around)
    cut = (
        ""
        if around.said("crop_style") in ("center", "centre")
        else "SimpleTuner cuts at a random place; here around the centre."
    )
    return Noted(made.value, cut)


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


def folder(value: Any, *_: Any) -> dict[str, Any]:
    """A folder of this machine."""
    path = text(value)
    if "{" in path or "://" in path:
        raise NotHere(f"{shown(path)} is not a plain folder; write the folder")
    return {"kind": "folder", "path": path}


def hub(value: Any, *_: Any) -> Noted:
    """A dataset of the Hub."""
    return Noted(
        {"kind": "hub", "repository": text(value), "revision": "main"},
        "A branch can move: pin the commit to share the recipe.",
    )


def captions(value: Any, _: str, around: Around) -> Noted:
    """Where captions come from."""
    if value in ("instanceprompt", "instance_prompt") and around.said("instance_prompt"):
        raise Nothing("`instance_prompt` says it")
    kinds = {"textfile": "beside", "filename": "filename"}
    if (kind := kinds.get(text(value))) is None:
        raise NotHere(
            f"captions of {shown(value)} are not known here: textfile and filename are, and one for all"
        )
    lines = (
        "SimpleTuner takes one line of a text file at random; here the whole text counts."
        if kind == "beside"
        else ""
    )
    return Noted({"kind": kind}, lines)


def one_caption(value: Any, _: str, around: Around) -> dict[str, Any]:
    """One caption for all."""
    if around.said("caption_strategy") not in ("instanceprompt", "instance_prompt"):
        raise Nothing("it counts only with caption_strategy `instanceprompt`")
    return {"kind": "one", "text": text(value)}


def one_prompt(value: Any, *_: Any) -> dict[str, str]:
    """SimpleTuner's main prompt."""
    return {"validation": text(value)}


def prompts(value: Any, *_: Any) -> Noted:
    """A list of prompts, or of mappings with a prompt; each gets a name."""
    items = value if isinstance(value, list) else [value]
    texts = [text(item.get("prompt")) if isinstance(item, dict) else text(item) for item in items]
    odd = any(isinstance(item, dict) and len(item) > 1 for item in items) or any(
        " --" in said for said in texts
    )
    if odd:
        raise NotHere(
            "all prompts share one size, seed and guidance here: take the others out of the prompts"
        )
    if any("[trigger]" in said for said in texts):
        raise NotHere("write the trigger word where the prompts say [trigger]")
    return Noted({f"prompt-{number}": said for number, said in enumerate(texts, start=1)})
