"""The step loop: what a step does to weights does not depend on how or when it is done."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.training import checkpoints
from engine.training.adapters import Lora, attach, trained
from engine.training.loop import Metrics, NotFinite, Settings, Stopped, Watch, train
from engine.training.noise import generator
from engine.training.optimizers import OPTIMIZERS, flatten
from engine.training.order import Group, Order
from engine.training.schedules import rate_factor
from engine.training.state import State

ORDER = Order(((Group((0, 1, 2, 3, 4), 5),), (Group((5, 6, 7), 3),)), 4, 0)
DATA = torch.randn(8, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
OPTIONS = {
    "adamw": {"betas": [0.9, 0.99], "epsilon": 1e-8, "weight_decay": 0.01},
    "lion": {"betas": [0.9, 0.99], "weight_decay": 0.01},
}


def settings(
    *, steps: int = 6, schedule: str = "cosine", warmup_steps: int = 2, save_every: int = 100, evaluate_every: int = 0,
    **changes: object,
) -> Settings:  # fmt: skip
    said = Settings(
        steps=steps, micro_batch=4, learning_rate=0.05,
        factor=lambda step: rate_factor(schedule, step, steps, warmup_steps), clip="norm", clip_limit=1.0, seed=3,
        saves=lambda step: step % save_every == 0,
        evaluates=lambda step: evaluate_every > 0 and step % evaluate_every == 0,
    )  # fmt: skip
    return replace(said, **changes)


def trainable(net: nn.Module) -> list[nn.Parameter]:
    return list(trained(net).values())


class Training:
    """A small network with an adapter, and everything that trains it; it notes what the loop said."""

    def __init__(self, kind: str = "adamw", dropout: float = 0.3, dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6)).to(dtype)
        attach(self.net, Lora(rank=2, alpha=4, dropout=dropout, targets=["0", "2"]), seed=0)
        for parameter in trainable(self.net):
            parameter.data = parameter.data.to(dtype)
            if not parameter.any():  # a fresh B hides A, and a fresh A hides nothing
                parameter.data.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
        self.dtype = dtype
        self.optimizer = OPTIMIZERS[kind](trainable(self.net), lr=1.0, **OPTIONS[kind])
        self.state = State(trained(self.net), self.optimizer)
        self.metrics: list[Metrics] = []
        self.saved: list[int] = []
        self.evaluated: list[int] = []
        self.asked: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.on_save: Callable[[int], None] = self.saved.append
        self.on_evaluate: Callable[[], bool] = lambda: True
        self.stop_after = 10**9
        self.spoil: Callable[[Sequence[int], Tensor], Tensor] = lambda samples, loss: loss

    def loss_of(self, samples: Sequence[int], positions: Sequence[int]) -> Tensor:
        self.asked.append((tuple(samples), tuple(positions)))
        noise = torch.stack(
            [torch.randn(6, generator=generator(3, "noise", position)) for position in positions]
        )
        data = DATA[list(samples)].to(self.dtype)
        loss = (self.net(data + noise.to(self.dtype)) - data).square().flatten(1).mean(1).mean()
        return self.spoil(samples, loss)

    def evaluate(self) -> bool:
        if done := self.on_evaluate():
            self.evaluated.append(self.state.step)
            self.state.evaluated = self.state.step
        return done

    def run(self, start: int | None = None, **changes: object) -> None:
        if start is not None:
            self.state.step = start
        watch = Watch(
            self.metrics.append, self.evaluate, lambda: self.on_save(self.state.step),
            lambda: len(self.metrics) >= self.stop_after,
        )  # fmt: skip
        train(lambda *given: {"loss": self.loss_of(*given)}, self.state, ORDER, settings(**changes), watch)

    def weights(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in trainable(self.net)]


def equal(one: Training, other: Training) -> bool:
    return all(map(torch.equal, one.weights(), other.weights()))


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 4, 9])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(micro_batch: int) -> None:
    training = Training(dropout=0, dtype=torch.float64)
    whole = training.loss_of(ORDER.batch(0), range(4))
    whole.backward()
    expected = [parameter.grad.clone() for parameter in trainable(training.net)]
    training.run(steps=1, micro_batch=micro_batch, clip="none")
    for parameter, gradient in zip(trainable(training.net), expected, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), gradient.numpy(), rtol=1e-10, atol=1e-12)
    assert training.metrics[0].loss == pytest.approx(whole.item(), rel=1e-12)


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_in_float32_the_parts_differ_by_rounding_alone(micro_batch: int) -> None:
    parts, whole = Training(dropout=0), Training(dropout=0)
    parts.run(micro_batch=micro_batch)
    whole.run(micro_batch=4)
    for one, other in zip(parts.weights(), whole.weights(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_step_is_that_of_the_mean_loss_found_by_differences() -> None:
    training = Training(dropout=0, dtype=torch.float64)
    weight = trainable(training.net)[0]
    with torch.no_grad():
        slopes = []
        for nudge in (1e-6, -1e-6):
            weight[0, 0] += nudge
            slopes.append(training.loss_of(ORDER.batch(0), range(4)).item())
            weight[0, 0] -= nudge
    training.run(steps=1, micro_batch=2, clip="none")
    assert weight.grad[0, 0].item() == pytest.approx((slopes[0] - slopes[1]) / 2e-6, rel=1e-4)


def test_samples_come_with_their_global_positions() -> None:
    training = Training()
    training.run(steps=5, micro_batch=3)
    pairs = [pair for samples, positions in training.asked for pair in zip(samples, positions, strict=True)]
    assert pairs == [(ORDER.batch(at // 4)[at % 4], at) for at in range(20)]
    assert [len(samples) for samples, _ in training.asked] == [3, 1] * 5


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_run_that_stops_and_resumes_equals_the_straight_run_to_the_last_bit(
    kind: str, stop_after: int, tmp_path: Path
) -> None:
    straight, first, second = Training(kind), Training(kind), Training(kind)
    straight.run()

    def save(step: int) -> None:
        parts, record = first.state.parts()
        checkpoints.commit(tmp_path, step, parts, record | {"lineage": "one"})

    first.on_save, first.stop_after = save, stop_after
    with pytest.raises(Stopped):
        first.run()
    found = checkpoints.newest(tmp_path, "one", 6, print)
    second.state.put_back(found)
    torch.rand(7)  # the global generator is somewhere else by now
    second.run()
    assert found.step == stop_after
    assert equal(second, straight)
    assert [m.loss for m in first.metrics + second.metrics] == [m.loss for m in straight.metrics]


def test_dropout_is_at_work_in_that_comparison() -> None:
    with_dropout, without, other_seed = Training(), Training(dropout=0), Training()
    with_dropout.run(steps=1)
    without.run(steps=1)
    other_seed.run(steps=1, seed=4)
    assert len({training.metrics[0].loss for training in (with_dropout, without, other_seed)}) == 3


def test_dropout_differs_from_step_to_step() -> None:
    first, second = Training(), Training()
    for step, training in enumerate((first, second)):
        training.loss_of = lambda samples, positions, net=training.net: net(DATA.float()).square().mean()  # type: ignore[method-assign]
        training.run(start=step, steps=step + 1, learning_rate=0)
    assert first.metrics[0].loss != second.metrics[0].loss


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda loss: loss * float("nan"), id="the loss is no number"),
        pytest.param(lambda loss: loss + float("inf"), id="the loss is infinite"),
        pytest.param(
            lambda loss: loss + (loss - loss.detach()).abs().sqrt(), id="only the gradient is no number"
        ),
    ],
)
@pytest.mark.parametrize("micro_batch", [1, 4])
def test_what_is_not_finite_stops_before_it_touches_the_weights(spoil, micro_batch: int) -> None:
    bad, good = Training(), Training()
    step = next(step for step in range(1, 6) if 6 in ORDER.batch(step) and 6 not in ORDER.batch(step - 1))
    bad.spoil = lambda samples, loss: spoil(loss) if 6 in samples else loss
    with pytest.raises(NotFinite) as caught:
        bad.run(start=step - 1, micro_batch=micro_batch, schedule="constant")
    good.run(start=step - 1, steps=step, micro_batch=micro_batch, schedule="constant")
    assert (caught.value.step, caught.value.samples) == (step + 1, ORDER.batch(step))
    assert str(list(ORDER.batch(step))) in str(caught.value)
    assert equal(bad, good)
    averages, expected = flatten(bad.optimizer)[0], flatten(good.optimizer)[0]
    assert all(torch.equal(value, expected[name]) for name, value in averages.items())


def test_a_first_step_that_is_not_finite_leaves_every_bit() -> None:
    bad, fresh = Training(), Training()
    bad.spoil = lambda samples, loss: loss * float("nan")
    with pytest.raises(NotFinite):
        bad.run()
    assert equal(bad, fresh)
    assert (bad.metrics, bad.saved, flatten(bad.optimizer)[0]) == ([], [], {})


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_learning_rate_of_nothing_leaves_every_bit(kind: str) -> None:
    trained, fresh = Training(kind), Training(kind)
    trained.run(learning_rate=0)
    assert equal(trained, fresh)


@pytest.mark.parametrize("kind", OPTIONS)
def test_training_lowers_the_loss(kind: str) -> None:
    training = Training(kind, dropout=0)
    training.run(steps=150, learning_rate=0.02)
    losses = [metrics.loss for metrics in training.metrics]
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])


@pytest.mark.parametrize(
    ("start", "steps", "save_every", "expected"),
    [
        pytest.param(0, 7, 3, [3, 6, 7], id="and at the end"),
        pytest.param(0, 6, 3, [3, 6], id="at the end once"),
        pytest.param(0, 4, 100, [4], id="at the end alone"),
        pytest.param(0, 3, 1, [1, 2, 3], id="every step"),
        pytest.param(4, 7, 3, [6, 7], id="by the step, not by when it was resumed"),
        pytest.param(7, 7, 3, [], id="where nothing is left to do"),
    ],
)
def test_it_saves(start: int, steps: int, save_every: int, expected: list[int]) -> None:
    training = Training()
    training.run(start, steps=steps, save_every=save_every)
    assert training.saved == expected


@pytest.mark.parametrize(
    ("stop_after", "save_every", "saved"),
    [
        pytest.param(2, 100, [2], id="between two saves"),
        pytest.param(4, 2, [2, 4], id="at a save"),
        pytest.param(1, 3, [1], id="after the first step"),
    ],
)
def test_who_is_asked_to_stop_saves_first(stop_after: int, save_every: int, saved: list[int]) -> None:
    training = Training()
    training.stop_after = stop_after
    with pytest.raises(Stopped) as caught:
        training.run(save_every=save_every)
    assert (training.saved, caught.value.step) == (saved, stop_after)


def test_who_is_asked_to_stop_at_the_last_step_has_ended() -> None:
    training = Training()
    training.stop_after = 6
    training.run()
    assert training.saved == [6]


@pytest.mark.parametrize(
    ("start", "evaluated", "expected"),
    [
        pytest.param(0, -1, [0, 2, 4, 6], id="before the first step and after the last"),
        pytest.param(4, 4, [6], id="not again where it was done before the run broke off"),
        pytest.param(4, 2, [4, 6], id="where it was broken off itself"),
    ],
)
def test_it_evaluates(start: int, evaluated: int, expected: list[int]) -> None:
    training = Training()
    training.state.evaluated = evaluated
    training.run(start, evaluate_every=2)
    assert training.evaluated == expected


def test_an_evaluation_comes_before_the_save_of_its_step() -> None:
    training = Training()
    seen = []
    training.on_save = lambda step: seen.append((step, training.state.evaluated))
    training.run(evaluate_every=2, save_every=2)
    assert seen == [(2, 2), (4, 4), (6, 6)]


@pytest.mark.parametrize("at", [2, 6])
def test_who_is_asked_to_stop_within_an_evaluation_saves_and_owes_it(at: int) -> None:
    training = Training()
    training.on_evaluate = lambda: training.state.step != at
    with pytest.raises(Stopped) as caught:
        training.run(evaluate_every=2)
    assert (training.saved, caught.value.step, training.state.evaluated) == ([at], at, at - 2)


def test_a_step_says_what_it_did() -> None:
    training = Training()
    training.run(schedule="constant", warmup_steps=4)
    assert [metrics.step for metrics in training.metrics] == [1, 2, 3, 4, 5, 6]
    rates = [metrics.learning_rate for metrics in training.metrics]
    assert rates == pytest.approx([0.0125, 0.025, 0.0375, 0.05, 0.05, 0.05])
    assert all(metrics.seconds > 0 for metrics in training.metrics)


def test_the_gradient_norm_is_told_as_it_was_before_clipping() -> None:
    training = Training(dropout=0, dtype=torch.float64)
    training.loss_of(ORDER.batch(0), range(4)).backward()
    gradients = np.concatenate([parameter.grad.flatten().numpy() for parameter in trainable(training.net)])
    training.run(steps=1, clip_limit=1e-3)
    clipped = np.concatenate([parameter.grad.flatten().numpy() for parameter in trainable(training.net)])
    assert training.metrics[0].gradient_norm == pytest.approx(np.linalg.norm(gradients), rel=1e-5)
    assert np.linalg.norm(clipped) == pytest.approx(1e-3, rel=1e-3)


def test_gradients_are_not_carried_from_step_to_step() -> None:
    training = Training(dropout=0, dtype=torch.float64)
    training.run(steps=2, learning_rate=0, clip="none")
    carried = [parameter.grad.clone() for parameter in trainable(training.net)]
    training.run(start=1, steps=2, learning_rate=0, clip="none")
    assert all(map(torch.equal, carried, (parameter.grad for parameter in trainable(training.net))))


@pytest.mark.parametrize(("kind", "clip"), [*itertools.product(OPTIONS, ("none", "value", "norm"))])
def test_two_runs_are_the_same_run(kind: str, clip: str) -> None:
    one, other = Training(kind), Training(kind)
    one.run(clip=clip, clip_limit=0.1)
    other.run(clip=clip, clip_limit=0.1)
    assert equal(one, other)
