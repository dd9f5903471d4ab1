"""Conversions of how long: steps, epochs, and the warm-up that is a share of them.

An epoch has no length before the clips are counted, and nothing is guessed: the recipe then demands the number of steps
of whoever knows the clips.
"""

from typing import Any

from engine.importing.conversions import Around, Noted, NotHere, Nothing, number, shown, text, whole


def demand(why: str) -> dict[str, Any]:
    """Return what a recipe says instead of a value that only its author can say."""
    return {"$required": why}


def musubi_epochs(value: Any, _: str, around: Around) -> dict[str, Any]:
    """Epochs of musubi-tuner, which count before its steps."""
    keys = ("target_frames", "num_repeats", "frame_extraction")
    seen = [_often(*said) for said in zip(*map(around.each, keys), strict=True)]
    return demand(_formula(whole(value), _sum(seen), _batch(around, "batch_size")))


def _often(lengths: Any, repeats: Any, taken: Any) -> tuple[str, str]:
    """Say what of a dataset of musubi-tuner is a sample, and how often."""
    each = len(lengths) if isinstance(lengths, list) and taken != "full" else 1
    more = f" × {each} lengths of each" if each > 1 else ""
    return "clips" if taken in ("head", "full") else "windows", f"{more} × {whole(repeats or 1)} repeats"


def simpletuner_steps(value: Any, _: str, around: Around) -> Any:
    """Steps of SimpleTuner, where 0 lets the epochs count."""
    if (found := whole(value)) > 0:
        return found
    return simpletuner_epochs(around.said("num_train_epochs"), "", around)


def simpletuner_epochs(value: Any, _: str, around: Around) -> dict[str, Any]:
    """Epochs of SimpleTuner, where it has no steps; a clip that is repeated r times is seen r + 1 times."""
    epochs = whole(value)
    if whole(around.said("max_train_steps") or 0) > 0:
        raise Nothing("`max_train_steps` says how long")
    if epochs < 1:
        raise NotHere("neither epochs nor steps are above 0, and with that SimpleTuner does not start either")
    seen = [("clips", f" × {whole(repeats or 0) + 1} (repeats + 1)") for repeats in around.each("repeats")]
    return demand(_formula(epochs, _sum(seen), _batch(around, "train_batch_size")))


def _sum(seen: list[tuple[str, str]]) -> str:
    """Say how many samples an epoch has: of each dataset what they are, and how often each is seen."""
    if len(seen) == 1:
        return "".join(seen[0])
    each = (f"{what} of dataset {number}{often}" for number, (what, often) in enumerate(seen, start=1))
    return f"({' + '.join(each)})"


def _batch(around: Around, key: str) -> str:
    """Say how many samples one optimizer step takes, as far as the source says."""
    one, more = around.said(key), whole(around.said("gradient_accumulation_steps") or 1)
    return f"{whole(one) * more} samples a step" if one else f"({key} × {more})" if more > 1 else key


def _formula(epochs: int, clips: str, batch: str) -> str:
    many = f"{epochs} epoch{'s' if epochs > 1 else ''}"
    return f"{many}: count your clips and write {epochs} × {clips} / {batch}; each epoch is rounded up."


def _length(around: Around) -> int | None:
    """Return the number of steps; None where it is counted in epochs, or nobody says it."""
    steps = whole(around.said("max_train_steps") or 0)
    return steps if steps > 0 and not around.said("max_train_epochs") else None


_KINDS = {
    "constant": "constant",
    "constant_with_warmup": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_restarts": "cosine_restarts",
    "polynomial": "polynomial",
}


def schedule(value: Any, _: str, around: Around) -> dict[str, Any]:
    """A schedule with a real warm-up in front; a warm-up below 1 is a share of the steps."""
    if (kind := _KINDS.get(text(value))) is None:
        raise NotHere(f"the schedule {shown(value)} is not known here: {', '.join(_KINDS)} are")
    made = {"kind": kind, "warmup_steps": _warm_up(value, around)}
    if kind == "cosine_restarts":
        made["cycles"] = whole(around.said("lr_scheduler_num_cycles") or 1)
    if kind == "polynomial":
        made["power"] = number(around.said("lr_scheduler_power") or 1)
    return made


