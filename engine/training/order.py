"""The order of samples, as a pure function: no sampler, no state, nothing to restore.

A *group* is the samples that one dataset has at one shape; a *bucket* is all groups of that shape, and a batch never
mixes buckets. In an epoch every group gives what it takes: it deals from a shuffled circle of its samples and goes on in
the next epoch where it left off, so that all of them come round equally often. A bucket shuffles what its groups gave,
and its epochs, one after the other, are cut into batches. What does not fill a batch is carried into the next epoch:
nothing is lost, and nothing is invented. Then the batches that were filled in the epoch are shuffled.

So the sample at global position ``step * batch_size + place`` follows from the groups, the seed and that position
alone, on any number of devices and after any restart.
"""

import hashlib
import random
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """Samples of one dataset that share a shape.

    Over one epoch each is seen ``take / len(samples)`` times, rounded down or up; over ``len(samples)`` epochs, exactly
    ``take`` times.

    Attributes:
        samples: their indices, at least one, each once.
        take: how many samples the group gives in one epoch, repeats and weights included; 0 or more.
    """

    samples: tuple[int, ...]
    take: int

    def __post_init__(self) -> None:
        if not self.samples or self.take < 0:
            raise ValueError(f"a group cannot give {self.take} of {len(self.samples)} samples")


@dataclass(frozen=True, slots=True)
class Part:
    """Samples of a batch that go through the model together.

    Attributes:
        samples: their indices.
        positions: their global positions, ``step * batch_size + place``.
    """

    samples: tuple[int, ...]
    positions: range


# without eq an order is known by identity: a cache that knew it by value would hash every sample at every step
@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Which samples make up each batch.

    Attributes:
        buckets: the groups of each bucket.
        batch_size: samples in a batch, over all devices; 1 or more.
        seed: another seed is another order.

    Raises:
        ValueError: no group gives a sample.
    """

    buckets: tuple[tuple[Group, ...], ...]
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if not any(map(_given, self.buckets)):
            raise ValueError("there is no sample to order: every group takes 0")

    def batch(self, step: int) -> tuple[int, ...]:
        """Return the indices of the ``batch_size`` samples of a step, counted from 0."""
        epoch = _epoch_of(self, step)
        return _epoch(self, epoch)[step - _filled(self, epoch)]

    def epochs(self, steps: int) -> int:
        """Return how many epochs are over when so many steps are done: those of which no batch is left."""
        return _epoch_of(self, steps)

    def share(self, step: int, micro_batch: int, device: int = 0, devices: int = 1) -> tuple[Part, ...]:
        """Return what one of several devices computes of a step, in parts of at most ``micro_batch`` samples.

        Each device has a contiguous stretch of the batch. The lengths differ by one at most; where there are more
        devices than samples, some have none. Over all devices, the parts are the batch in its order.

        Args:
            step: counted from 0.
            micro_batch: most samples in a part; 1 or more.
            device: which one, from 0 to ``devices - 1``.
            devices: how many there are.
        """
        samples, before = self.batch(step), step * self.batch_size
        first, end = (at * self.batch_size // devices for at in (device, device + 1))
        cuts = [*range(first, end, micro_batch), end]
        return tuple(Part(samples[at:to], range(before + at, before + to)) for at, to in pairwise(cuts))


def _given(bucket: tuple[Group, ...]) -> int:
    """Count the samples that a bucket gives in one epoch."""
    return sum(group.take for group in bucket)


def _filled(order: Order, epochs: int) -> int:
    """Count the batches that the first epochs fill."""
    return sum(epochs * _given(bucket) // order.batch_size for bucket in order.buckets)


def _epoch_of(order: Order, step: int) -> int:
    """Return the epoch that fills the batch of a step.

    When it begins, less than ``step + len(buckets)`` batches' worth of samples was given, for every bucket holds back
    less than one; when it ends, more than ``step`` of them was. That leaves few epochs to search.
    """
    given = sum(map(_given, order.buckets))
    lowest, highest = (batches * order.batch_size // given for batches in (step, step + len(order.buckets)))
    epochs = range(lowest, highest + 1)
    return epochs[bisect_right(epochs, step, key=lambda past: _filled(order, past)) - 1]


@lru_cache(maxsize=2)
def _epoch(order: Order, epoch: int) -> tuple[tuple[int, ...], ...]:
    batches = [batch for number in range(len(order.buckets)) for batch in _cut(order, number, epoch)]
    return tuple(_shuffled(batches, f"{order.seed}/epoch {epoch}"))


def _cut(order: Order, number: int, epoch: int) -> list[tuple[int, ...]]:
    """Return the batches that a bucket fills in an epoch, beginning with what was carried into it."""
    size, given = order.batch_size, _given(order.buckets[number])
    first, end = (epochs * given // size * size for epochs in (epoch, epoch + 1))
    if first == end:
        return []
    oldest = first // given  # a bucket smaller than a batch saves up over several epochs
    stream = [sample for past in range(oldest, epoch + 1) for sample in _mixed(order, number, past)]
    carried = first - oldest * given
    return [tuple(stream[at : at + size]) for at in range(carried, carried + end - first, size)]


def _mixed(order: Order, number: int, epoch: int) -> list[int]:
    """Return what the groups of a bucket give in an epoch, shuffled."""
    name = f"{order.seed}/bucket {number}"
    dealt = [
        sample
        for place, group in enumerate(order.buckets[number])
        for sample in _dealt(group, epoch, f"{name}/group {place}")
    ]
    return _shuffled(dealt, f"{name}/epoch {epoch}")


def _dealt(group: Group, epoch: int, name: str) -> list[int]:
    """Return what a group gives in an epoch: the next stretch of its circle, which may go round several times.

    When an epoch ends where the circle began, all samples were dealt equally often, and a new circle is shuffled. Not
    earlier: an epoch over the seam of two circles could have a sample too often and another too seldom.
    """
    count = len(group.samples)
    circle, place = divmod(epoch, count // gcd(count, group.take))
    shuffled = _shuffled(group.samples, f"{name}/circle {circle}")
    return [shuffled[at % count] for at in range(place * group.take, (place + 1) * group.take)]


def _shuffled(things: Iterable[T], name: str) -> list[T]:
    # sorted by chance: of all that Random does, Python promises random() alone to stay the same in later versions
    chance = random.Random(hashlib.sha256(name.encode()).digest())  # noqa: S311 - not a secret
    return sorted(things, key=lambda _: chance.random())
