"""Schedules at their corners, by hand; and along the way, against formulas of their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.schedules import SCHEDULES, rate_factor

WORDS = {"cosine_restarts": {"cycles": 3}, "polynomial": {"power": 2.0}}


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        pytest.param(0, [1], id="no warm-up"),
        pytest.param(1, [1, 1], id="one step is none"),
        pytest.param(2, [0.5, 1, 1], id="two steps"),
        pytest.param(10, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1], id="ten steps"),
    ],
)
def test_the_rate_rises_in_equal_parts_and_the_schedule_starts_at_its_top(
    kind: str, warmup: int, expected: list[float]
) -> None:
    found = [rate_factor(kind, at, 1000, warmup, **WORDS.get(kind, {})) for at in range(len(expected))]
    assert found == pytest.approx(expected)


CORNERS = [
    # kind, words, step, steps, warm-up, the factor, why
    ("constant", {}, 109, 110, 10, 1, "the last step"),
    ("linear", {}, 0, 100, 0, 1, "the first step"),
    ("linear", {}, 10, 110, 10, 1, "the first step after the warm-up"),
    ("linear", {}, 35, 110, 10, 0.75, "a quarter of the way"),
    ("linear", {}, 60, 110, 10, 0.5, "half way"),
    ("linear", {}, 109, 110, 10, 0.01, "the last step still learns"),
    ("linear", {}, 110, 110, 10, 0, "the end is nothing"),
    ("linear", {}, 999, 110, 10, 0, "and stays nothing"),
    ("linear", {}, 0, 1, 0, 1, "a single step"),
    ("linear", {}, 4, 5, 5, 1, "all of it is warm-up"),
    ("linear", {}, 2, 5, 10, 0.3, "less than the warm-up"),
    ("cosine", {}, 0, 100, 0, 1, "the first step"),
    ("cosine", {}, 10, 110, 10, 1, "the first step after the warm-up"),
    ("cosine", {}, 35, 110, 10, 0.8535533905932737, "a quarter of the way: (2 + √2) / 4"),
    ("cosine", {}, 60, 110, 10, 0.5, "half way"),
    ("cosine", {}, 109, 110, 10, 0.0002467198171342, "the last step still learns"),
    ("cosine", {}, 110, 110, 10, 0, "the end is nothing"),
    ("cosine", {}, 999, 110, 10, 0, "and stays nothing"),
    ("cosine", {}, 0, 1, 0, 1, "a single step"),
    ("cosine", {}, 4, 5, 5, 1, "all of it is warm-up"),
    ("cosine", {}, 2, 5, 10, 0.3, "less than the warm-up"),
    ("cosine_restarts", {"cycles": 1}, 35, 110, 10, 0.8535533905932737, "one cycle is a cosine"),
    ("cosine_restarts", {"cycles": 3}, 10, 100, 10, 1, "the first cycle begins"),
    ("cosine_restarts", {"cycles": 3}, 25, 100, 10, 0.5, "half of the first"),
    ("cosine_restarts", {"cycles": 3}, 39, 100, 10, 0.0027390523158633, "the end of the first"),
    ("cosine_restarts", {"cycles": 3}, 40, 100, 10, 1, "the second begins"),
    ("cosine_restarts", {"cycles": 3}, 70, 100, 10, 1, "the third begins"),
    ("cosine_restarts", {"cycles": 3}, 99, 100, 10, 0.0027390523158633, "the last step"),
    ("cosine_restarts", {"cycles": 3}, 100, 100, 10, 0, "the end is nothing"),
    ("cosine_restarts", {"cycles": 3}, 2, 5, 10, 0.3, "less than the warm-up"),
    ("cosine_restarts", {"cycles": 8}, 3, 8, 0, 1, "a cycle of one step is all top"),
    ("cosine_restarts", {"cycles": 20}, 2, 10, 0, 1, "more cycles than steps"),
    ("cosine_restarts", {"cycles": 20}, 10, 10, 0, 0, "more cycles than steps end as well"),
    ("polynomial", {"power": 2.0}, 10, 110, 10, 1, "the first step after the warm-up"),
    ("polynomial", {"power": 2.0}, 60, 110, 10, 0.25, "half way"),
    ("polynomial", {"power": 0.5}, 85, 110, 10, 0.5, "three quarters of the way, below a line's power"),
    ("polynomial", {"power": 1.0}, 35, 110, 10, 0.75, "a power of 1 is a line"),
    ("polynomial", {"power": 2.0}, 109, 110, 10, 0.0001, "the last step still learns"),
    ("polynomial", {"power": 2.0}, 110, 110, 10, 0, "the end is nothing"),
    ("polynomial", {"power": 0.1}, 999, 110, 10, 0, "and stays nothing"),
    ("polynomial", {"power": 2.0}, 4, 5, 5, 1, "all of it is warm-up"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "words", "at", "steps", "warmup", "expected"),
    [pytest.param(*row[:-1], id=f"{row[0]} {row[-1]}") for row in CORNERS],
)
def test_a_curve_at_its_corners(
    kind: str, words: dict, at: int, steps: int, warmup: int, expected: float
) -> None:
    assert rate_factor(kind, at, steps, warmup, **words) == pytest.approx(expected, abs=1e-12)


def test_a_restart_is_never_missed_by_a_rounding_error() -> None:
    for cycles in range(1, 60):
        for length in (1, 3, 7, 10):
            tops = [rate_factor("cosine_restarts", at, cycles * length, 0, cycles=cycles) for at in range(0, cycles * length, length)]  # fmt: skip
            assert tops == [1] * cycles


def test_the_curves_are_their_formulas_all_the_way() -> None:
    steps, warmup = 237, 31
    left = np.linspace(1, 0, steps - warmup + 1)[:-1]
    formulas = {
        ("linear",): left,
        ("cosine",): np.cos(np.pi / 2 * (1 - left)) ** 2,
        ("polynomial", 0.8): np.exp(0.8 * np.log(left)),
        ("polynomial", 3.0): left * left * left,
    }
    for (kind, *power), expected in formulas.items():
        words = {"power": power[0]} if power else {}
        found = [rate_factor(kind, at, steps, warmup, **words) for at in range(warmup, steps)]
        assert np.allclose(found, expected, rtol=0, atol=1e-12), kind


def test_constant_never_falls_and_those_without_restarts_never_rise() -> None:
    assert {rate_factor("constant", at, 200, 20) for at in range(20, 200)} == {1}
    for kind in ("linear", "cosine", "polynomial"):
        curve = [rate_factor(kind, at, 200, 20, **WORDS.get(kind, {})) for at in range(20, 200)]
        assert curve == sorted(curve, reverse=True)
        assert len(set(curve)) == 180
        assert curve[-1] > 0


@given(
    kind=st.sampled_from(sorted(SCHEDULES)), steps=st.integers(1, 5000), warmup=st.integers(0, 6000),
    at=st.integers(0, 6000), cycles=st.integers(1, 6000), power=st.floats(0.01, 20),
)  # fmt: skip
def test_no_factor_is_above_1_or_below_0(
    kind: str, steps: int, warmup: int, at: int, cycles: int, power: float
) -> None:
    words = {"cosine_restarts": {"cycles": cycles}, "polynomial": {"power": power}}.get(kind, {})
    assert 0 <= rate_factor(kind, at, steps, warmup, **words) <= 1