def _warm_up(kind: Any, around: Around) -> Any:
    warm, length = number(around.said("lr_warmup_steps") or 0), _length(around)
    if (
        kind == "constant" or warm == 0
    ):  # diffusers' `constant` has no warm-up; the number beside it does nothing
        return 0
    if warm >= 1:
        return whole(warm)
    share = demand(f"the warm-up is {warm} of `train.steps`: write how many steps that is.")
    return share if length is None else round(warm * length)


def schedule_of(value: Any, _: str, around: Around) -> dict[str, Any]:
    """The same, seen from the warm-up."""
    number(value)
    return schedule(around.said("lr_scheduler") or "constant", "", around)


def schedule_seen(value: Any, kind: str, around: Around) -> dict[str, Any]:
    """The same, seen from its cycles or its power."""
    number(value)
    return schedule(around.said(kind), "", around)


def simpletuner_schedule(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's schedules: those that warm up, and its cosines, which take the warm-up for the length of a fall."""
    warm, length = whole(around.said("lr_warmup_steps") or 0), _length(around) or 0
    kind = text(value)
    if str(around.said("optimizer")).startswith("adamw_schedulefree"):
        slow = _slow_start(warm, length)
        return Noted(slow.value, slow.note or "SimpleTuner leaves schedules out for this optimizer.")
    if kind in ("constant", "constant_with_warmup"):
        return _slow_start(warm, length)
    if kind in ("linear", "polynomial"):
        powered = {"power": number(around.said("lr_power"))} if kind == "polynomial" else {}
        return Noted({"kind": kind, "warmup_steps": warm, **powered})
    if kind in ("cosine", "cosine_with_warmup"):
        return _one_fall(warm, length)
    if kind == "cosine_with_restarts":
        return _falls(warm, length)
    raise NotHere(f"the schedule {shown(value)} is not known here: {', '.join(_KINDS)} are")


def _one_fall(warm: int, length: int) -> Noted:
    period = warm if warm > 0 else 1000
    if length > period:
        raise NotHere(
            f"SimpleTuner's cosine is over after {period} steps (its lr_warmup_steps is a period) and goes up again; write "
            "`train.schedule` of kind `cosine`, which falls once, or `cosine_restarts`"
        )
    rest = ""
    if not length:
        rest = f" A run that is longer than {period} steps would go up again there."
    elif length < period:
        rest = f" It would stop at step {length} of {period}, before its end."
    return Noted({"kind": "cosine", "warmup_steps": 0},
                 f"SimpleTuner's cosine never warms up: lr_warmup_steps {warm} is the length of its fall, to lr_end 4e-7. "
                 f"Here it falls from the first step to 0 at the last.{rest}")  # fmt: skip


def _falls(period: int, length: int) -> Noted:
    if period < 1 or not length or length % period:
        raise NotHere(
            "SimpleTuner starts anew every lr_warmup_steps, and here the steps are shared among whole falls: write `train.schedule` "
            "of kind `cosine_restarts`"
        )
    return Noted(
        {"kind": "cosine_restarts", "warmup_steps": 0, "cycles": length // period},
        f"SimpleTuner's restarts never warm up: lr_warmup_steps {period} is the length of a fall. It warns that they misbehave; here "
        "each fall begins at the full rate.",
    )


def _slow_start(warm: int, length: int) -> Noted:
    if 0 < length <= warm:
        return Noted({"kind": "constant", "warmup_steps": length // 20},
                     f"A warm-up of {warm} steps would not be over after {length}; here it is a twentieth of them.")  # fmt: skip
    return Noted({"kind": "constant", "warmup_steps": warm})


def simpletuner_schedule_of(value: Any, _: str, around: Around) -> Noted:
    """The same, seen from the warm-up."""
    whole(value)
    return simpletuner_schedule(around.said("lr_scheduler"), "", around)


def simpletuner_schedule_seen(value: Any, kind: str, around: Around) -> Noted:
    """The same, seen from its power."""
    number(value)
    return simpletuner_schedule(around.said(kind), "", around)


def by_epochs(value: Any, steps: str, around: Around) -> int:
    """Checkpoints that are counted in epochs, where none are counted in steps."""
    if around.told(steps):
        raise NotHere(f"checkpoints are counted in steps or in epochs, and `{steps}` counts steps")
    return whole(value)


def epochs(*_: Any) -> str:
    """What such checkpoints are counted in."""
    return "epochs"
