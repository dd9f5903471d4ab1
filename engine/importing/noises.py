"""Conversions of noise levels, their shift and their range, and of how the error is measured."""

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

_TIMESTEPS = 1000
_FAVOURED = round(1 / 3, 6)  # a uniform number cubed is beta-distributed with it and 1
_DRAWN_AGAIN = (
    "musubi-tuner squeezes all levels into the range, unless it is told preserve_distribution_shape; here those outside "
    "are drawn again, which keeps their shape."
)
_NO_SHIFT: dict[str, Any] = {"kind": "fixed", "factor": 1}


def simpletuner_shift(value: Any, *_: Any) -> Noted:
    """SimpleTuner's 0 is no shift."""
    found = number(value)
    return Noted(found) if found > 0 else Noted(1, "0 switches the shift off in SimpleTuner; here that is 1.")


def simpletuner_noise_shift(value: Any, *_: Any) -> Noted:
    """The same for training, where a shift has kinds."""
    shift = simpletuner_shift(value)
    return Noted({"kind": "fixed", "factor": shift.value}, shift.note)


def unshifted(*_: Any) -> dict[str, Any]:
    """No shift."""
    return _NO_SHIFT


def logit_normal(value: Any, *_: Any) -> dict[str, Any]:
    """The sigmoid of a normal number, times a scale."""
    return {"kind": "logit_normal", "mean": 0, "scale": number(value)}


def simpletuner_beta(value: Any, _: str, around: Around) -> dict[str, Any]:
    """SimpleTuner's beta distribution, seen from its switch."""
    if not truth(value):
        raise Nothing("switched off, as here")
    shapes = {name: number(around.said(f"flow_beta_schedule_{name}")) for name in ("alpha", "beta")}
    return {"kind": "beta", **shapes}


def simpletuner_beta_of(value: Any, switch: str, around: Around) -> dict[str, Any]:
    """The same, seen from a shape."""
    number(value)
    return simpletuner_beta(around.said(switch), "", around)


def custom_levels(value: Any, *_: Any) -> dict[str, Any]:
    """A list of timesteps from 0 to 1000."""
    found = value if isinstance(value, list) else text(value).split(",")
    return {"kind": "fixed", "values": [number(one) / _TIMESTEPS for one in found]}


def simpletuner_loss(_value: Any, size: str, around: Around) -> Noted:
    """SimpleTuner's Huber loss."""
    return Noted(
        {"kind": "huber", "delta": number(around.said(size))},
        "SimpleTuner's is 2c·(√(e² + c²) − c), which bends at the same size and is about twice Huber's own.",
    )


def simpletuner_loss_of(value: Any, kind: str, around: Around) -> Noted:
    """The same, seen from the size where it bends."""
    number(value)
    return simpletuner_loss(around.said(kind), "huber_c", around)


def musubi_levels(value: Any, _: str, around: Around) -> Noted:
    """How musubi-tuner draws noise levels; `sigma` draws places in the list of its scheduler."""
    kind = text(value)
    if kind in ("sigmoid", "shift", "flux_shift"):
        return Noted(logit_normal(around.said("sigmoid_scale")))
    if kind == "uniform":
        return Noted({"kind": "uniform"})
    if kind == "sigma":
        return _weighted(around)
    raise NotHere(f"the noise levels of {shown(value)} are not known here")


def musubi_levels_of(_value: Any, sampling: str, around: Around) -> Noted:
    """The same, seen from its numbers."""
    return musubi_levels(around.said(sampling), "", around)


def musubi_weighted(value: Any, sampling: str, around: Around) -> Noted:
    """The same, seen from the weighting scheme, which draws only where places are drawn."""
    if around.said(sampling) != "sigma":
        raise Nothing(f"{shown(value)} draws only where `{sampling}` is sigma")
    return _weighted(around)


def _weighted(around: Around) -> Noted:
    scheme = around.said("weighting_scheme")
    if scheme == "mode":
        return Noted({"kind": "mode", "scale": number(around.said("mode_scale"))})
    if scheme != "logit_normal":
        return Noted({"kind": "uniform"})
    mean, scale = number(around.said("logit_mean")), number(around.said("logit_std"))
    turned = (
        "musubi-tuner counts from the noisy end, so that a positive logit_mean favours little noise there."
    )
    return Noted({"kind": "logit_normal", "mean": 0 - mean, "scale": scale}, turned if mean else "")


def musubi_shift(value: Any, _: str, around: Around) -> Noted:
    """How musubi-tuner shifts noise levels."""
    kind, factor = text(value), number(around.said("discrete_flow_shift"))
    if kind in ("sigma", "shift"):
        return Noted({"kind": "fixed", "factor": factor})
    ignored = f"musubi-tuner ignores discrete_flow_shift with {kind}." if factor != 1 else ""
    if kind == "flux_shift":
        more = "Beyond 4096 tokens of a frame it goes on growing there; here it stays."
        return Noted({"kind": "by_size"}, " ".join(filter(None, (ignored, more))))
    if kind in ("uniform", "sigmoid"):
        return Noted(_NO_SHIFT, ignored)
    raise NotHere(f"the noise levels of {shown(value)} are not known here")


def musubi_shift_of(value: Any, sampling: str, around: Around) -> Noted:
    """The same, seen from its number."""
    number(value)
    return musubi_shift(around.said(sampling), "", around)


def musubi_bound(value: Any, shape: str, around: Around) -> Noted:
    """An end of the range of noise levels, in thousandths."""
    return Noted(number(value) / _TIMESTEPS, "" if on(around.said(shape)) else _DRAWN_AGAIN)


def ai_toolkit_levels(value: Any, favours: str, around: Around) -> dict[str, Any]:
    """How ai-toolkit draws noise levels: a place in a list of them, which may favour one of its ends."""
    favoured = around.said(favours)
    if value == "sigmoid" and favoured == "balanced":
        return logit_normal(1)
    if value == "linear" and favoured == "balanced":
        return {"kind": "uniform"}
    if value == "linear" and favoured == "content":
        return {"kind": "beta", "alpha": 1, "beta": _FAVOURED}
    if value == "linear" and favoured == "style":
        return {"kind": "beta", "alpha": _FAVOURED, "beta": 1}
    raise NotHere(
        f"the noise levels of {shown(value)}, {favoured}, are not known here: sigmoid and linear are, and of linear "
        "also content and style"
    )


def ai_toolkit_levels_of(_value: Any, kind: str, around: Around) -> dict[str, Any]:
    """The same, seen from what is favoured."""
    return ai_toolkit_levels(around.said(kind), "train.content_or_style", around)


def ai_toolkit_bound(value: Any, kind: str, around: Around) -> float:
    """An end of the range: ai-toolkit counts steps from the noisy end."""
    found = whole(value)
    if found <= 0 or found >= _TIMESTEPS - 1:
        raise Nothing("the range goes to its end, as here")
    if around.said(kind) != "linear":
        raise NotHere("steps are places in a list, which are noise levels only where that is linear")
    return (_TIMESTEPS - found) / _TIMESTEPS
