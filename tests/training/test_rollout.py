"""Scheduled sampling: what a model with a known error makes of known data."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.training.noise import add_noise
from engine.training.rollout import Rollout, roll, share_at, starts

ALL = Rollout(
    probability=1,
    start_probability=1,
    ramp_steps=0,
    reach=0.3,
    strategy="uniform",
    steps=2,
    target="drawn",
)
SIGMA = (0.1, 0.4, 0.6, 0.8)


def batch(count: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    latent, noise = (torch.randn(count, 3, 2, 4, 5, generator=rng) for _ in range(2))
    return latent, noise, torch.tensor(SIGMA[:count])


class Model:
    """A model that knows the velocity, is wrong by a constant, and keeps count."""

    def __init__(self, latent: Tensor, noise: Tensor, error: float = 0) -> None:
        self.velocity = noise - latent + error
        self.calls: list[tuple[list[float], list[int]]] = []

    def __call__(self, noisy: Tensor, sigma: Tensor, rows: Tensor) -> Tensor:
        assert not torch.is_grad_enabled(), "a rollout is not learnt from"
        assert noisy.shape == self.velocity[rows].shape
        self.calls.append((sigma.tolist(), rows.tolist()))
        return self.velocity[rows]


def rolled(
    rollout: Rollout, error: float = 0, positions: Sequence[int] = range(4), step: int = 0, highest: float = 1
) -> tuple[Tensor, Tensor, Model]:
    latent, noise, sigma = batch()
    model = Model(latent, noise, error)
    noisy, target = roll(rollout, model, latent, noise, sigma, positions, seed=5, step=step, highest=highest)
    return noisy, target, model


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
@pytest.mark.parametrize("strategy", ["uniform", "near", "far"])
def test_a_perfect_model_comes_to_where_data_and_noise_are_mixed(strategy: str, steps: int) -> None:
    rollout = dataclasses.replace(ALL, strategy=strategy, steps=steps)
    noisy, target, model = rolled(rollout)
    latent, noise, sigma = (tensor.double().numpy() for tensor in batch())
    mixed = (1 - sigma.reshape(-1, 1, 1, 1, 1)) * latent + sigma.reshape(-1, 1, 1, 1, 1) * noise
    np.testing.assert_allclose(noisy.numpy(), mixed, atol=2e-6)
    np.testing.assert_allclose(target.numpy(), noise - latent, rtol=1e-6, atol=1e-6)
    assert len(model.calls) == steps


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_constant_error_adds_up_over_the_way(steps: int) -> None:
    latent = torch.tensor([1.0, -2.0]).view(1, 1, 1, 1, 2)
    noise = torch.tensor([3.0, 4.0]).view(1, 1, 1, 1, 2)
    error = torch.tensor([1.0, 2.0]).view(1, 1, 1, 1, 2)
    # the end of the range cuts the way: from 0.6, surely, if the reach is long
    rollout = dataclasses.replace(ALL, reach=1, strategy="far", steps=steps)
    sigma = torch.tensor([0.5])
    assert starts(rollout, sigma, [0], 0, 0, 0.6).tolist() == pytest.approx([0.6], abs=1e-6)
    noisy, _ = roll(
        rollout, lambda *_: noise - latent + error, latent, noise, sigma, [0], seed=0, step=0, highest=0.6
    )
    mixed, _ = add_noise(latent, noise, sigma)
    assert (noisy - mixed).flatten().tolist() == pytest.approx([-0.1, -0.2], abs=1e-6)


def test_steps_are_equal_and_lead_from_the_start_to_the_level_that_is_learnt() -> None:
    _, _, model = rolled(dataclasses.replace(ALL, steps=4))
    _, _, sigma = batch()
    start = starts(ALL, sigma, range(4), 5, 0, 1)
    expected = [(start.double() + (sigma.double() - start.double()) * step / 4).tolist() for step in range(4)]
    assert [levels for levels, _ in model.calls] == [pytest.approx(levels, abs=1e-6) for levels in expected]


def test_the_corrected_target_leads_from_where_the_model_came_to_to_the_data() -> None:
    corrected, drawn = (dataclasses.replace(ALL, target=target) for target in ("corrected", "drawn"))
    noisy, target, _ = rolled(corrected, error=0.7)
    latent, noise, sigma = batch()
    np.testing.assert_allclose(
        (noisy - sigma.view(-1, 1, 1, 1, 1) * target).numpy(), latent.numpy(), atol=1e-6
    )
    # the error of the way, over the noise level that it ends at
    way = (sigma - starts(ALL, sigma, range(4), 5, 0, 1)).double().numpy() * 0.7 / sigma.double().numpy()
    expected = (noise - latent).double().numpy() + way.reshape(-1, 1, 1, 1, 1)
    np.testing.assert_allclose(target.numpy(), expected, atol=2e-5)
    same, as_drawn, _ = rolled(drawn, error=0.7)
    assert torch.equal(same, noisy)
    assert torch.equal(as_drawn, noise - latent)


def test_a_share_of_0_is_ordinary_training_to_the_last_bit() -> None:
    noisy, target, model = rolled(dataclasses.replace(ALL, probability=0, start_probability=0), error=9)
    mixed, velocity = add_noise(*batch())
    assert torch.equal(noisy, mixed)
    assert torch.equal(target, velocity)
    assert model.calls == []


@pytest.mark.parametrize("target", ["drawn", "corrected"])
def test_samples_that_do_not_roll_are_not_touched_and_not_predicted(target: str) -> None:
    rollout = dataclasses.replace(ALL, probability=0.5, start_probability=0.5, target=target)
    noisy, velocity, model = rolled(rollout, error=9, positions=range(100, 104))
    latent, noise, sigma = batch()
    mixed, drawn = add_noise(latent, noise, sigma)
    touched = (noisy != mixed).flatten(1).any(1).nonzero().flatten().tolist()
    assert 0 < len(touched) < 4, "take other positions: this test is about some"
    assert [rows for _, rows in model.calls] == [touched, touched]
    still = [row for row in range(4) if row not in touched]
    assert torch.equal(noisy[still], mixed[still])
    assert torch.equal(velocity[still], drawn[still])


def test_neither_the_batch_nor_global_chance_decides_what_rolls() -> None:
    rollout = dataclasses.replace(ALL, probability=0.5)
    sigma = torch.full((64,), 0.5)
    whole = starts(rollout, sigma, range(64), 5, 0, 1)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    halves = [starts(rollout, sigma[:32], at, 5, 0, 1) for at in (range(32), range(32, 64))]
    assert torch.equal(torch.cat(halves), whole)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(starts(rollout, sigma, range(64), 6, 0, 1), whole)
    assert not torch.equal(starts(rollout, sigma, range(64, 128), 5, 0, 1), whole)


def test_the_share_of_the_samples_is_the_probability() -> None:
    sigma = torch.full((4000,), 0.5)
    begun = starts(dataclasses.replace(ALL, probability=0.3), sigma, range(4000), 1, 0, 1)
    assert (begun > sigma).double().mean().item() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 4000))


@pytest.mark.parametrize(
    ("strategy", "below"),
    [("uniform", lambda x: x), ("near", lambda x: 1 - (1 - x) ** 2), ("far", lambda x: x**2)],
)
def test_distances_have_their_density_up_to_the_reach(strategy: str, below) -> None:
    sigma = torch.zeros(4000, dtype=torch.float64) + 0.5
    rollout = dataclasses.replace(ALL, reach=0.4, strategy=strategy)
    shares = np.sort((starts(rollout, sigma, range(4000), 2, 0, 1) - sigma).numpy()) / 0.4
    assert shares[0] > 0
    assert shares[-1] <= 1 + 1e-6
    ranks = (np.arange(4000) + 0.5) / 4000
    assert np.abs(below(shares) - ranks).max() < 1.63 / math.sqrt(4000)  # Kolmogorov: passed by 99 of 100


@pytest.mark.parametrize(
    ("start", "ramp", "expected"),
    [
        pytest.param(0, 100, {0: 0, 25: 0.2, 50: 0.4, 99: 0.792, 100: 0.8, 5000: 0.8}, id="from nothing"),
        pytest.param(0.4, 100, {0: 0.4, 50: 0.6, 100: 0.8}, id="from some"),
        pytest.param(0.9, 100, {0: 0.9, 50: 0.85, 100: 0.8}, id="downwards"),
        pytest.param(0, 0, {0: 0.8, 1: 0.8}, id="no ramp"),
    ],
)
def test_the_share_ramps_up(start: float, ramp: int, expected: dict[int, float]) -> None:
    rollout = dataclasses.replace(ALL, probability=0.8, start_probability=start, ramp_steps=ramp)
    assert {step: share_at(rollout, step) for step in expected} == pytest.approx(expected)


def test_a_ramp_from_0_begins_without_rollouts_and_who_rolls_once_rolls_on() -> None:
    rollout = dataclasses.replace(ALL, start_probability=0, ramp_steps=10)
    assert rolled(rollout, step=0)[2].calls == []
    sigma = torch.full((200,), 0.5)
    rolling = [starts(rollout, sigma, range(200), 5, step, 1) > sigma for step in range(12)]
    counts = [int(now.sum()) for now in rolling]
    assert all(bool((later >= now).all()) for now, later in itertools.pairwise(rolling))
    assert counts[0] == 0
    assert 0 < counts[2] < counts[7] < counts[10] == counts[11] == 200


def test_a_rollout_costs_its_steps_a_batch_and_only_where_something_rolls() -> None:
    rollout = dataclasses.replace(ALL, probability=0.2, steps=3)
    calls = [len(rolled(rollout, positions=range(4 * at, 4 * at + 4))[2].calls) for at in range(500)]
    assert set(calls) == {0, 3}
    # a batch of 4 has none that rolls with chance 0.8⁴
    expected = 3 * (1 - 0.8**4)
    assert np.mean(calls) == pytest.approx(expected, abs=4 * 3 * math.sqrt(0.8**4 * (1 - 0.8**4) / 500))


@pytest.mark.parametrize("highest", [0.417, 0.875, 0.9])
def test_no_rollout_starts_at_the_levels_of_the_other_expert(highest: float) -> None:
    sigma = torch.linspace(0.01, highest - 1e-4, 500)
    begun = starts(dataclasses.replace(ALL, reach=1), sigma, range(500), 3, 0, highest)
    assert begun.dtype == torch.float32
    assert begun.double().max().item() < highest
    assert (begun > highest - 1e-6).sum() > 50, "some are held by the boundary"


def test_without_another_expert_a_rollout_starts_at_pure_noise_at_most() -> None:
    sigma = torch.linspace(0.01, 1, 500)
    begun = starts(dataclasses.replace(ALL, reach=1), sigma, range(500), 3, 0, 1)
    assert begun.max() == 1
    assert (begun >= sigma).all()


@pytest.mark.parametrize("target", ["drawn", "corrected"])
def test_pure_data_and_pure_noise_are_not_rolled_out(target: str) -> None:
    latent, noise, _ = batch(2)
    sigma, model = torch.tensor([0.0, 1.0]), Model(latent, noise, error=9)
    rollout = dataclasses.replace(ALL, target=target)
    noisy, velocity = roll(rollout, model, latent, noise, sigma, range(2), seed=5, step=0, highest=1)
    assert torch.equal(noisy, torch.stack([latent[0], noise[1]]))
    assert torch.equal(velocity, noise - latent)
    assert model.calls == []


def test_what_a_model_of_few_bits_makes_is_float32() -> None:
    latent, noise, sigma = batch()
    noisy, target = roll(
        dataclasses.replace(ALL, target="corrected"), lambda noisy, *_: noisy.bfloat16(), latent, noise, sigma,
        range(4), seed=5, step=0, highest=1,
    )  # fmt: skip
    assert noisy.dtype == target.dtype == torch.float32


def test_no_gradient_goes_through_a_rollout() -> None:
    latent, noise, sigma = batch()
    weight = torch.nn.Parameter(torch.tensor(2.0))
    noisy, target = roll(
        ALL, lambda noisy, *_: weight * noisy, latent, noise, sigma, range(4), seed=5, step=0, highest=1
    )
    assert not noisy.requires_grad
    assert not target.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_rolls_out_what_a_cpu_rolls_out() -> None:
    rollout = dataclasses.replace(ALL, probability=0.5, target="corrected")
    here, there = ([tensor.to(device) for tensor in batch()] for device in ("cpu", "cuda"))
    (noisy, target), (noisy_there, target_there) = (
        roll(rollout, Model(*where[:2], error=0.7), *where, range(100, 104), seed=5, step=0, highest=0.9)
        for where in (here, there)
    )
    torch.testing.assert_close(noisy_there.cpu(), noisy)
    torch.testing.assert_close(target_there.cpu(), target)
