"""Optimizers, schedules and clips against pencil and paper; their state through a file and back."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.training.optimizers import CLIPS, OPTIMIZERS, flatten, gradient_norm, rate_factor, restore

SETTINGS = {
    "adamw": {"betas": [0.9, 0.99], "epsilon": 1e-8, "weight_decay": 0.01},
    "lion": {"betas": [0.9, 0.99], "weight_decay": 0.01},
}


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    rng = torch.Generator().manual_seed(4)
    return [nn.Parameter(torch.randn(shape, generator=rng)) for shape in shapes or ((3, 2), (5,))]


def make(kind: str, weights: list[nn.Parameter], lr: float = 0.1, **changes: object) -> torch.optim.Optimizer:
    return OPTIMIZERS[kind](weights, lr=lr, **(SETTINGS[kind] | changes))


def step(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], number: int) -> None:
    rng = torch.Generator().manual_seed(100 + number)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=rng)
    optimizer.step()


def follow(
    kind: str, start: list[float], gradients: list[list[float]], **settings: object
) -> list[list[float]]:
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = make(kind, [weight], **settings)
    path = []
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        path.append(weight.tolist())
    return path


def test_adamw_walks_the_pencil_path() -> None:
    path = follow("adamw", [1], [[0.5], [-0.1], [0.3]], epsilon=1e-6, weight_decay=0)
    assert [weight for [weight] in path] == pytest.approx([0.9000002, 0.8487906, 0.7821978], abs=5e-8)


def test_the_first_step_of_adamw_is_decay_and_then_nearly_the_sign() -> None:
    start, gradient = np.array([1.0, -2.0, 3.0]), np.array([0.5, -1e-7, 1e3])
    [after] = follow("adamw", start.tolist(), [gradient.tolist()], epsilon=1e-8, weight_decay=0.3)
    assert after == pytest.approx(
        start * (1 - 0.1 * 0.3) - 0.1 * gradient / (np.abs(gradient) + 1e-8), rel=1e-12
    )


def test_lion_walks_the_pencil_path() -> None:
    gradients = [[0.5, -1], [-0.1, 0.2], [-0.04, 0.3]]
    path = follow("lion", [1, -2], gradients, weight_decay=0)
    assert np.allclose(path, [[0.9, -1.9], [1, -2], [1.1, -2.1]], rtol=0, atol=1e-12)


def test_lion_keeps_the_pencil_averages() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = make("lion", [weight], weight_decay=0)
    for gradient, average in [([0.5, -1], [0.005, -0.01]), ([-0.1, 0.2], [0.00395, -0.0079])]:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        assert flatten(optimizer)[0]["0.exp_avg"].tolist() == pytest.approx(average, rel=1e-5)


def test_the_first_step_of_lion_is_decay_and_then_the_sign() -> None:
    [after] = follow("lion", [1, 2, -3], [[1, 0, -0.001]], weight_decay=0.5)
    assert after == pytest.approx([0.85, 1.9, -2.75], rel=1e-12)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_state_saved_and_restored_goes_on_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    straight = parameters()
    optimizer = make(kind, straight)
    for number in range(3):
        step(optimizer, straight, number)
    tensors, rest = flatten(optimizer)
    save_file(tensors, tmp_path / "optimizer.safetensors")
    fresh = [nn.Parameter(weight.detach().clone()) for weight in straight]
    resumed = make(kind, fresh)
    restore(resumed, load_file(tmp_path / "optimizer.safetensors"), json.loads(json.dumps(rest)))
    for number in range(3, 6):
        step(optimizer, straight, number)
        step(resumed, fresh, number)
    assert all(map(torch.equal, fresh, straight))
    assert all(torch.equal(value, flatten(optimizer)[0][name]) for name, value in flatten(resumed)[0].items())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_without_its_state_it_goes_elsewhere(kind: str) -> None:
    straight = parameters()
    optimizer = make(kind, straight)
    for number in range(3):
        step(optimizer, straight, number)
    fresh = [nn.Parameter(weight.detach().clone()) for weight in straight]
    restarted = make(kind, fresh)
    for number in range(3, 6):
        step(optimizer, straight, number)
        step(restarted, fresh, number)
    assert not all(map(torch.equal, fresh, straight))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_saved_state_is_a_copy(kind: str) -> None:
    weights = parameters()
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    saved = flatten(optimizer)[0]
    before = {name: value.clone() for name, value in saved.items()}
    step(optimizer, weights, 1)
    assert all(torch.equal(saved[name], value) for name, value in before.items())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_restored_optimizer_does_not_share_tensors_with_what_it_was_given(kind: str) -> None:
    weights = parameters()
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    tensors, rest = flatten(optimizer)
    before = {name: value.clone() for name, value in tensors.items()}
    restore(optimizer, tensors, rest)
    step(optimizer, weights, 1)
    assert all(torch.equal(tensors[name], value) for name, value in before.items())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_settings_stay_as_the_recipe_says(kind: str) -> None:
    weights = parameters()
    optimizer = make(kind, weights, lr=0.1)
    step(optimizer, weights, 0)
    resumed = make(kind, parameters(), lr=0.2, weight_decay=0.7)
    restore(resumed, *flatten(optimizer))
    assert [(group["lr"], group["weight_decay"]) for group in resumed.param_groups] == [(0.2, 0.7)]


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param([(3, 2)], id="fewer parameters"),
        pytest.param([(3, 2), (5,), (1,)], id="more parameters"),
        pytest.param([(2, 3), (5,)], id="other shapes"),
    ],
)
def test_the_state_of_other_parameters_is_refused(kind: str, shapes: list[tuple[int, ...]]) -> None:
    weights = parameters()
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    with pytest.raises(ValueError, match="the saved optimizer"):
        restore(make(kind, parameters(*shapes)), *flatten(optimizer))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_that_made_no_step_has_an_empty_state_that_can_be_restored(kind: str) -> None:
    tensors, rest = flatten(make(kind, parameters()))
    assert tensors == {}
    restore(make(kind, parameters()), tensors, rest)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda tensors: {}, id="all of it"),
        pytest.param(lambda tensors: dict([*tensors.items()][1:]), id="one tensor"),
        pytest.param(lambda tensors: tensors | {"0.other": torch.zeros(3, 2)}, id="one too many"),
    ],
)
def test_a_state_that_lost_tensors_is_refused(kind: str, lose) -> None:
    weights = parameters()
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    tensors, rest = flatten(optimizer)
    with pytest.raises(ValueError, match="the saved optimizer lacks tensors or has others"):
        restore(make(kind, parameters()), lose(tensors), rest)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        pytest.param(0, [1], id="no warm-up"),
        pytest.param(1, [1], id="one step is none"),
        pytest.param(2, [0.5, 1], id="two steps"),
        pytest.param(10, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1], id="ten steps"),
    ],
)
def test_the_rate_rises_in_equal_parts(schedule: str, warmup: int, expected: list[float]) -> None:
    assert [rate_factor(schedule, at, 1000, warmup) for at in range(len(expected))] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("at", "steps", "warmup", "expected"),
    [
        pytest.param(0, 100, 0, 1, id="it starts at the top"),
        pytest.param(10, 110, 10, 1, id="after the warm-up too"),
        pytest.param(60, 110, 10, 0.5, id="half way is half"),
        pytest.param(35, 110, 10, (2 + 2**0.5) / 4, id="a quarter of the way"),
        pytest.param(110, 110, 10, 0, id="the end is nothing"),
        pytest.param(999, 110, 10, 0, id="and stays nothing"),
        pytest.param(0, 1, 0, 1, id="a single step"),
        pytest.param(4, 5, 5, 1, id="all of it is warm-up"),
        pytest.param(2, 5, 10, 0.3, id="less than the warm-up"),
    ],
)
def test_the_cosine_falls_from_one_to_nothing(at: int, steps: int, warmup: int, expected: float) -> None:
    assert rate_factor("cosine", at, steps, warmup) == pytest.approx(expected, abs=1e-12)


def test_the_cosine_never_rises_and_the_constant_never_falls() -> None:
    cosine = [rate_factor("cosine", at, 200, 20) for at in range(20, 200)]
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[-1] > 0
    assert {rate_factor("constant", at, 200, 20) for at in range(20, 200)} == {1}


def with_gradients(*gradients: list[float]) -> list[nn.Parameter]:
    weights = [nn.Parameter(torch.zeros(len(gradient))) for gradient in gradients]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
    return weights


@pytest.mark.parametrize(
    ("kind", "limit", "expected"),
    [
        pytest.param("norm", 6.5, [1.5, 2, 6], id="the norm of all, by the same factor"),
        pytest.param("norm", 20, [3, 4, 12], id="a norm within the limit"),
        pytest.param("value", 3.5, [3, 3.5, 3.5], id="each value by itself"),
        pytest.param("value", 20, [3, 4, 12], id="values within the limit"),
        pytest.param("none", 0, [3, 4, 12], id="none"),
    ],
)
def test_clipping(kind: str, limit: float, expected: list[float]) -> None:
    weights = with_gradients([3, 4], [12])
    CLIPS[kind](weights, limit)
    assert torch.cat([weight.grad for weight in weights]).tolist() == pytest.approx(expected, rel=1e-5)


def test_values_are_clipped_on_both_sides() -> None:
    weights = with_gradients([-3, 0.25])
    CLIPS["value"](weights, 0.5)
    assert weights[0].grad.tolist() == [-0.5, 0.25]


def test_the_gradient_norm_is_over_all_parameters_that_have_one() -> None:
    weights = [*with_gradients([3, 4], [12]), nn.Parameter(torch.zeros(7))]
    assert gradient_norm(weights).item() == 13


def test_the_gradient_norm_of_bfloat16_is_counted_in_float32() -> None:
    weight = nn.Parameter(torch.zeros(1000, dtype=torch.bfloat16))
    weight.grad = torch.full((1000,), 0.1, dtype=torch.bfloat16)
    exact = math.sqrt(1000) * float(torch.tensor(0.1).bfloat16())
    assert gradient_norm([weight]).item() == pytest.approx(exact, rel=1e-5)
