"""Tokens that go around blocks: who is drawn, and that they come back as they were."""

from collections import Counter

import pytest
import torch
from scipy import stats
from torch import Tensor

from engine.training.routing import Detour, NoSuchRoute, Route, draw, keep_count, put_back, resolve, take
from engine.training.walk import Course


def route_of(kept: list[int], last: int = 0) -> Course:
    return Course(detours=(Detour(0, last, torch.tensor([kept])),))


def test_the_worked_example_of_six_tokens() -> None:
    tokens = torch.tensor([10.0, 20, 30, 40, 50, 60]).view(1, 6, 1).requires_grad_()
    seen: list[Tensor] = []

    def block(hidden_BKD: Tensor, _: Tensor | None) -> Tensor:
        seen.append(hidden_BKD)
        return 2 * hidden_BKD + 1

    out = route_of([4, 1, 3])([block], tokens)
    out.sum().backward()
    assert seen[0].flatten().tolist() == [50, 20, 40]
    assert out.flatten().tolist() == [10, 41, 30, 81, 101, 60]
    assert tokens.grad is not None
    assert tokens.grad.flatten().tolist() == [1, 2, 1, 2, 2, 1]


@pytest.mark.parametrize("drop", [0.01, 0.1, 0.5, 0.9])
def test_blocks_that_do_nothing_give_back_every_bit(drop: float) -> None:
    hidden_BLD = torch.randn(3, 40, 8, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(0))
    detours = draw([Route(0, 2, drop)], [5, 6, 7], 0, 40)
    out = Course(detours=detours)([lambda hidden, _: hidden] * 4, hidden_BLD)
    assert torch.equal(out, hidden_BLD)


def test_tokens_that_go_around_do_not_change_by_a_bit() -> None:
    hidden_BLD = torch.randn(2, 30, 8, generator=torch.Generator().manual_seed(0))
    detours = draw([Route(0, 1, 0.4)], [5, 6], 0, 30)
    out = Course(detours=detours)([lambda hidden, _: hidden.sin() + 3] * 2, hidden_BLD)
    for before, after, kept in zip(hidden_BLD, out, detours[0].kept, strict=True):
        around = [token for token in range(30) if token not in kept.tolist()]
        assert len(around) == 12
        assert torch.equal(before[around], after[around])
        assert not (before[kept] == after[kept]).any()


def test_gradients_are_those_of_finite_differences() -> None:
    hidden_BLD = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    course = Course(detours=(Detour(0, 1, torch.tensor([[0, 2, 4], [1, 3, 4]])),))

    def mixes(hidden_BKD: Tensor, _: Tensor | None) -> Tensor:
        """As attention does: every token sees every other."""
        return hidden_BKD + (hidden_BKD @ hidden_BKD.mT).softmax(-1) @ hidden_BKD.tanh()

    assert torch.autograd.gradcheck(lambda hidden: course([mixes] * 3, hidden), hidden_BLD.requires_grad_())


@pytest.mark.parametrize(
    ("tokens", "drop", "kept"),
    [(1560, 0.1, 1404), (32760, 0.1, 29484), (29640, 0.35, 19266), (10, 0.25, 8), (7, 0.5, 4), (3, 0.9, 1),
     (1, 0.99, 1), (2, 0.9999999999999999, 1)],
)  # fmt: skip
def test_as_many_tokens_are_kept_as_the_paper_keeps(tokens: int, drop: float, kept: int) -> None:
    assert keep_count(tokens, drop) == kept
    assert draw([Route(0, 0, drop)], [0], 0, tokens)[0].kept.shape == (1, kept)


def test_who_is_kept_depends_on_seed_route_and_position_alone() -> None:
    routes = [Route(2, 3, 0.5), Route(5, 6, 0.5)]
    together = draw(routes, [3, 4, 5, 6], 1, 64)
    apart = [draw(routes, [position], 1, 64) for position in (6, 4, 3, 5)]
    for number in range(2):
        assert torch.equal(
            together[number].kept[[3, 1, 0, 2]], torch.cat([one[number].kept for one in apart])
        )
    drawn = [*together[0].kept, *together[1].kept, *draw(routes, [3], 2, 64)[0].kept]
    assert len({tuple(kept.tolist()) for kept in drawn}) == 9


def test_drawing_neither_reads_nor_advances_global_chance() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one = draw([Route(0, 0, 0.5)], [3], 1, 64)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert torch.equal(draw([Route(0, 0, 0.5)], [3], 1, 64)[0].kept, one[0].kept)


def test_every_token_is_as_likely_and_none_is_drawn_twice() -> None:
    [detour] = draw([Route(0, 0, 0.4)], range(2000), 0, 20)
    assert all(len(set(kept)) == 12 and kept == sorted(kept) for kept in detour.kept.tolist())
    seen = Counter(detour.kept.flatten().tolist())
    # each of 20 tokens is kept in 2000 · 12/20 of the draws; draws without replacement vary less than chi² expects
    assert stats.chisquare([seen[token] for token in range(20)]).pvalue > 0.001
    pairs = Counter((0 in kept, 1 in kept) for kept in detour.kept.tolist())
    assert abs(pairs[True, True] / 2000 - 12 / 20 * 11 / 19) < 0.04


def test_tokens_that_are_forced_never_go_around() -> None:
    forced = [torch.tensor([19, 0, 7]), torch.tensor([], dtype=torch.int64)]
    [detour] = draw([Route(0, 0, 0.5)], [0, 1], 0, 20, forced)
    assert detour.kept.shape == (2, 10)
    assert {19, 0, 7} <= set(detour.kept[0].tolist())
    assert torch.equal(detour.kept[1:], draw([Route(0, 0, 0.5)], [1], 0, 20)[0].kept)


def test_one_sample_with_many_forced_tokens_keeps_as_many_of_all() -> None:
    forced = [torch.arange(16), torch.tensor([3])]
    [detour] = draw([Route(0, 0, 0.5)], [0, 1], 0, 20, forced)
    assert detour.kept[0].tolist() == list(range(16))
    assert len(set(detour.kept[1].tolist())) == 16
    assert 3 in detour.kept[1]


def test_negative_numbers_count_from_the_end_and_routes_come_in_order() -> None:
    routes = [Route(-10, -2, 0.1), Route(2, 19, 0.2)]
    assert resolve(routes, 30) == (Route(2, 19, 0.2), Route(20, 28, 0.1))


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([Route(2, 30, 0.1)], "from block 2 to 30 leaves the model, whose blocks are 0 to 29"),
        ([Route(-31, 5, 0.1)], "from block -31 to 5 leaves"),
        ([Route(9, -25, 0.1)], "from block 9 to -25 ends before it starts, in a model of 30"),
        ([Route(2, 8, 0.1), Route(8, 9, 0.1)], "2 to 8 and 8 to 9 share blocks"),
        ([Route(5, 6, 0.1), Route(2, -2, 0.1)], "2 to 28 and 5 to 6 share blocks"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(routes: list[Route], said: str) -> None:
    with pytest.raises(NoSuchRoute, match=said):
        resolve(routes, 30)


def test_taking_and_putting_back_is_the_identity() -> None:
    hidden_BLD = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
    kept_BK = torch.tensor([[8, 0, 3], [2, 1, 7]])
    taken = take(hidden_BLD, kept_BK)
    assert torch.equal(taken[1, 2], hidden_BLD[1, 7])
    assert torch.equal(put_back(hidden_BLD, taken, kept_BK), hidden_BLD)
