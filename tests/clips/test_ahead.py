"""A thread that works ahead: how far, and how it ends when anything goes wrong."""

import threading
import time
from collections.abc import Generator

import pytest

from engine.clips.ahead import Ahead, Stuck
from engine.endings import Interrupted


def never() -> bool:
    return False


def counting(end: int, made: list[int]) -> Generator[int, None, None]:
    for number in range(end):
        made.append(number)
        yield number


def settled(made: list[int]) -> list[int]:
    """What was made, once nothing more is."""
    while True:
        before = list(made)
        time.sleep(0.05)
        if made == before:
            return before


def test_all_values_come_in_their_order() -> None:
    assert list(Ahead(lambda: counting(1000, []), room=3).values(9, never)) == list(range(1000))


def test_no_values_are_none() -> None:
    assert list(Ahead(lambda: counting(0, []), room=1).values(9, never)) == []


@pytest.mark.parametrize("room", [1, 2, 5])
def test_no_more_is_made_ahead_than_there_is_room_for(room: int) -> None:
    made: list[int] = []
    stream = Ahead(lambda: counting(100, made), room)
    assert settled(made) == list(range(room))
    values = stream.values(9, never)
    for taken in range(1, 4):
        next(values)
        assert settled(made) == list(range(taken + room))
    stream.close()


def test_a_closed_stream_makes_no_more_and_closes_its_source() -> None:
    made: list[int] = []
    closed = threading.Event()

    def source() -> Generator[int, None, None]:
        try:
            yield from counting(100, made)
        finally:
            closed.set()

    generator = source()  # held here, so that it is not closed by being forgotten
    stream = Ahead(lambda: generator, room=2)
    assert settled(made) == [0, 1]
    stream.close()
    assert closed.is_set()
    assert made == [0, 1]
    assert not stream._thread.is_alive()


def test_an_error_comes_after_the_values_before_it() -> None:
    def breaks() -> Generator[int, None, None]:
        yield from (0, 1)
        raise OSError("the drive is gone")

    values = Ahead(breaks, room=9).values(9, never)
    assert (next(values), next(values)) == (0, 1)
    with pytest.raises(OSError, match="the drive is gone"):
        next(values)


def test_an_error_before_the_first_value_comes_too() -> None:
    def start() -> Generator[int, None, None]:
        raise OSError("the drive is gone")

    with pytest.raises(OSError, match="the drive is gone"):
        next(Ahead(start, room=9).values(9, never))


class Hanging:
    """A source that gives one value and then nothing, until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def values(self) -> Generator[int, None, None]:
        yield 0
        self.over.wait(20)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engine.clips.ahead._GRACE", 0.01)
    source = Hanging()
    yield source
    source.over.set()


def test_what_takes_too_long_is_given_up(hanging: Hanging) -> None:
    stream = Ahead(hanging.values, room=9)
    values = stream.values(0.3, never)
    assert next(values) == 0
    begun = time.monotonic()
    with pytest.raises(Stuck):
        next(values)
    assert 0.3 <= time.monotonic() - begun < 5
    stream.close()  # returns although the thread hangs
    assert stream._thread.daemon


def test_someone_who_asks_to_stop_need_not_wait_for_the_next_value(hanging: Hanging) -> None:
    stop = threading.Event()
    values = Ahead(hanging.values, room=9).values(60, stop.is_set)
    next(values)
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        next(values)
    assert time.monotonic() - begun < 5


def test_who_asked_to_stop_gets_no_value_although_one_is_there() -> None:
    made: list[int] = []
    stream = Ahead(lambda: counting(3, made), room=9)
    settled(made)
    with pytest.raises(Interrupted):
        next(stream.values(9, lambda: True))


def test_the_start_is_in_no_deadline_and_slow_values_within_it_are_waited_for() -> None:
    def start() -> Generator[int, None, None]:
        time.sleep(0.8)  # such as reading a long file to know that it is the right one
        return slow()

    def slow() -> Generator[int, None, None]:
        for number in range(3):
            time.sleep(0.2)
            yield number

    stream = Ahead(start, room=1)
    assert list(stream.values(0.6, never)) == [0, 1, 2]
    assert 1.0 < stream.waited < 5


def test_who_is_served_at_once_has_not_waited() -> None:
    made: list[int] = []
    stream = Ahead(lambda: counting(5, made), room=9)
    settled(made)
    assert list(stream.values(9, never)) == [0, 1, 2, 3, 4]
    assert stream.waited < 0.3
