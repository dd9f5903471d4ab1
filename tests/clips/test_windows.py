"""Windows: where the frames for training begin."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clips import windows

lengths = st.tuples(st.integers(1, 300), st.integers(0, 3000)).map(lambda pair: (pair[0] + pair[1], pair[0]))
counts = st.integers(1, 60)


def fair(starts: list[int], have: int, frames: int) -> bool:
    return bool(starts) and starts == sorted(set(starts)) and starts[0] >= 0 and starts[-1] + frames <= have


@given(length=lengths, count=counts, stride=st.integers(1, 500), key=st.text())
def test_every_window_fits_and_none_comes_twice(
    length: tuple[int, int], count: int, stride: int, key: str
) -> None:
    assert fair(windows.head(*length), *length)
    assert fair(windows.middle(*length), *length)
    assert fair(windows.random(*length, count, key), *length)
    assert fair(windows.uniform(*length, count), *length)
    assert fair(windows.sliding(*length, stride), *length)


@given(length=lengths, count=counts, key=st.text())
def test_there_are_as_many_windows_as_asked_for_or_all_that_there_are(
    length: tuple[int, int], count: int, key: str
) -> None:
    there_are = length[0] - length[1] + 1
    assert len(windows.random(*length, count, key)) == min(count, there_are)
    assert len(windows.uniform(*length, count)) == min(count, there_are)


def test_windows_of_a_clip_of_100_frames() -> None:
    assert windows.head(100, 17) == [0]
    assert windows.middle(100, 17) == [41]
    assert windows.middle(100, 100) == [0]
    assert windows.uniform(100, 17, 1) == [0]
    assert windows.uniform(100, 17, 2) == [0, 83]
    assert windows.uniform(100, 17, 3) == [0, 42, 83]  # 41.5, a half up
    assert windows.uniform(19, 17, 9) == [0, 1, 2]
    assert windows.sliding(100, 17, 40) == [0, 40, 80]
    assert windows.sliding(96, 17, 40) == [0, 40]


@given(length=lengths, count=st.integers(2, 60))
def test_uniform_windows_are_even_to_a_frame(length: tuple[int, int], count: int) -> None:
    starts = windows.uniform(*length, count)
    gaps = [after - before for before, after in pairwise(starts)]
    assert starts[0] == 0
    assert starts[-1] == length[0] - length[1]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


@given(length=lengths, stride=st.integers(1, 500))
def test_sliding_windows_stop_only_where_none_fits(length: tuple[int, int], stride: int) -> None:
    have, frames = length
    starts = windows.sliding(have, frames, stride)
    assert starts == [stride * n for n in range(len(starts))]
    assert starts[-1] + stride + frames > have


CHANCE = [
    441,
    484,
    748,
    840,
]  # the first four of 0 … 983 shuffled by Fisher and Yates, worked out once apart


def test_chance_is_a_function_of_the_key_on_every_machine() -> None:
    assert windows.random(1000, 17, 4, "a clip") == windows.random(1000, 17, 4, "a clip")
    assert windows.random(1000, 17, 4, "a clip") == CHANCE
    assert windows.random(1000, 17, 4, "another") != CHANCE


@given(length=lengths, count=st.integers(1, 30), key=st.text())
def test_asking_for_more_keeps_what_there_was(length: tuple[int, int], count: int, key: str) -> None:
    assert set(windows.random(*length, count, key)) <= set(windows.random(*length, count + 5, key))


def test_every_start_is_equally_likely() -> None:
    drawn = Counter(start for n in range(4000) for start in windows.random(13, 4, 3, f"clip {n}"))
    assert sorted(drawn) == list(range(10))
    # 1200 each on average; five standard deviations are 145
    assert all(abs(count - 1200) < 145 for count in drawn.values())


@pytest.mark.parametrize("frames", [0, 101])
def test_a_clip_that_is_too_short_has_no_window(frames: int) -> None:
    for starts in (windows.head, windows.middle):
        with pytest.raises(ValueError, match=f"100 frames hold no window of {frames}"):
            starts(100, frames)


def test_no_windows_and_no_stride_are_refused() -> None:
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        windows.uniform(100, 17, 0)
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        windows.random(100, 17, 0, "key")
    with pytest.raises(ValueError, match="stride must be at least 1, not 0"):
        windows.sliding(100, 17, 0)
