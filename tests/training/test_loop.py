"""The step loop on a model of one layer: splitting, stopping, resuming, and numbers that are none."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor, nn

from engine.training.loop import Metrics, NotFinite, Settings, Stopped, train
from engine.training.lora import adapter_state, add_lora, load_adapter_state, trainable
from engine.training.noise import generator
from engine.training.optimizers import OPTIMIZERS, flatten, restore
from engine.training.order import Order

ORDER = Order(((0, 1, 2, 3, 4), (5, 6)), 4, 0)
SETTINGS = Settings(
    steps=8, micro_batch=4, learning_rate=0.05, schedule="cosine", warmup_steps=2, clip="norm", clip_limit=1.0,
    seed=3, save_every=3,
)  # fmt: skip
DATA = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))


@dataclass
class Run:
    """A training of a linear layer's adapter, and what it did."""

    kind: str = "adamw"
    dropout: float = 0.0
    settings: Settings = SETTINGS
    stop_after: int = 10**6
    spoil: Callable[[int], float] = lambda position: 1.0
    shown: list[Metrics] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    forwards: list[tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
        add_lora(self.model, rank=2, alpha=4, dropout=self.dropout, targets=["0", "2"], seed=1)
        more = {"betas": [0.9, 0.99], "weight_decay": 0.01} | (
            {"epsilon": 1e-8} if self.kind == "adamw" else {}
        )
        self.optimizer = OPTIMIZERS[self.kind](trainable(self.model), lr=1.0, **more)

    def loss_of(self, indices: Sequence[int], positions: Sequence[int]) -> Tensor:
        self.forwards.append((tuple(indices), tuple(positions)))
        wanted = torch.stack([torch.randn(6, generator=generator(0, "noise", at)) for at in positions])
        weight = torch.tensor([self.spoil(at) for at in positions])
        return ((self.model(DATA[list(indices)]) - wanted).square().mean(1) * weight).mean()

    def go(self, start: int = 0) -> "Run":
        train(
            self.loss_of, trainable(self.model), self.optimizer, ORDER, self.settings, start=start,
            on_step=self.shown.append, save=self.saved.append,
            stopping=lambda: bool(self.shown) and self.shown[-1].step >= self.stop_after,
        )  # fmt: skip
        return self


def same(one: Run, other: Run) -> bool:
    mine, theirs = adapter_state(one.model), adapter_state(other.model)
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_a_batch_in_parts_learns_what_the_whole_batch_learns(micro_batch: int) -> None:
    whole = Run().go()
    parts = Run(settings=replace(SETTINGS, micro_batch=micro_batch)).go()
    mine, theirs = adapter_state(whole.model), adapter_state(parts.model)
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=0, atol=1e-6)
    assert [m.loss for m in parts.shown] == pytest.approx([m.loss for m in whole.shown], abs=1e-6)
    assert max(len(indices) for indices, _ in parts.forwards) == micro_batch


def test_every_position_is_seen_once_and_in_order() -> None:
    run = Run(settings=replace(SETTINGS, micro_batch=3)).go()
    assert [at for _, positions in run.forwards for at in positions] == list(range(8 * 4))
    assert [index for indices, _ in run.forwards for index in indices] == [
        i for s in range(8) for i in ORDER.batch(s)
    ]


@pytest.mark.parametrize("kind", ["adamw", "lion"])
def test_a_training_that_was_stopped_goes_on_to_the_last_bit(kind: str) -> None:
    straight = Run(kind, dropout=0.3).go()
    stopped = Run(kind, dropout=0.3, stop_after=5)
    with pytest.raises(Stopped) as caught:
        stopped.go()
    assert caught.value.step == 5
    assert stopped.saved == [3, 5]
    torch.manual_seed(99)
    resumed = Run(kind, dropout=0.3)
    load_adapter_state(resumed.model, adapter_state(stopped.model))
    restore(resumed.optimizer, *flatten(stopped.optimizer))
    torch.rand(17)  # whatever else was drawn meanwhile
    resumed.go(start=5)
    assert same(straight, resumed)
    assert [m.loss for m in resumed.shown] == [m.loss for m in straight.shown[5:]]
    assert not same(straight, Run(kind, dropout=0.0).go()), "dropout had no effect, so this shows nothing"


def test_it_saves_as_often_as_told_and_at_the_end() -> None:
    assert Run().go().saved == [3, 6, 8]
    assert Run(settings=replace(SETTINGS, save_every=4)).go().saved == [4, 8]


def test_a_training_that_is_done_does_nothing() -> None:
    run = Run()
    before = adapter_state(run.model)
    run.go(start=8)
    assert run.forwards == run.saved == run.shown == []
    assert all(torch.equal(tensor, adapter_state(run.model)[name]) for name, tensor in before.items())


def test_a_stop_at_the_last_step_is_the_end() -> None:
    assert Run(stop_after=8).go().saved == [3, 6, 8]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights(bad: float) -> None:
    run = Run(spoil=lambda position: bad if position == 4 * 4 + 2 else 1.0)
    with pytest.raises(NotFinite) as caught:
        run.go()
    assert caught.value.step == 5
    assert caught.value.samples == ORDER.batch(4)
    assert run.saved == [3]
    clean = Run(stop_after=4)
    with pytest.raises(Stopped):
        clean.go()
    assert same(run, clean), "the weights are those of step 4"


def test_a_gradient_that_is_no_number_stops_it_though_the_loss_is_one() -> None:
    run = Run()
    trainable(run.model)[0].register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(NotFinite):
        run.go()
    assert same(run, Run())


def test_a_step_shows_its_loss_rate_and_norm() -> None:
    run = Run(settings=replace(SETTINGS, schedule="constant"))
    expected = run.loss_of(ORDER.batch(0), range(4))
    norm = math.sqrt(
        sum(g.square().sum().item() for g in torch.autograd.grad(expected, trainable(run.model)))
    )
    run.go()
    assert [m.step for m in run.shown] == list(range(1, 9))
    assert [m.learning_rate for m in run.shown] == pytest.approx([0.025, *[0.05] * 7])
    assert run.shown[0].loss == pytest.approx(expected.item(), rel=1e-6)
    assert run.shown[0].gradient_norm == pytest.approx(norm, rel=1e-5)
    assert all(m.seconds >= 0 for m in run.shown)
