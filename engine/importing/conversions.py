"""The conversions that the tables name: a value of another trainer → a value of ours, with its real meaning.

Each takes the value, the argument that the table gives behind its name, and everything else that the source says.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.language.nodes import Plain
from engine.language.read import MAX_INTEGER


class NotHere(Exception):
    """The value cannot be said here; carries the reason."""


class Nothing(Exception):
    """The value needs no word here; carries the reason."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A value, and what to say about it."""

    value: Any
    note: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What else is known while a value is converted.

    Attributes:
        said: what the source says of a key, with the trainer's default; None where there is neither.
        meant: the same after the ``values`` of its row.
        told: whether the source itself says a key.
        each: what ``said`` is for each dataset, in their order.
        base: our word → its value in the flavour.
        flavours: repository → flavour that comes with the program.
    """

    said: Callable[[str], Plain]
    meant: Callable[[str], Any]
    told: Callable[[str], bool]
    each: Callable[[str], list[Plain]]
    base: Mapping[str, Plain] = field(default_factory=dict)
    flavours: Mapping[str, str] = field(default_factory=dict)


Conversion = Callable[[Any, str, Around], Any]

_ROUNDING = {"adamw_bf16": "stochastic", "optimi-adamw": "kahan", "optimi-lion": "kahan"}
_ADAFACTOR = {"relative_step": "false", "warmup_init": "false", "scale_parameter": "true"}
"""Settings of transformers' Adafactor that say what ours does anyway."""


def whole(value: Any, *_: Any) -> int:
    """A whole number, also where it is written as text or as 16.0."""
    found = number(value)
    if found != int(found) or abs(found) > MAX_INTEGER:
        raise NotHere(f"{value!r} is not a whole number")
    return int(found)


def number(value: Any, *_: Any) -> int | float:
    """A number, also where it is written as text."""
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise NotHere(f"{shown(value)} is not a number")
    return int(found) if found == int(found) and abs(found) <= MAX_INTEGER else found


def text(value: Any, *_: Any) -> str:
    """A text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotHere(f"{shown(value)} is not a text")
    return str(value)


def on(value: Any) -> bool:
    """Whether a switch is on, also where it is written as text."""
    return value in (True, "true", "True", 1)


def truth(value: Any, *_: Any) -> bool:
    """True or false, also where it is written as text."""
    if on(value):
        return True
    if value in (False, "false", "False", 0):
        return False
    raise NotHere(f"{shown(value)} is neither true nor false")


def flavour(value: Any, _: str, around: Around) -> list[str]:
    """The flavour whose weights come from a repository."""
    if (name := around.flavours.get(text(value))) is None:
        known = ", ".join(f"`{repository}`" for repository in around.flavours)
        raise NotHere(
            f"there is no flavour of {shown(value)} yet (there is {known}); write your own and extend it"
        )
    return [f"builtin:{name}"]


def times(value: Any, others: str, around: Around) -> Noted:
    """Samples in one optimizer step: the batch, times how often gradients are added up, times the devices."""
    factors = sorted([whole(value), *(whole(around.said(other) or 1) for other in others.split())])
    counted = [factor for factor in factors if factor > 1]
    found, each = math.prod(factors), " × ".join(map(str, counted))
    note = f"{found} samples in one step, {each}: `batch_size` counts them all."
    return Noted(found, note if len(counted) > 1 else "")


def seed(value: Any, *_: Any) -> int:
    """A seed; below 0 and, in SimpleTuner, 0 stand for another one each time."""
    found = whole(value)
    if found < 0:
        raise NotHere("a recipe makes the same each time, so its seed is a number from 0 up")
    return found


def steps(value: Any, _: str, around: Around) -> Noted:
    """Denoising steps."""
    found = whole(value)
    few = found < 40 and around.base.get("sample.sampler") != "unipc"
    return Noted(found, "Wan wants 40 steps without UniPC." if few else "")


def guidance(value: Any, _: str, around: Around) -> Noted:
    """Guidance, with what the flavour says is safe."""
    found, safe = number(value), around.base.get("model.advice.guidance")
    if isinstance(safe, list) and len(safe) == 2 and not float(str(safe[0])) <= found <= float(str(safe[1])):
        return Noted(
            max(found, 1), f"{found} lies outside {safe[0]} to {safe[1]}, which is safe for this model."
        )
    return Noted(max(found, 1))


def optimizer(value: Any, settings: str, around: Around) -> Noted:
    """An optimizer of the table with the settings that another key gives it."""
    given = around.said(settings)
    return Noted(_with_settings(dict(value), given) if given is not None else value)


def optimizer_of(value: Any, name: str, around: Around) -> Any:
    """The same, seen from the settings."""
    base = around.meant(name)
    if not isinstance(base, dict):
        raise NotHere(f"`{name}` is not known here, so its settings are not either")
    return _with_settings(dict(base), value)


def simpletuner_weights(_value: Any, name: str, around: Around) -> dict[str, Any]:
    """The number format in which SimpleTuner's optimizers keep what is trained, where small updates survive in it."""
    rounding = next((way for start, way in _ROUNDING.items() if str(around.said(name)).startswith(start)), "")
    if not rounding or str(around.said("mixed_precision")) == "no":
        raise Nothing("what is trained is kept in float32, as here")
    return {"kind": "bf16", "rounding": rounding}


