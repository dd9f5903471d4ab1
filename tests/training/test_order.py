"""The order of samples: laws that hold for any buckets, batch size and seed."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.training.order import Order


@st.composite
def orders(draw: st.DrawFn) -> Order:
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    buckets = tuple(tuple(range(start, start + size)) for start, size in zip(starts, sizes, strict=True))
    return Order(buckets, draw(st.integers(1, 5)), draw(st.integers(0, 99)))


def epoch(order: Order, number: int) -> list[tuple[int, ...]]:
    return [order.batch(number * order.batches_per_epoch + place) for place in range(order.batches_per_epoch)]


@given(order=orders(), number=st.integers(0, 3))
def test_every_sample_is_seen_at_least_once_an_epoch(order: Order, number: int) -> None:
    seen = {sample for batch in epoch(order, number) for sample in batch}
    assert seen == {sample for bucket in order.buckets for sample in bucket}


@given(order=orders(), number=st.integers(0, 3))
def test_within_a_bucket_no_sample_is_seen_twice_more_often_than_another(order: Order, number: int) -> None:
    seen = Counter(sample for batch in epoch(order, number) for sample in batch)
    for bucket in order.buckets:
        counts = [seen[sample] for sample in bucket]
        assert max(counts) - min(counts) <= 1


@given(order=orders(), step=st.integers(0, 40))
def test_a_batch_is_full_and_comes_from_one_bucket(order: Order, step: int) -> None:
    batch = order.batch(step)
    assert len(batch) == order.batch_size
    assert any(set(batch) <= set(bucket) for bucket in order.buckets)


@given(order=orders(), shuffle=st.randoms(use_true_random=False))
def test_steps_read_in_any_order_give_the_same_batches(order: Order, shuffle: random.Random) -> None:
    forwards = [order.batch(step) for step in range(25)]
    steps = list(range(25))
    shuffle.shuffle(steps)
    same = Order(order.buckets, order.batch_size, order.seed)
    assert {step: same.batch(step) for step in steps} == dict(enumerate(forwards))


@given(order=orders(), parts=st.integers(1, 5))
def test_the_sample_at_a_position_does_not_depend_on_how_a_batch_is_split(order: Order, parts: int) -> None:
    size, positions = order.batch_size, range(12 * order.batch_size)
    sequence = [sample for step in range(12) for sample in order.batch(step)]
    split = {}
    for worker in range(parts):
        for position in positions[worker::parts]:
            split[position] = order.batch(position // size)[position % size]
    assert [split[position] for position in positions] == sequence


@given(order=orders())
def test_an_epoch_is_as_short_as_full_batches_allow(order: Order) -> None:
    needed = 0
    for bucket in order.buckets:
        batches = 0
        while batches * order.batch_size < len(bucket):
            batches += 1
        needed += batches
    assert order.batches_per_epoch == needed


def test_a_bucket_smaller_than_a_batch_is_repeated_until_it_fills_one() -> None:
    assert Order(((7,),), 3, 0).batch(0) == (7, 7, 7)
    batch = Order(((1, 2),), 5, 0).batch(4)
    assert batch in {(1, 2, 1, 2, 1), (2, 1, 2, 1, 2)}


def test_epochs_and_seeds_shuffle_differently() -> None:
    bucket = tuple(range(30))
    first = Order((bucket,), 30, 0)
    batches = [first.batch(0), first.batch(1), Order((bucket,), 30, 1).batch(0), bucket]
    assert len(set(batches)) == 4


def test_batches_of_several_buckets_are_mixed_within_an_epoch() -> None:
    order = Order((tuple(range(20)), tuple(range(20, 40))), 2, 0)
    which = [batch[0] // 20 for batch in epoch(order, 0)]
    assert which not in (sorted(which), sorted(which, reverse=True))


def test_every_sample_leads_an_epoch_about_equally_often() -> None:
    order = Order((tuple(range(4)),), 4, 0)
    firsts = Counter(order.batch(number)[0] for number in range(2000))
    assert all(abs(count - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5 for count in firsts.values())


def test_another_process_finds_the_same_order(root: Path) -> None:
    order = Order((tuple(range(11)), (11, 12)), 3, 5)
    code = (
        "from engine.training.order import Order\n"
        "order = Order((tuple(range(11)), (11, 12)), 3, 5)\n"
        "print([order.batch(step) for step in range(20)])"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([order.batch(step) for step in range(20)])
