"""Flow matching against pencil and paper."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.training.noise import (
    LogitNormal,
    Uniform,
    add_noise,
    draw_sigma,
    flow_loss,
    generator,
    shift_sigma,
)


def sigmas(levels: LogitNormal | Uniform, shift: float, count: int = 20_000) -> Tensor:
    return torch.stack(
        [draw_sigma(levels, shift, generator(3, "noise", position)) for position in range(count)]
    )


def latents(*shape: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)


def test_a_quarter_of_the_way_from_data_to_noise() -> None:
    latent = torch.tensor([1.0, -2.0]).view(1, 1, 1, 1, 2)
    noise = torch.tensor([3.0, 4.0]).view(1, 1, 1, 1, 2)
    noisy, velocity = add_noise(latent, noise, torch.tensor([0.25]))
    assert noisy.flatten().tolist() == [1.5, -0.5]
    assert velocity.flatten().tolist() == [2.0, 6.0]


def test_following_the_velocity_gives_the_data_one_way_and_the_noise_the_other() -> None:
    latent, noise = latents(3, 4, 2, 5, 6)
    sigma = torch.tensor([0.1, 0.5, 0.9])
    noisy, velocity = add_noise(latent, noise, sigma)
    sigma = sigma.view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(noisy - sigma * velocity, latent)
    torch.testing.assert_close(noisy + (1 - sigma) * velocity, noise)


def test_each_sample_has_its_own_noise_level() -> None:
    latent, noise = latents(3, 2, 2, 2, 2)
    noisy, _ = add_noise(latent, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(noisy[0], latent[0])
    assert torch.equal(noisy[2], noise[2])
    expected = 0.75 * latent[1].double().numpy() + 0.25 * noise[1].double().numpy()
    np.testing.assert_allclose(noisy[1].numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        pytest.param(1, (0.1, 0.25, 0.5, 0.75, 0.9), id="1 leaves them"),
        pytest.param(3, (0.25, 0.5, 0.75, 0.9, 0.964286), id="3"),
        pytest.param(5, (0.357143, 0.625, 0.833333, 0.9375, 0.978261), id="5"),
        pytest.param(12, (0.571429, 0.8, 0.923077, 0.972973, 0.990826), id="12"),
    ],
)
def test_shift_pushes_towards_noise(shift: float, expected: tuple[float, ...]) -> None:
    shifted = shift_sigma(torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9]), shift)
    assert shifted.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("first", "second"), [*itertools.product((0.5, 1, 3), (1, 2, 5))])
def test_two_shifts_multiply(first: float, second: float) -> None:
    sigma = torch.linspace(0, 1, 101, dtype=torch.float64)
    once = shift_sigma(sigma, first * second)
    torch.testing.assert_close(shift_sigma(shift_sigma(sigma, first), second), once)


QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@pytest.mark.parametrize(
    ("scale", "shift", "expected"),
    [
        (1, 1, (0.217286, 0.337492, 0.5, 0.662508, 0.782714)),
        (1, 3, (0.454392, 0.604469, 0.75, 0.854843, 0.915302)),
        (1, 5, (0.581245, 0.718078, 0.833333, 0.907537, 0.947399)),
        (2, 1, (0.071551, 0.206037, 0.5, 0.793963, 0.928449)),
    ],
)
def test_logit_normal_levels_have_their_quantiles(
    scale: float, shift: float, expected: tuple[float, ...]
) -> None:
    drawn = sigmas(LogitNormal(0, scale), shift).numpy()
    # four standard errors of a quantile of 20,000 draws, at the thinnest of these places
    assert np.quantile(drawn, QUANTILES).tolist() == pytest.approx(expected, abs=0.012)


def test_uniform_levels_are_uniform() -> None:
    assert np.quantile(sigmas(Uniform(), 1).numpy(), QUANTILES).tolist() == pytest.approx(
        QUANTILES, abs=0.015
    )


def test_a_shift_is_a_mean_of_its_logarithm() -> None:
    shifted, moved = sigmas(LogitNormal(0, 1), 3, 100), sigmas(LogitNormal(math.log(3), 1), 1, 100)
    torch.testing.assert_close(shifted, moved)


def test_levels_stay_between_data_and_noise() -> None:
    drawn = sigmas(LogitNormal(0, 1), 5, 5000)
    assert drawn.dtype == torch.float32
    assert 0 < drawn.min() < drawn.max() < 1


def test_a_draw_is_a_function_of_seed_and_position_and_of_nothing_else() -> None:
    forwards = [torch.randn(4, generator=generator(7, "noise", position)) for position in range(5)]
    torch.manual_seed(123)
    torch.rand(99)
    backwards = [torch.randn(4, generator=generator(7, "noise", position)) for position in reversed(range(5))]
    assert all(map(torch.equal, forwards, reversed(backwards)))


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    draw_sigma(LogitNormal(0, 1), 3, generator(7, "noise", 0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((7, "noise", 1), (8, "noise", 1), id="the seed"),
        pytest.param((7, "noise", 1), (7, "noise", 2), id="the position"),
        pytest.param((7, "noise", 1), (7, "caption", 1), id="the purpose"),
        pytest.param((1, 23), (12, 3), id="where one number ends"),
    ],
)
def test_draws_differ_with(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    assert generator(*one).initial_seed() != generator(*other).initial_seed()  # type: ignore[arg-type]


def test_no_two_of_many_positions_share_a_generator() -> None:
    seeds = {
        generator(seed, "noise", position).initial_seed() for seed in range(4) for position in range(2000)
    }
    assert len(seeds) == 8000


def test_noise_of_neighbouring_positions_is_independent_and_normal() -> None:
    drawn = torch.stack(
        [torch.randn(50, generator=generator(0, "noise", place)) for place in range(400)]
    ).double()
    assert drawn.mean().abs() < 4 / 20_000**0.5
    assert (drawn.var() - 1).abs() < 4 * (2 / 20_000) ** 0.5
    assert (drawn[:-1] * drawn[1:]).mean().abs() < 4 / 20_000**0.5


def test_the_loss_is_a_mean_of_squares() -> None:
    prediction, target = latents(2, 3, 2, 4, 4)
    expected = np.mean((prediction.double().numpy() - target.double().numpy()) ** 2)
    assert flow_loss(prediction, target).item() == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_counted_in_float32() -> None:
    prediction, target = (tensor.bfloat16() for tensor in latents(2, 3, 2, 4, 4))
    expected = np.mean((prediction.double().numpy() - target.double().numpy()) ** 2)
    loss = flow_loss(prediction, target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_who_predicts_nothing_has_a_loss_of_two() -> None:
    latent, noise = latents(8, 16, 3, 8, 8)
    _, velocity = add_noise(latent, noise, torch.full((8,), 0.5))
    assert flow_loss(torch.zeros_like(velocity), velocity).item() == pytest.approx(2, abs=0.05)
