"""The way through the blocks: whatever is computed again, left out or looked at, the mathematics stays."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from attends import DETOUR, EVERY_MODE, blocks_of, tokens
from live_bytes import counted
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.training.routing import Detour
from engine.training.walk import Block, Checkpointing, Course


def learnt(course: Course, count: int = 6) -> tuple[list[Tensor], list[int]]:
    """Result and gradients, input's and weights', and how often each block ran in forward and backward together."""
    blocks, hidden_BLD = blocks_of(count), tokens().requires_grad_()
    torch.manual_seed(9)  # of the dropout
    out = course(blocks, hidden_BLD)
    out.square().mean().backward()
    learning = [hidden_BLD, *(weight for block in blocks for weight in block.parameters())]
    return [out.detach(), *(one.grad for one in learning if one.grad is not None)], [b.ran for b in blocks]


@pytest.mark.parametrize("detours", [(), (DETOUR,)], ids=["straight", "around"])
@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_what_is_computed_again_changes_no_bit(mode: Checkpointing, detours: tuple[Detour, ...]) -> None:
    plain, _ = learnt(Course(detours=detours))
    again, _ = learnt(Course(mode, detours))
    assert len(plain) == 2 + 6 * 8
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))


def test_nothing_asked_is_one_block_after_the_other() -> None:
    blocks, hidden_BLD = blocks_of(3), tokens()
    torch.manual_seed(9)
    walked = Course()(blocks, hidden_BLD)
    torch.manual_seed(9)
    for block in blocks:
        hidden_BLD = block(hidden_BLD, None)
    assert torch.equal(walked, hidden_BLD)


@pytest.mark.parametrize(
    ("mode", "ran"),
    list(zip(EVERY_MODE, [[1] * 6, [2] * 6, [2, 1, 2, 1, 2, 1], [2, 1, 1, 2, 1, 1], [2] * 6], strict=True)),
    ids=str,
)
def test_blocks_run_as_often_as_asked(mode: Checkpointing, ran: list[int]) -> None:
    assert learnt(Course(mode))[1] == ran


def test_without_gradients_nothing_is_prepared_to_be_computed_again() -> None:
    blocks = blocks_of(2)
    with torch.no_grad(), counted() as live:
        out = Course(Checkpointing("blocks"))(blocks, tokens())
        assert live.now() == out.nbytes
    assert [block.ran for block in blocks] == [1, 1]


def held(course: Course) -> int:
    """Bytes that the backward pass waits for."""
    blocks, hidden_BLD = blocks_of(6), tokens().requires_grad_()
    with counted() as live:
        out = course(blocks, hidden_BLD)
        return live.now() - out.nbytes


def test_what_is_computed_again_is_not_held() -> None:
    none, thirds, halves, attention, all_again = (
        held(Course(mode))
        for mode in (
            EVERY_MODE[0], Checkpointing("blocks", every=3), Checkpointing("blocks", every=2), EVERY_MODE[4], EVERY_MODE[1],
        )
    )  # fmt: skip
    assert none > thirds > halves > attention > all_again
    # of each block its input, of which the first was there before, and the last result is not counted
    assert all_again == 5 * tokens().nbytes
    # and of attention its output with one float32 for each token and head
    assert attention - all_again == 6 * (tokens().nbytes + 4 * 2 * 24)


class Attended(TorchDispatchMode):
    """Counts how often attention is really computed."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.times += func is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("mode", "times"), [("none", 3), ("blocks", 6), ("keep_attention", 3)])
def test_attention_that_is_kept_is_not_computed_twice(mode: str, times: int) -> None:
    with Attended() as attended:
        Course(Checkpointing(mode))(blocks_of(3), tokens().requires_grad_()).sum().backward()
    assert attended.times == times


def test_a_route_that_drops_next_to_nothing_is_no_route() -> None:
    everyone = Detour(1, 3, torch.arange(24).expand(2, 24))
    for one, other in zip(learnt(Course())[0], learnt(Course(detours=(everyone,)))[0], strict=True):
        assert torch.equal(one, other)


def test_the_order_of_the_kept_tokens_does_not_matter() -> None:
    blocks = [block.eval().double() for block in blocks_of(4)]
    mixed = Detour(1, 3, DETOUR.kept.flip(1))
    one, other = (Course(detours=(some,))(blocks, tokens().double()) for some in (DETOUR, mixed))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def test_only_the_kept_tokens_are_computed_and_only_on_the_route() -> None:
    seen: list[tuple[int, bool]] = []

    def block(hidden_BKD: Tensor, kept_BK: Tensor | None) -> Tensor:
        seen.append((hidden_BKD.shape[1], kept_BK is None))
        return hidden_BKD

    detours = (Detour(0, 0, DETOUR.kept), Detour(1, 2, DETOUR.kept[:, :3]))
    Course(detours=detours)([block] * 4, tokens())
    assert seen == [(8, False), (3, False), (3, False), (24, True)]


def seen_behind(mode: Checkpointing, number: int) -> tuple[list[Tensor], Tensor]:
    seen: list[Tensor] = []
    blocks: list[Block] = list(blocks_of(6))
    torch.manual_seed(9)
    out = Course(mode, (DETOUR,), {number: seen.append})(blocks, tokens())
    (out.sum() + seen[0].square().sum()).backward()
    return seen, out


@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
@pytest.mark.parametrize("number", [0, 3, 5])
def test_hidden_tokens_are_shown_once_and_whole_where_no_route_is_open(
    mode: Checkpointing, number: int
) -> None:
    seen, out = seen_behind(mode, number)
    assert [tuple(one.shape) for one in seen] == [(2, 24, 8)]
    assert torch.equal(seen[0], out) is (number == 5)
    assert torch.equal(seen[0], seen_behind(EVERY_MODE[0], number)[0][0])


@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_what_is_seen_teaches_the_blocks_before_it_alone(mode: Checkpointing) -> None:
    seen: list[Tensor] = []
    blocks = blocks_of(6)
    Course(mode, (DETOUR,), {3: seen.append})(blocks, tokens())
    seen[0].square().sum().backward()
    taught = [all(weight.grad is not None for weight in block.parameters()) for block in blocks]
    assert taught == [True, True, True, True, False, False]


@pytest.mark.parametrize("number", [1, 2])
def test_looking_at_tokens_while_some_are_away_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"behind block {number} some tokens are away"):
        Course(detours=(DETOUR,), watch={number: lambda hidden: None})


def test_an_error_in_a_block_is_passed_on() -> None:
    def breaks(*_: Tensor | None) -> Tensor:
        raise FloatingPointError

    walks: list[Callable[[], Tensor]] = [
        lambda mode=mode: Course(mode)([breaks], tokens().requires_grad_()) for mode in EVERY_MODE
    ]
    for walk in walks:
        with pytest.raises(FloatingPointError):
            walk()
