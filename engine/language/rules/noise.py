"""Rules about noise: levels that nothing reaches, and rollouts that do nothing."""

import math
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found

if TYPE_CHECKING:
    from engine.words.noise import Beta, Fixed, LogitNormal, Mode, Uniform
    from engine.words.recipe import Recipe

FEWEST = 0.001  # share of the noise levels that a range must have
MOST_MODE = 2 / (math.pi - 2)
BY_SIZE = (math.exp(0.5), math.exp(1.15))  # the shifts of the smallest frames and of the largest
_PARTS = 10_000  # of the levels of a mode, whose distribution has no closed form
_TERMS = 2000  # of a continued fraction; enough for shapes up to a million


def range_is_one(recipe: "Recipe", at: At) -> Findings:
    """Of two experts one learns the levels from a boundary on, the other those below it: a range has two ends."""
    lowest, highest = recipe.train.noise.lowest, recipe.train.noise.highest
    if lowest >= highest:
        yield found(
            at, "RCP4030", "train.noise.lowest", f"no noise level is {lowest:g} or more and below {highest:g}",
            f"`lowest` is learnt and `highest` is not: write a `lowest` below {highest:g}", because="train.noise.highest",
        )  # fmt: skip


def range_is_reached(recipe: "Recipe", at: At) -> Findings:
    """Levels outside of the range are drawn again, which keeps the shape of their distribution inside.

    Without a shift, 1.4 % of logit-normal levels lie above 0.9, where the high expert of Wan 2.2 begins for images; with
    the shift of 5 that it is sampled with, 28 %. A shift by size is not known before the clips are: what is refused is what
    it does not reach for any of them.
    """
    noise = recipe.train.noise
    if noise.lowest >= noise.highest:
        return
    shifts = (noise.shift.factor, noise.shift.factor) if noise.shift.kind == "fixed" else BY_SIZE
    if _reached(noise.levels, shifts, noise.lowest, noise.highest) < FEWEST:
        yield found(
            at, "RCP4031", "train.noise.lowest" if noise.lowest > 0 else "train.noise.highest",
            f"after the shift, fewer than {FEWEST:.1%} of the noise levels are {noise.lowest:g} or more and below {noise.highest:g}",
            "a level is drawn until one lies there, which would take forever: widen the range, or take levels or a `shift` that reach it; "
            "a larger factor moves them towards 1, a smaller one towards 0",
            because="train.noise.levels" if noise.shift.kind == "fixed" else "train.noise.shift.kind",
        )  # fmt: skip


def mode_is_one(recipe: "Recipe", at: At) -> Findings:
    """Up to a scale of 2/(π − 2) each level is met once (Esser et al., 2024); beyond, they fold over and leave 0 to 1."""
    levels = recipe.train.noise.levels
    if levels.kind == "mode" and levels.scale > MOST_MODE:
        yield found(
            at, "RCP4033", "train.noise.levels.scale", f"a mode with scale {levels.scale:g} is none: its levels fold over",
            "1.29 is usual, and 1.75 is the most",
        )  # fmt: skip


def rollouts_happen(recipe: "Recipe", at: At) -> Findings:
    """Rollouts start rarely and become more frequent, as the model learns (Bengio et al., 2015)."""
    rollout = recipe.train.rollout
    if rollout.kind == "none":
        return
    last, ramp, steps = rollout.probability, rollout.ramp_steps, recipe.train.steps
    first = rollout.start_probability if ramp else last
    if first == last == 0:
        yield found(
            at, "RCP4032", "train.rollout.probability", "no sample is ever rolled out",
            "write `probability: 0.5`, or `train: {rollout: {kind: none}}`", severity="warning",
        )  # fmt: skip
    elif first > last:
        yield found(
            at, "RCP4032", "train.rollout.start_probability", f"the share of rollouts falls from {first:g} to {last:g}",
            "it is meant to rise, as the model learns to make states that are worth learning from: write a `start_probability` "
            f"of at most {last:g}", because="train.rollout.probability", severity="warning",
        )  # fmt: skip
    elif first < last and ramp >= steps:
        yield found(
            at, "RCP4032", "train.rollout.ramp_steps", f"the ramp of {ramp} steps is not over after {steps} steps: {last:g} is never reached",
            f"write `ramp_steps: {steps // 2}`, or fewer", because="train.steps", severity="warning",
        )  # fmt: skip


def _reached(
    levels: "LogitNormal | Uniform | Beta | Mode | Fixed",
    shifts: tuple[float, float],
    lowest: float,
    highest: float,
) -> float:
    """Return the share of the levels that lie in a range after some shift from a least to a most; 1 as its end leaves none out."""
    least, most = shifts
    if levels.kind == "fixed":  # forwards, as it is trained, so that a value on a bound counts alike
        values = dict(levels)["values"]  # a rule is given a mapping, which has a `values` of its own
        fitting = sum(
            lowest <= _shift(value, most) and (_shift(value, least) < highest or highest == 1)
            for value in values
        )
        return fitting / len(values)
    first, end = _shift(lowest, 1 / most), _shift(highest, 1 / least)  # back to before the shift
    return (1.0 if highest == 1 else _below(levels, end)) - _below(levels, first)


def _shift(sigma: float, shift: float) -> float:
    return shift * sigma / (1 + (shift - 1) * sigma)


def _below(levels: "LogitNormal | Uniform | Beta | Mode", sigma: float) -> float:
    """Return the share of the levels that are below a noise level, before the shift."""
    if sigma <= 0 or sigma >= 1:  # a bound next to 1 can be rounded to it on its way back
        return float(sigma >= 1)
    if levels.kind == "logit_normal":
        z = (math.log(sigma / (1 - sigma)) - levels.mean) / levels.scale
        return math.erfc(-z / math.sqrt(2)) / 2
    if levels.kind == "beta":
        return _beta_below(levels.alpha, levels.beta, sigma)
    if levels.kind == "mode":
        middles = ((part + 0.5) / _PARTS for part in range(_PARTS))
        bends = ((u, u - math.sin(math.pi * u / 2) ** 2) for u in middles)  # cos²(πu/2) − 1 + u
        return sum(1 - u - levels.scale * bend < sigma for u, bend in bends) / _PARTS
    return sigma


def _beta_below(alpha: float, beta: float, sigma: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if sigma > (alpha + 1) / (alpha + beta + 2):  # beyond, it converges slowly, and its mirror image fast
        return 1 - _beta_below(beta, alpha, 1 - sigma)
    log_area = math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta)
    rest = 1.0
    for m in range(_TERMS, 0, -1):  # from its end
        odd = -(alpha + m) * (alpha + beta + m) / ((alpha + 2 * m) * (alpha + 2 * m + 1))
        even = m * (beta - m) / ((alpha + 2 * m - 1) * (alpha + 2 * m))
        rest = 1 + even * sigma / (1 + odd * sigma / rest)
    rest = 1 - (alpha + beta) / (alpha + 1) * sigma / rest
    return math.exp(alpha * math.log(sigma) + beta * math.log1p(-sigma) - log_area) / alpha / rest
