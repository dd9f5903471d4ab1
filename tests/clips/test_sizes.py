"""Sizes: what a clip becomes before a model sees it."""

from hypothesis import given
from hypothesis import strategies as st

from engine.clips.sizes import Bucket, area_size, legal_frames

lengths = st.integers(min_value=1, max_value=4096)
multiples = st.sampled_from((8, 16, 32, 64))


def test_75_frames_are_73_for_wan() -> None:
    assert [legal_frames(n, 4, 1) for n in (0, 1, 4, 5, 73, 75, 76, 77)] == [0, 1, 1, 5, 73, 73, 73, 77]


@given(frames=st.integers(0, 1000), step=st.integers(1, 16), offset=st.integers(0, 16))
def test_legal_frames_are_legal_and_no_larger_number_is(frames: int, step: int, offset: int) -> None:
    legal = legal_frames(frames, step, offset)
    candidates = range(offset, frames + 1, step)
    assert legal == (candidates[-1] if candidates else 0)


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


def test_a_bucket_says_itself_and_sorts_by_size() -> None:
    assert str(Bucket(640, 352, 17)) == "640x352x17"
    assert Bucket(32, 64, 9) < Bucket(64, 32, 1) < Bucket(64, 64, 5)
