"""The order of samples, as a pure function: no sampler, no state, nothing to restore.

Samples of one bucket have one shape, and a batch never mixes buckets. In each epoch every bucket is shuffled and cut
into batches; its last batch is filled from its own beginning, so that no sample is ever left out. Then the batches of
the epoch are shuffled. The sample at global position ``step * batch_size + j`` follows from the seed and that position
alone, on any number of devices and after any restart.
"""

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Order:
    """Which samples make up each batch.

    Attributes:
        buckets: indices of the samples of each bucket; none is empty.
        batch_size: samples in a batch.
        seed: another seed is another order.
    """

    buckets: tuple[tuple[int, ...], ...]
    batch_size: int
    seed: int

    @property
    def batches_per_epoch(self) -> int:
        """Batches until every sample was seen at least once."""
        return sum(-(-len(bucket) // self.batch_size) for bucket in self.buckets)

    def batch(self, step: int) -> tuple[int, ...]:
        """Return the indices of the samples of a step, counted from 0."""
        epoch, place = divmod(step, self.batches_per_epoch)
        return _epoch(self, epoch)[place]


@lru_cache(maxsize=2)
def _epoch(order: Order, epoch: int) -> tuple[tuple[int, ...], ...]:
    batches = []
    for number, bucket in enumerate(order.buckets):
        shuffled = list(bucket)
        _shuffler(order.seed, epoch, f"bucket {number}").shuffle(shuffled)
        count = -(-len(bucket) // order.batch_size) * order.batch_size
        filled = [shuffled[place % len(shuffled)] for place in range(count)]
        batches += [tuple(filled[at : at + order.batch_size]) for at in range(0, count, order.batch_size)]
    _shuffler(order.seed, epoch, "batches").shuffle(batches)
    return tuple(batches)


def _shuffler(seed: int, epoch: int, what: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{seed}/{epoch}/{what}".encode()).digest())  # noqa: S311 - not a secret
