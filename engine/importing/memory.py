"""Conversions of what saves memory: blocks that are computed again, wait elsewhere, or are kept in 8 bits."""

from typing import Any

from engine.importing.conversions import Around, Noted, NotHere, Nothing, on, shown, text, truth, whole

_ALL_WAIT = "All blocks wait in the memory of the computer here, and come one ahead of where they are needed."
_EIGHT_BITS = {"qfloat8": "fp8", "float8": "fp8", "fp8": "fp8", "qint8": "int8", "int8": "int8"}


def checkpointing(value: Any, interval: str, around: Around) -> dict[str, Any]:
    """Whether blocks are computed again, and how many of them."""
    if not truth(value):
        return {"kind": "none"}
    return {"kind": "blocks", "every": whole(around.said(interval) or 1) if interval else 1}


def checkpointing_of(value: Any, switch: str, around: Around) -> dict[str, Any]:
    """The same, seen from how many."""
    return {"kind": "blocks", "every": whole(value)} if on(around.said(switch)) else {"kind": "none"}


def offload(value: Any, folder: str, around: Around) -> Noted:
    """SimpleTuner's offload of groups of blocks, to a folder if it names one."""
    if not truth(value):
        raise Nothing("switched off, as here")
    if around.said(folder):
        return Noted({"kind": "disk"}, "The file lies in the store here, and goes when training ends.")
    return Noted({"kind": "memory"})


def offload_of(value: Any, switch: str, around: Around) -> Noted:
    """The same, seen from the folder."""
    text(value)
    return offload(around.said(switch), "group_offload_to_disk_path", around)


def swapped(value: Any, *_: Any) -> Noted:
    """A number of blocks that wait elsewhere."""
    if whole(value) <= 0:
        raise Nothing("no block is moved, as here")
    return Noted({"kind": "memory"}, _ALL_WAIT)


def streamed(value: Any, *_: Any) -> Noted:
    """A switch that makes all weights come from the memory of the computer."""
    if not truth(value):
        raise Nothing("switched off, as here")
    return Noted({"kind": "memory"}, _ALL_WAIT)


def quantize_on(value: Any, precision: str, around: Around) -> str:
    """Where SimpleTuner brings weights to 8 bits, if it does."""
    if around.said(precision) in (None, "no_change"):
        raise Nothing(f"`{precision}` keeps them as they are")
    places = {"cpu": "cpu", "accelerator": "device"}
    if (place := places.get(text(value))) is None:
        raise NotHere(f"weights are quantised on the device or on the CPU, not by {shown(value)}")
    return place


def ai_toolkit_quantize(value: Any, kind: str, around: Around) -> str:
    """The format that ai-toolkit brings frozen weights to."""
    if not truth(value):
        return "none"
    said = text(around.said(kind))
    if (found := _EIGHT_BITS.get(said)) is None:
        raise NotHere(
            f"weights are kept in 8 bits here, as `int8` or `fp8`, and not as {shown(said)}: fewer ruin Wan 2.1"
        )
    return found


def ai_toolkit_quantize_of(value: Any, switch: str, around: Around) -> str:
    """The same, seen from the format."""
    text(value)
    return ai_toolkit_quantize(around.said(switch), "model.qtype", around)
