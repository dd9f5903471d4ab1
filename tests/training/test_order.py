"""The order of samples: laws that hold for any groups, batch size and seed."""

import hashlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training import order as order_of
from engine.training.order import Group, Order, Part


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Some buckets of some groups; samples are numbered through, and at least one is given."""
    sizes = draw(st.lists(st.lists(st.integers(1, 7), max_size=3), min_size=1, max_size=4).filter(any))
    ends, buckets = 0, []
    for bucket in sizes:
        groups = []
        for size in bucket:
            groups.append(Group(tuple(range(ends, ends + size)), draw(st.integers(0, 3 * size))))
            ends += size
        buckets.append(tuple(groups))
    if not any(group.take for bucket in buckets for group in bucket):
        buckets.append((Group((ends,), 1),))
    return Order(tuple(buckets), draw(st.integers(1, 5)), draw(st.integers(0, 99)))


def given_by(order: Order) -> list[int]:
    return [sum(group.take for group in bucket) for bucket in order.buckets]


def first_batches(order: Order, epochs: int) -> list[tuple[int, ...]]:
    """The batches that are full when some epochs are over."""
    steps = sum(each * epochs // order.batch_size for each in given_by(order))
    return [order.batch(step) for step in range(steps)]


def counts(order: Order, epochs: int) -> Counter[int]:
    return Counter(sample for batch in first_batches(order, epochs) for sample in batch)


def by_chance(things: list, name: str) -> list:
    numbers = random.Random(hashlib.sha256(name.encode()).digest())
    drawn = [(numbers.random(), place) for place in range(len(things))]
    return [things[place] for _, place in sorted(drawn)]


def walk(order: Order, epochs: int) -> list[list[list[int]]]:
    """The batches of each epoch, found the slow way: epoch after epoch, with lists that are used up."""
    carried: list[list[int]] = [[] for _ in order.buckets]
    circles: dict[tuple[int, int], list[int]] = {}
    drawn: Counter[tuple[int, int]] = Counter()
    dealt: Counter[tuple[int, int]] = Counter()
    found = []
    for epoch in range(epochs):
        batches = []
        for number, bucket in enumerate(order.buckets):
            mine = []
            for place, group in enumerate(bucket):
                which, name = (number, place), f"{order.seed}/bucket {number}/group {place}"
                if dealt[which] % len(group.samples) == 0:
                    circles[which] = by_chance(list(group.samples), f"{name}/circle {drawn[which]}")
                    drawn[which] += 1
                for _ in range(group.take):
                    mine.append(circles[which].pop(0))
                    circles[which].append(mine[-1])
                    dealt[which] += 1
            carried[number] += by_chance(mine, f"{order.seed}/bucket {number}/epoch {epoch}")
            while len(carried[number]) >= order.batch_size:
                batches.append([carried[number].pop(0) for _ in range(order.batch_size)])
        found.append(by_chance(batches, f"{order.seed}/epoch {epoch}"))
    return found


@given(order=orders(), epochs=st.integers(1, 12))
def test_it_is_the_order_that_a_walk_from_the_beginning_finds(order: Order, epochs: int) -> None:
    walked = [tuple(batch) for batches in walk(order, epochs) for batch in batches]
    assert first_batches(order, epochs) == walked


def test_the_order_of_earlier_versions_is_kept_so_that_their_runs_go_on() -> None:
    order = Order(((Group((0, 1, 2), 4), Group((3, 4), 1)), (Group((5, 6, 7), 3),)), 2, 7)
    found = [order.batch(step) for step in range(8)]
    assert found == [(5, 7), (1, 4), (0, 1), (2, 0), (2, 3), (5, 7), (6, 6), (0, 1)]


@given(order=orders(), rounds=st.integers(0, 2))
def test_what_fills_its_batches_is_counted_exactly_in_every_epoch(order: Order, rounds: int) -> None:
    full = Order(order.buckets, 1, order.seed)
    before, after = counts(full, rounds), counts(full, rounds + 1)
    for bucket in order.buckets:
        for group in bucket:
            seen = [after[sample] - before[sample] for sample in group.samples]
            assert sum(seen) == group.take
            assert {group.take // len(seen), -(-group.take // len(seen))} >= set(seen)


@given(
    size=st.integers(1, 6), repeats=st.integers(1, 4), batch_size=st.integers(1, 5), epoch=st.integers(0, 3)
)
def test_repeats_are_exact_where_an_epoch_is_whole_batches(
    size: int, repeats: int, batch_size: int, epoch: int
) -> None:
    samples = tuple(range(size * batch_size))
    order = Order(((Group(samples, repeats * len(samples)),),), batch_size, 0)
    steps = range(epoch * size * repeats, (epoch + 1) * size * repeats)
    assert Counter(sample for step in steps for sample in order.batch(step)) == dict.fromkeys(
        samples, repeats
    )


@given(size=st.integers(1, 7), take=st.integers(1, 20), rounds=st.integers(1, 3))
def test_a_group_of_n_gives_each_sample_exactly_take_times_in_n_epochs(
    size: int, take: int, rounds: int
) -> None:
    order = Order(((Group(tuple(range(size)), take),),), 1, 3)
    assert counts(order, rounds * size) == dict.fromkeys(range(size), rounds * take)


@given(order=orders(), epochs=st.integers(1, 8))
def test_nothing_is_lost_and_nothing_invented_but_less_than_a_batch_of_each_bucket_waits(
    order: Order, epochs: int
) -> None:
    seen, unlimited = counts(order, epochs), counts(Order(order.buckets, 1, order.seed), epochs)
    for bucket in order.buckets:
        samples = [sample for group in bucket for sample in group.samples]
        waits = [unlimited[sample] - seen[sample] for sample in samples]
        assert all(count >= 0 for count in waits)
        assert sum(waits) == epochs * sum(group.take for group in bucket) % order.batch_size


def test_what_did_not_fill_a_batch_leads_the_next_epoch() -> None:
    order = Order(((Group((0, 1, 2), 3),),), 2, 0)
    first, second, third = (order.batch(step) for step in range(3))
    assert sorted((*first, second[0])) == [0, 1, 2] or sorted((*first, third[0])) == [0, 1, 2]
    assert sorted((*first, *second, *third)) == [0, 0, 1, 1, 2, 2]


def test_a_bucket_smaller_than_a_batch_waits_for_as_many_epochs_as_fill_one() -> None:
    order = Order(((Group((0,), 1),), (Group((1, 2, 3, 4), 4),)), 4, 0)
    lone = [step for step in range(20) if 0 in order.batch(step)]
    assert [order.batch(step) for step in lone] == [(0, 0, 0, 0)] * 4
    assert [step // 5 for step in lone] == [0, 1, 2, 3]


def test_where_all_buckets_wait_their_first_batches_come_in_one_late_epoch() -> None:
    order = Order(tuple((Group((sample,), 1),) for sample in range(30)), 5, 0)
    for start in (0, 30, 3 * 10**9):
        found = [order.batch(step) for step in range(start, start + 30)]
        assert sorted(found) == [(sample,) * 5 for sample in range(30)]


@given(order=orders(), step=st.integers(0, 10**12))
def test_a_batch_is_full_and_comes_from_one_bucket(order: Order, step: int) -> None:
    batch = order.batch(step)
    assert len(batch) == order.batch_size
    homes = {
        sample: place for place, bucket in enumerate(order.buckets) for g in bucket for sample in g.samples
    }
    assert len({homes[sample] for sample in batch}) == 1


@given(order=orders(), micro_batch=st.integers(1, 6), devices=st.sampled_from([1, 2, 3, 4, 8]))
def test_the_global_sequence_is_the_same_on_any_devices_in_any_parts(
    order: Order, micro_batch: int, devices: int
) -> None:
    sequence = [sample for step in range(12) for sample in order.batch(step)]
    shares = [
        order.share(step, micro_batch, device, devices) for step in range(12) for device in range(devices)
    ]
    parts = [part for share in shares for part in share]
    assert [sample for part in parts for sample in part.samples] == sequence
    assert [position for part in parts for position in part.positions] == [*range(12 * order.batch_size)]
    assert all(1 <= len(part.samples) == len(part.positions) <= micro_batch for part in parts)


@given(order=orders(), devices=st.integers(1, 9))
def test_the_shares_of_devices_differ_by_one_sample_at_most(order: Order, devices: int) -> None:
    sizes = [
        sum(len(part.samples) for part in order.share(5, 2, device, devices)) for device in range(devices)
    ]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_is_cut_into_parts_from_its_own_beginning() -> None:
    order = Order(((Group(tuple(range(10)), 10),),), 10, 0)
    batch = order.batch(3)
    assert order.share(3, 2, device=1, devices=2) == (
        Part(batch[5:7], range(35, 37)),
        Part(batch[7:9], range(37, 39)),
        Part(batch[9:], range(39, 40)),
    )
    assert order.share(3, 2, device=0, devices=11) == ()


@given(order=orders(), shuffle=st.randoms(use_true_random=False))
def test_steps_read_in_any_order_give_the_same_batches(order: Order, shuffle: random.Random) -> None:
    forwards = [order.batch(step) for step in range(25)]
    steps = list(range(25))
    shuffle.shuffle(steps)
    order_of._epoch.cache_clear()
    same = Order(order.buckets, order.batch_size, order.seed)
    assert {step: same.batch(step) for step in steps} == dict(enumerate(forwards))


def test_epochs_and_seeds_shuffle_differently() -> None:
    samples = tuple(range(30))
    first = Order(((Group(samples, 30),),), 30, 0)
    other = Order(((Group(samples, 30),),), 30, 1)
    batches = [first.batch(0), first.batch(1), other.batch(0), other.batch(1), samples]
    assert len(set(batches)) == 5
    assert {tuple(sorted(batch)) for batch in batches} == {samples}


def test_another_seed_gives_another_part_of_what_is_weighted_down() -> None:
    chosen = {frozenset(Order(((Group(tuple(range(30)), 5),),), 5, seed).batch(0)) for seed in range(10)}
    assert len(chosen) == 10


def test_groups_are_mixed_within_a_bucket() -> None:
    order = Order(((Group(tuple(range(20)), 20), Group(tuple(range(20, 40)), 20)),), 40, 0)
    which = [sample // 20 for sample in order.batch(0)]
    assert which not in (sorted(which), sorted(which, reverse=True))


def test_batches_of_several_buckets_are_mixed_within_an_epoch() -> None:
    order = Order(((Group(tuple(range(20)), 20),), (Group(tuple(range(20, 40)), 20),)), 2, 0)
    which = [order.batch(step)[0] // 20 for step in range(20)]
    assert which not in (sorted(which), sorted(which, reverse=True))


def test_every_sample_leads_an_epoch_about_equally_often() -> None:
    order = Order(((Group(tuple(range(4)), 4),),), 4, 0)
    firsts = Counter(order.batch(number)[0] for number in range(2000))
    assert all(abs(count - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5 for count in firsts.values())


def test_what_takes_nothing_is_never_seen() -> None:
    order = Order(((Group((0,), 0),), (Group((1,), 1), Group((2,), 0)), ()), 3, 0)
    assert {order.batch(step) for step in range(9)} == {(1, 1, 1)}


@pytest.mark.parametrize(
    "buckets", [(), ((),), ((Group((0, 1), 0),),)], ids=["no bucket", "no group", "none taken"]
)
def test_an_order_of_nothing_is_refused(buckets: tuple[tuple[Group, ...], ...]) -> None:
    with pytest.raises(ValueError, match="no sample to order"):
        Order(buckets, 1, 0)


@pytest.mark.parametrize(("samples", "take"), [((), 1), ((), 0), ((0,), -1)])
def test_a_group_that_cannot_give_is_refused(samples: tuple[int, ...], take: int) -> None:
    with pytest.raises(ValueError, match=f"cannot give {take} of {len(samples)} samples"):
        Group(samples, take)


def test_a_step_far_away_is_found_at_once() -> None:
    buckets = tuple(
        (Group(tuple(range(at, at + 37)), 37), Group((at + 37,), 3)) for at in range(0, 200 * 38, 38)
    )
    order = Order(buckets, 16, 0)
    order.batch(0)
    spent = []
    for step in (10**9, 10**9 + 10**6, 10**9 + 10**7):  # the least of three: others may use this machine, too
        began = time.process_time()
        order.batch(step)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.05


def test_another_process_finds_the_same_order(root: Path) -> None:
    said = "Order(((Group(tuple(range(11)), 15), Group((11, 12), 1)), (Group((13, 14), 2),)), 3, 5)"
    order = Order(((Group(tuple(range(11)), 15), Group((11, 12), 1)), (Group((13, 14), 2),)), 3, 5)
    code = (
        "from engine.training.order import Group, Order\n"
        f"order = {said}\n"
        "print([order.batch(step) for step in range(20)])"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([order.batch(step) for step in range(20)])
