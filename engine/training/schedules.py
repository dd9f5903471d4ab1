"""How the learning rate goes over the steps: a table of curves, and one warm-up for all of them."""

import math
from collections.abc import Callable


def _constant(done: int, span: int) -> float:  # noqa: ARG001 - one signature for the table
    return 1.0


def _linear(done: int, span: int) -> float:
    return 1 - done / span


def _cosine(done: int, span: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * done / span))


def _cosine_restarts(done: int, span: int, *, cycles: int) -> float:
    # whole numbers: a fraction times the cycles can miss the step of a restart by a rounding error
    return _cosine(done * cycles % span, span) if done < span else 0.0


def _polynomial(done: int, span: int, *, power: float) -> float:
    return (1 - done / span) ** power


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_restarts": _cosine_restarts,
    "polynomial": _polynomial,
}


def rate_factor(kind: str, step: int, steps: int, warmup: int, **words: float) -> float:
    """Return the factor on the learning rate at a step.

    It rises in equal parts from ``1 / warmup`` at step 0 to 1 at step ``warmup - 1``. Then the schedule takes over: all but
    `constant` start at 1 and reach 0 when ``steps`` are done, so that the last step, too, learns a little. Of
    `cosine_restarts`, each cycle starts at 1.

    Args:
        kind: a key of ``SCHEDULES``.
        step: counted from 0; beyond ``steps`` the factor stays what it is there.
        steps: steps in all, the warm-up among them; 1 or more.
        warmup: steps of the warm-up; 0 is none. One that is longer than the run never ends.
        words: what the schedule is told beside: ``cycles`` of `cosine_restarts`, at least 1; ``power`` of `polynomial`,
            above 0.

    Returns:
        The factor, in [0, 1].
    """
    if step < warmup:
        return (step + 1) / warmup
    span = max(1, steps - warmup)
    return SCHEDULES[kind](min(step - warmup, span), span, **words)
