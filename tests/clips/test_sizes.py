"""Sizes: what a clip becomes before a model sees it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clips.sizes import Bucket, area_size, closest, cover, legal_frames, side_size, stepped_frames

lengths = st.integers(min_value=1, max_value=4096)
multiples = st.sampled_from((8, 16, 32, 64))


def test_75_frames_are_73_for_wan() -> None:
    assert [legal_frames(n, 4, 1) for n in (0, 1, 4, 5, 73, 75, 76, 77)] == [0, 1, 1, 5, 73, 73, 73, 77]


@given(frames=st.integers(0, 1000), step=st.integers(1, 16), offset=st.integers(0, 16))
def test_legal_frames_are_legal_and_no_larger_number_is(frames: int, step: int, offset: int) -> None:
    legal = legal_frames(frames, step, offset)
    candidates = range(offset, frames + 1, step)
    assert legal == (candidates[-1] if candidates else 0)


@given(frames=st.integers(0, 400), step=st.integers(1, 8), offset=st.integers(0, 9), times=st.integers(1, 9))
def test_stepped_frames_are_legal_and_a_multiple_of_the_interval(
    frames: int, step: int, offset: int, times: int
) -> None:
    legal = [step * n + offset for n in range(400) if step * n % (step * times) == 0]
    found = stepped_frames(frames, step, offset, step * times)
    assert found == max((n for n in legal if n <= frames), default=0)
    assert stepped_frames(frames, step, offset, step) == legal_frames(frames, step, offset)


def test_an_interval_of_16_leaves_few_lengths() -> None:
    assert [stepped_frames(n, 4, 1, 16) for n in (0, 1, 16, 17, 32, 33, 75, 81)] == [
        0,
        1,
        1,
        17,
        17,
        33,
        65,
        81,
    ]
    with pytest.raises(ValueError, match="an interval of 6 frames is no multiple of the step, 4"):
        stepped_frames(75, 4, 1, 6)


def test_832x480_at_edge_480_is_not_832x480() -> None:
    assert area_size(832, 480, 480, 16) == (624, 368)
    assert area_size(832, 480, 480, 32) == (640, 352)


def test_a_half_rounds_up() -> None:
    assert area_size(100, 100, 24, 16) == (32, 32)
    assert area_size(100, 100, 40, 16) == (48, 48)


@given(width=lengths, height=lengths, edge=lengths, multiple=multiples)
def test_both_sides_are_positive_multiples(width: int, height: int, edge: int, multiple: int) -> None:
    size = area_size(width, height, edge, multiple)
    assert all(side >= multiple and side % multiple == 0 for side in size)


@given(aspect=st.floats(0.25, 4), edge=st.integers(256, 1024), multiple=multiples)
def test_the_area_is_about_the_square_of_the_edge(aspect: float, edge: int, multiple: int) -> None:
    width, height = area_size(round(1000 * aspect), 1000, edge, multiple)
    slack = multiple / 2
    long, short = edge * max(aspect, 1 / aspect) ** 0.5 * 1.01, edge * min(aspect, 1 / aspect) ** 0.5 * 0.99
    assert abs(max(width, height) - long) <= slack + 0.02 * long
    assert abs(min(width, height) - short) <= slack + 0.02 * short


def test_the_shorter_side_is_the_edge() -> None:
    assert side_size(1920, 1080, 480, 16) == (848, 480)  # 853.3
    assert side_size(1080, 1920, 480, 16) == (480, 848)
    assert side_size(832, 480, 480, 16) == (832, 480)
    assert side_size(100, 100, 24, 16) == (32, 32)  # a half rounds up
    assert side_size(1920, 1080, 4, 16) == (16, 16)


def test_an_aspect_is_a_size_like_any_other() -> None:
    assert side_size(16, 9, 480, 16) == side_size(1920, 1080, 480, 16)
    assert area_size(16, 9, 480, 16) == area_size(1920, 1080, 480, 16) == (640, 368)


@given(width=lengths, height=lengths, edge=lengths, multiple=multiples)
def test_both_sides_are_within_half_a_multiple_of_the_scaled_ones(
    width: int, height: int, edge: int, multiple: int
) -> None:
    for given_, side in zip((width, height), side_size(width, height, edge, multiple), strict=True):
        exact = Fraction(given_ * edge, min(width, height))
        assert side >= multiple
        assert side % multiple == 0
        assert abs(side - exact) <= Fraction(multiple, 2) + Fraction(1, 1000) or side == multiple


ASPECTS = ((1, 1), (16, 9), (9, 16), (4, 3))


def test_the_closest_aspect_is_the_one_of_the_smallest_stretch() -> None:
    assert closest(1920, 1080, ASPECTS) == (16, 9)
    assert closest(1080, 1920, ASPECTS) == (9, 16)
    assert closest(832, 480, ASPECTS) == (16, 9)
    assert closest(4000, 100, ASPECTS) == (16, 9)
    # √(4/3) ≈ 1.1547 is as far from 1:1 as from 4:3
    assert closest(1154, 1000, ASPECTS) == (1, 1)
    assert closest(1155, 1000, ASPECTS) == (4, 3)
    assert closest(100, 100, ((2, 1), (1, 2))) == (2, 1)  # the first of two that are equally near


def test_a_cover_leaves_no_gap() -> None:
    assert cover((1920, 1080), Bucket(640, 368, 1)) == (654, 368)
    assert cover((1080, 1920), Bucket(480, 480, 1)) == (480, 853)
    assert cover((32, 32), Bucket(64, 48, 1)) == (64, 64)


@given(width=lengths, height=lengths, wide=st.integers(1, 1024), high=st.integers(1, 1024))
def test_a_cover_is_the_smallest_that_keeps_the_aspect(width: int, height: int, wide: int, high: int) -> None:
    found = cover((width, height), Bucket(wide, high, 1))
    scale = max(Fraction(wide, width), Fraction(high, height))
    for side, exact, least in zip(found, (width * scale, height * scale), (wide, high), strict=True):
        assert side >= least
        assert abs(side - exact) <= Fraction(1, 2) + Fraction(1, 1000)


def test_a_bucket_says_itself_and_sorts_by_size() -> None:
    assert str(Bucket(640, 352, 17)) == "640x352x17"
    assert Bucket(32, 64, 9) < Bucket(64, 32, 1) < Bucket(64, 64, 5)
