"""Where in a clip the frames for training begin. Arithmetic only.

Everywhere ``have`` is the number of frames that a clip gives at the rate of the model, and ``frames`` is how many of them
one training clip takes. Every answer is sorted, holds nothing twice, and leaves room for ``frames`` from each start:
starts lie within 0 and ``have - frames``, both included.

All functions raise `ValueError` where ``frames`` is not within 1 and ``have``, for then there is no window at all.
"""

from hashlib import blake2b


def head(have: int, frames: int) -> list[int]:
    """Return the one window at the beginning."""
    _spare(have, frames)
    return [0]


def middle(have: int, frames: int) -> list[int]:
    """Return the one window in the middle; the odd frame is left over at the end."""
    return [_spare(have, frames) // 2]


def random(have: int, frames: int, count: int, key: str) -> list[int]:
    """Return ``count`` different windows by chance, or all of them where there are fewer.

    The same key gives the same windows on every machine, and every start is equally likely. A
    larger count adds windows and keeps those of the smaller one.
    """
    spare = _spare(have, frames)
    # Fisher and Yates's shuffle of 0 … spare, of which only the places that were touched are written down
    moved: dict[int, int] = {}
    drawn = []
    for turn in range(min(_positive("count", count), spare + 1)):
        pick = turn + chance(f"{key}/{turn}", spare + 1 - turn)
        drawn.append(moved.get(pick, pick))
        moved[pick] = moved.get(turn, turn)
    return sorted(drawn)


def uniform(have: int, frames: int, count: int) -> list[int]:
    """Return ``count`` windows spread evenly from the beginning to the end, or all of them where there are fewer.

    One alone is at the beginning.
    """
    spare = _spare(have, frames)
    gaps = max(1, _positive("count", count) - 1)
    # rounded in whole numbers, a half up: floats would place some windows differently on another machine
    return sorted({(2 * n * spare + gaps) // (2 * gaps) for n in range(count)})


def sliding(have: int, frames: int, stride: int) -> list[int]:
    """Return a window every ``stride`` frames, as long as a whole one fits."""
    return list(range(0, _spare(have, frames) + 1, _positive("stride", stride)))


def _spare(have: int, frames: int) -> int:
    """Return the frames that one window leaves over, which is also the last start."""
    if not 1 <= frames <= have:
        raise ValueError(f"{have} frames hold no window of {frames}")
    return have - frames


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def chance(key: str, below: int) -> int:
    """Return a number from 0 to ``below - 1`` that follows from ``key`` alone."""
    return int.from_bytes(blake2b(key.encode(), digest_size=16).digest(), "big") % below