def _with_settings(made: dict[str, Any], given: Any) -> dict[str, Any]:
    for key, value in given.items() if isinstance(given, dict) else pairs(given):
        if key == "betas" and "betas" in made:
            made["betas"] = [
                number(part)
                for part in (value if isinstance(value, list) else str(value).strip("()").split(","))
            ]
        elif key in ("eps", "epsilon") and "epsilon" in made:
            made["epsilon"] = number(value)
        elif key in ("weight_decay", "momentum") and key in made:
            made[key] = number(value)
        elif made["kind"] == "adafactor" and str(value).lower() == _ADAFACTOR.get(key):
            continue
        else:
            raise NotHere(f"the optimizer has no setting `{key}` here")
    return made


def pairs(given: Any) -> list[tuple[str, str]]:
    """Return ``weight_decay=0.1,betas=0.9,0.99`` as names and values."""
    said = " ".join(map(str, given)) if isinstance(given, list) else str(given)
    found = re.findall(r"(\w+)=([^=\s]*?)(?=[,\s]+\w+=|\s*$)", said)
    if not found:
        raise NotHere(f"{shown(given)} is not name=value")
    return found


def clip(value: Any, *_: Any) -> dict[str, Any]:
    """A limit on the norm of the gradients; 0 is none."""
    limit = number(value)
    return {"kind": "norm", "limit": limit} if limit > 0 else {"kind": "none"}


def simpletuner_clip(value: Any, _: str, around: Around) -> dict[str, Any]:
    """SimpleTuner cuts each entry of a gradient, unless it is told to scale them by their norm."""
    limit, method = number(value), str(around.said("grad_clip_method"))
    if method not in ("value", "norm"):
        raise NotHere(f"gradients are clipped by value or by norm, not by {shown(method)}")
    return {"kind": method, "limit": limit} if limit > 0 else {"kind": "none"}


def simpletuner_clip_of(value: Any, _: str, around: Around) -> dict[str, Any]:
    """The same, seen from the method."""
    if value not in ("value", "norm"):
        raise NotHere(f"gradients are clipped by value or by norm, not by {shown(value)}")
    return simpletuner_clip(around.said("max_grad_norm"), "", around)


def simpletuner_chunks(value: Any, *_: Any) -> Noted:
    """Without a size SimpleTuner cuts the tokens of a single sample into four."""
    if not truth(value):
        raise Nothing("switched off, as here")
    return Noted(4, "Four parts of the tokens, as SimpleTuner cuts them when no size is said.")


def workers(value: Any, *_: Any) -> int:
    """Clips that are decoded ahead; at least one."""
    return max(1, whole(value))


def device(value: Any, *_: Any) -> str:
    """The device without its number."""
    return text(value).partition(":")[0]


def shown(value: Any) -> str:
    """A value of a source as it may stand in a reason: short, on one line."""
    plain = " ".join(str(value).split())
    return f"`{plain if len(plain) <= 60 else plain[:57] + '…'}`"
