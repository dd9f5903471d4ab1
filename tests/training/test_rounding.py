"""Weights in bfloat16: what rounding to the nearest loses, and what the two remedies keep."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from engine.training.optimizers import make_optimizer
from engine.training.rounding import round_by_chance

DRAWS = 300_000
ADAM = {"betas": [0.9, 0.99], "epsilon": 1e-8}


def rng(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("exact", "near", "far", "share"),
    [
        pytest.param(1.001, 1.0, 1.0078125, 0.128, id="an eighth of the way up"),
        pytest.param(-1.001, -1.0, -1.0078125, 0.128, id="mirrored below zero"),
        pytest.param(0.999, 0.99609375, 1.0, 0.744, id="closer spacing below one"),
        pytest.param(3e-39, 2.938736e-39, 3.030571e-39, 0.667085, id="too small to be normal"),
    ],
)
def test_a_value_goes_to_each_neighbour_as_often_as_it_is_near(
    exact: float, near: float, far: float, share: float
) -> None:
    rounded = round_by_chance(torch.full((DRAWS,), exact), rng())
    assert rounded.dtype == torch.bfloat16
    values, counts = rounded.float().unique(return_counts=True)
    assert sorted(map(abs, values.tolist())) == pytest.approx(sorted([abs(near), abs(far)]), rel=1e-6)
    found = counts[values.abs().argmax()].item() / DRAWS
    assert found == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / DRAWS))


def test_what_bfloat16_can_say_is_left_as_it_is() -> None:
    exact = torch.tensor([0.0, -0.0, 1.0, -1.0078125, 2.0**-126, 3.3895314e38, math.inf, -math.inf, math.nan])
    for seed in range(50):
        rounded = round_by_chance(exact, rng(seed)).float()
        assert torch.equal(rounded.nan_to_num(7), exact.nan_to_num(7))
        assert torch.equal(rounded[:-1].signbit(), exact[:-1].signbit())


def test_a_number_that_is_none_stays_none_whatever_its_bits_are() -> None:
    bits = torch.tensor(
        [0x7FFFFFFF, 0x7FC00001, -1], dtype=torch.int32
    )  # a carry would turn the first into -0
    for seed in range(50):
        assert round_by_chance(bits.view(torch.float32), rng(seed)).isnan().all()


def test_the_mean_of_many_roundings_is_the_value() -> None:
    exact = torch.from_numpy(np.random.default_rng(0).normal(size=200).astype(np.float32))
    total = sum(round_by_chance(exact, rng(seed)).double() for seed in range(4000))
    spacing = 2.0 ** (exact.abs().log2().floor().double() - 7)
    assert ((total / 4000 - exact.double()).abs() / spacing).max() < 5 * 0.5 / math.sqrt(4000)


def move(weight: nn.Parameter, optimizer: torch.optim.Optimizer, steps: int, gradient: float) -> list[float]:
    path = []
    for _ in range(steps):
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
        path.append(weight.float().mean().item())
    return path


def bfloat(shape: tuple[int, ...] = (1,), value: float = 1.0) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, value, dtype=torch.bfloat16))


def lion(weight: nn.Parameter, rounding: str, lr: float, decay: float = 0.0) -> torch.optim.Optimizer:
    return make_optimizer("lion", [weight], lr=lr, rounding=rounding, seed=1, betas=[0.9, 0.99], weight_decay=decay)  # fmt: skip


def test_updates_of_a_thousandth_are_lost_without_a_remedy() -> None:
    weight = bfloat()
    assert move(weight, lion(weight, "none", 1e-3), 1000, 1.0)[-1] == 1.0


def test_with_kahan_they_arrive() -> None:
    weight = bfloat()
    path = move(weight, lion(weight, "kahan", 1e-3), 1000, 1.0)
    assert path[:10] == [1.0, *[0.99609375] * 4, *[0.9921875] * 4, 0.98828125]
    assert path[-1] == pytest.approx(0, abs=1e-3)


def test_rounded_by_chance_they_arrive_on_average() -> None:
    weight = bfloat((4000,))
    path = move(weight, lion(weight, "stochastic", 1e-3), 100, 1.0)
    # each entry walks by chance: a hundred draws of a spacing of 2⁻⁸, none wider than half of it
    assert path[-1] == pytest.approx(0.9, abs=5 * 2**-9 * math.sqrt(100 / 4000))
    assert weight.unique().numel() > 3


def test_adamw_with_kahan_goes_where_adamw_in_float32_goes() -> None:
    weights = {"none": nn.Parameter(torch.ones(1)), "kahan": bfloat()}
    ends = {
        rounding: move(weight, make_optimizer("adamw", [weight], lr=1e-3, rounding=rounding, seed=1, weight_decay=0, **ADAM),
                       500, 0.25)[-1]
        for rounding, weight in weights.items()
    }  # fmt: skip
    assert ends["none"] == pytest.approx(0.5, abs=1e-4)
    assert ends["kahan"] == pytest.approx(0.5, abs=0.01)


def test_kahan_loses_weight_decay_and_chance_keeps_it() -> None:
    """Decay is outside of what Kahan makes good: 1 - 1e-3 rounds back to 1. RCP4042 says so."""
    kept = bfloat((4000,))
    lost = bfloat((4000,))
    assert move(lost, lion(lost, "kahan", 1e-2, decay=0.1), 200, 0.0)[-1] == 1.0
    assert move(kept, lion(kept, "stochastic", 1e-2, decay=0.1), 200, 0.0)[-1] == pytest.approx(0.999**200, abs=2e-3)  # fmt: skip


def test_the_averages_are_in_float32_and_only_for_chance() -> None:
    for rounding, dtype in (("stochastic", torch.float32), ("kahan", torch.bfloat16)):
        weight = bfloat()
        optimizer = make_optimizer("adamw", [weight], lr=1e-3, rounding=rounding, seed=1, weight_decay=0, **ADAM)  # fmt: skip
        move(weight, optimizer, 2, 1.0)
        assert weight.dtype == torch.bfloat16
        assert optimizer.state[weight]["exp_avg"].dtype == dtype


def test_the_chance_is_that_of_seed_step_and_parameter_and_of_nothing_else() -> None:
    def ends(seed: int) -> tuple[torch.Tensor, ...]:
        weights = [bfloat((500,)), bfloat((500,))]
        optimizer = make_optimizer("lion", weights, lr=1e-3, rounding="stochastic", seed=seed, betas=[0.9, 0.99], weight_decay=0)  # fmt: skip
        found = []
        for _ in range(2):
            for weight in weights:
                weight.grad = torch.ones_like(weight)
            optimizer.step()
            found.append([weight.detach().clone() for weight in weights])
        return found[0][0], found[0][1], found[1][0]

    torch.manual_seed(11)
    before = torch.get_rng_state()
    first, second, later = ends(5)
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    assert torch.equal(first, ends(5)[0])
    assert not torch.equal(first, ends(6)[0])
    assert not torch.equal(first, second), "parameters do not share their chance"
    assert not torch.equal(later == first, first == 1), "nor do steps"


def test_a_parameter_without_a_gradient_is_left_alone() -> None:
    idle, busy = bfloat(value=1.5), bfloat()
    optimizer = make_optimizer("lion", [idle, busy], lr=0.5, rounding="stochastic", seed=1, betas=[0.9, 0.99], weight_decay=0.5)  # fmt: skip
    busy.grad = torch.ones_like(busy)
    optimizer.step()
    assert (idle.item(), busy.item()) == (1.5, 0.25)
    assert idle not in optimizer.state


def test_a_parameter_in_float32_among_the_others_is_not_rounded() -> None:
    exact, alone = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizers = [
        make_optimizer("lion", [bfloat(), exact], lr=1e-3, rounding="stochastic", seed=1, betas=[0.9, 0.99], weight_decay=0),
        lion(alone, "none", 1e-3),
    ]  # fmt: skip
    assert move(exact, optimizers[0], 3, 1.0) == move(alone, optimizers[1], 3, 1.0)
    assert 0.996 < exact.item() < 0.9975


def test_a_step_that_fails_leaves_the_parameters_in_their_group() -> None:
    weights = [bfloat(), bfloat()]
    optimizer = make_optimizer("lion", weights, lr=0.5, rounding="stochastic", seed=1, betas=[0.9, 0.99], weight_decay=0)  # fmt: skip
    weights[0].grad = torch.ones_like(weights[0])
    optimizer.inner.step = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert optimizer.param_groups[0]["params"] == weights


def test_gradients_are_let_go_and_the_rate_is_that_of_the_loop() -> None:
    weight = bfloat()
    optimizer = lion(weight, "stochastic", 0.0)
    optimizer.param_groups[0]["lr"] = 0.5
    assert move(weight, optimizer, 1, 1.0) == [0.5]
    optimizer.zero_grad(set_to_none=True)
    assert weight.grad is None
