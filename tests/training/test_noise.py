"""Flow matching against pencil and paper."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from engine.language.rules import noise as rules
from engine.training.noise import (
    LOSSES,
    MOST_MODE,
    Beta,
    Fixed,
    Levels,
    LogitNormal,
    Mode,
    Uniform,
    add_noise,
    draw_sigma,
    evenly_spread,
    flow_loss,
    generator,
    huber_loss,
    shift_for_size,
    shift_sigma,
    squared_loss,
)


def sigmas(
    levels: Levels, shift: float, count: int = 20_000, lowest: float = 0, highest: float = 1
) -> Tensor:
    rng = generator(3, "noise", 0)  # one for all: a new one for each draw would take longer than drawing
    return torch.stack([draw_sigma(levels, shift, rng, lowest, highest) for _ in range(count)])


def distance(drawn: Tensor, below) -> float:
    """Kolmogorov and Smirnov's: between how many were drawn below a level, and how many should be."""
    return float(stats.kstest(drawn.double().numpy(), below).statistic)


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


def test_the_rules_count_with_the_same_shifts_and_the_same_largest_mode() -> None:
    """They are free of torch, and so have formulas of their own."""
    for sigma, shift in itertools.product((0, 0.1, 0.5, 0.9, 1), (0.01, 1, 3, 20)):
        assert rules._shift(sigma, shift) == shift_sigma(sigma, shift)
    assert pytest.approx((shift_for_size(1), shift_for_size(10**9))) == rules.BY_SIZE
    assert rules.MOST_MODE == MOST_MODE


@pytest.mark.parametrize(("first", "second"), [*itertools.product((0.5, 1, 3), (1, 2, 5))])
def test_two_shifts_multiply(first: float, second: float) -> None:
    sigma = torch.linspace(0, 1, 101, dtype=torch.float64)
    once = shift_sigma(sigma, first * second)
    torch.testing.assert_close(shift_sigma(shift_sigma(sigma, first), second), once)


QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
KS_20_000 = 1.63 / math.sqrt(20_000)  # 99 of 100 samples of that size are nearer to their own distribution


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


@pytest.mark.parametrize(
    ("alpha", "beta"), [(2, 2), (1, 2), (0.5, 0.5), (0.3, 4), (30, 7)], ids=lambda shape: f"{shape:g}"
)
def test_beta_levels_are_beta_distributed(alpha: float, beta: float) -> None:
    drawn = sigmas(Beta(alpha, beta), 1)
    assert distance(drawn, stats.beta(alpha, beta).cdf) < KS_20_000
    assert drawn.dtype == torch.float32


def test_beta_2_2_has_its_quantiles_and_its_variance() -> None:
    drawn = sigmas(Beta(2, 2), 1).double().numpy()
    expected = (0.1958, 0.326352, 0.5, 0.673648, 0.8042)
    assert np.quantile(drawn, QUANTILES).tolist() == pytest.approx(expected, abs=0.01)
    assert drawn.var() == pytest.approx(0.05, abs=0.002)


def test_beta_1_2_is_1_minus_a_root() -> None:
    assert distance(sigmas(Beta(1, 2), 1), lambda sigma: 1 - (1 - sigma) ** 2) < KS_20_000


@pytest.mark.parametrize(
    ("scale", "quantiles"),
    [
        pytest.param(1.29, (0.197431, 0.383584, 0.616416, 0.802569), id="the usual one"),
        pytest.param(0, (0.1, 0.25, 0.75, 0.9), id="0 is uniform"),
    ],
)
def test_mode_levels_have_their_quantiles(scale: float, quantiles: tuple[float, ...]) -> None:
    drawn = sigmas(Mode(scale), 1).numpy()
    # four standard errors, where a level is met half as often as by uniform chance
    assert np.quantile(drawn, (0.1, 0.25, 0.75, 0.9)).tolist() == pytest.approx(quantiles, abs=0.025)


@pytest.mark.parametrize("scale", [-1, -0.5, 0.5, 1.29, MOST_MODE])
def test_mode_levels_follow_the_formula_and_stay_between_data_and_noise(scale: float) -> None:
    u = np.linspace(1, 0, 200_001)
    rising = 1 - u - scale * (np.cos(np.pi * u / 2) ** 2 - 1 + u)  # monotone, so that it is its own quantiles
    drawn = sigmas(Mode(scale), 1)
    assert distance(drawn, lambda sigma: np.interp(sigma, rising, 1 - u)) < KS_20_000
    assert 0 <= drawn.min() < drawn.max() <= 1


@pytest.mark.parametrize("scale", [-1.01, 1.76, math.nan])
def test_a_mode_that_folds_over_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"scale from -1 to 1\.7519"):
        Mode(scale)


def test_fixed_levels_are_equally_likely_and_shifted() -> None:
    values, counts = np.unique(sigmas(Fixed((1, 0.75, 0.5, 0.25)), 3, 8000).numpy(), return_counts=True)
    assert values.tolist() == pytest.approx([0.5, 0.75, 0.9, 1])
    assert counts.tolist() == pytest.approx([2000] * 4, abs=4 * math.sqrt(8000 * 3 / 16))


ABOVE = [  # shift, boundary, share of uniform levels above it, share of logit-normal ones
    (1, 0.875, 0.125, 0.025833),
    (1, 0.9, 0.1, 0.014002),
    (5, 0.875, 0.416667, 0.368257),
    (5, 0.9, 0.357143, 0.278338),
    (12, 0.875, 0.631579, 0.705055),
]


@pytest.mark.parametrize(("shift", "boundary", "uniform", "bell"), ABOVE)
def test_so_many_levels_belong_to_the_high_expert(
    shift: float, boundary: float, uniform: float, bell: float
) -> None:
    for levels, share in ((Uniform(), uniform), (LogitNormal(0, 1), bell)):
        drawn = sigmas(levels, shift)
        error = math.sqrt(share * (1 - share) / len(drawn))
        assert (drawn.double() >= boundary).double().mean().item() == pytest.approx(share, abs=4 * error)


def test_a_range_keeps_the_shape_of_uniform_levels() -> None:
    drawn = sigmas(Uniform(), 5, 100_000, lowest=0.9).double()
    assert drawn.min() >= 0.9
    # by rejection or in closed form: uniform from 0.9 / (5 − 4 · 0.9) on, then shifted
    first = 0.642857142857
    assert distance(drawn, lambda sigma: (sigma / (5 - 4 * sigma) - first) / (1 - first)) < 0.005


@pytest.mark.parametrize(
    ("levels", "below"),
    [
        (LogitNormal(0.5, 1), lambda u: stats.norm(0.5, 1).cdf(special.logit(u))),
        (Beta(2, 3), stats.beta(2, 3).cdf),
        (Uniform(), lambda u: u),
    ],
    ids=["logit-normal", "beta", "uniform"],
)
def test_a_range_keeps_the_shape_of_any_levels(levels: Levels, below) -> None:
    drawn = sigmas(levels, 3, 10_000, lowest=0.3, highest=0.7).double()
    first, end = (below(bound / (3 - 2 * bound)) for bound in (0.3, 0.7))
    assert distance(drawn, lambda sigma: (below(sigma / (3 - 2 * sigma)) - first) / (end - first)) < 0.0163
    assert drawn.min() >= 0.3
    assert drawn.max() < 0.7


def test_a_level_at_the_boundary_belongs_to_the_high_expert_alone() -> None:
    at_it = Fixed((0.9, 0.75))  # 0.9 as it is written, and 0.75 that a shift of 3 brings there
    assert sigmas(at_it, 1, 50, lowest=0.9).tolist() == pytest.approx([0.9] * 50)
    assert sigmas(at_it, 1, 50, highest=0.9).tolist() == [0.75] * 50
    assert sorted(set(sigmas(at_it, 3, 50, lowest=0.9).tolist())) == pytest.approx([0.9, 2.7 / 2.8])
    with pytest.raises(ValueError, match=r"is 0 or more and below 0\.9"):
        draw_sigma(at_it, 3, generator(0), highest=0.9)


def test_1_as_the_end_of_a_range_leaves_pure_noise_in_and_less_does_not() -> None:
    assert sigmas(Fixed((1,)), 3, 3, lowest=0.5).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="widen the range"):
        draw_sigma(Fixed((1,)), 3, generator(0), highest=0.999)


def test_a_range_that_no_level_reaches_is_given_up() -> None:
    with pytest.raises(ValueError, match=r"LogitNormal\(mean=-20.* is 0\.9 or more and below 1"):
        draw_sigma(LogitNormal(-20, 1), 1, generator(0), lowest=0.9)


def test_a_range_of_everything_changes_no_draw() -> None:
    levels = LogitNormal(0, 1)
    whole, open_ended = (
        [draw_sigma(levels, 3, generator(1, "noise", at), *bounds).item() for at in range(100)]
        for bounds in ((), (0, 1))
    )
    assert whole == open_ended


@pytest.mark.parametrize(
    "levels",
    [LogitNormal(0, 1), Uniform(), Beta(2, 3), Mode(1.29), Fixed((0.25, 0.5, 0.75, 1))],
    ids=lambda levels: type(levels).__name__,
)
def test_a_level_is_a_function_of_seed_and_position_whatever_is_drawn_again(levels: Levels) -> None:
    def drawn(seed: int, positions: range) -> list[float]:
        return [draw_sigma(levels, 3, generator(seed, "noise", at), 0.5, 0.95).item() for at in positions]

    before = torch.get_rng_state()
    forwards = drawn(7, range(40))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(123)
    assert drawn(7, range(39, -1, -1)) == forwards[::-1]
    assert drawn(8, range(40)) != forwards
    assert drawn(7, range(40, 80)) != forwards


@pytest.mark.parametrize(
    ("tokens", "shift"),
    [
        pytest.param(1, 1.6487, id="a small frame"),
        pytest.param(256, 1.6487, id="256"),
        pytest.param(1560, 2.0559, id="832x480"),
        pytest.param(3600, 2.9039, id="1280x720"),
        pytest.param(4096, 3.1582, id="4096"),
        pytest.param(32_760, 3.1582, id="no frame has so many"),
    ],
)
def test_a_shift_grows_with_the_size_of_a_frame(tokens: int, shift: float) -> None:
    assert shift_for_size(tokens) == pytest.approx(shift, abs=5e-5)


@pytest.mark.parametrize("bounds", [(0, 1), (0.9, 1), (0, 0.9), (0.3, 0.35)])
@pytest.mark.parametrize("shift", [0.5, 1, 3, 12])
def test_levels_to_evaluate_at_are_evenly_spread_before_the_shift(
    shift: float, bounds: tuple[float, float]
) -> None:
    spread = evenly_spread(8, shift, *bounds).double().numpy()
    first, end = (bound / (shift - (shift - 1) * bound) for bound in bounds)
    before = [first + (end - first) * (place + 0.5) / 8 for place in range(8)]
    np.testing.assert_allclose(spread, [shift * u / (1 + (shift - 1) * u) for u in before], atol=1e-7)
    assert bounds[0] < spread[0]
    assert spread[-1] < bounds[1]
    assert (np.diff(spread) > 0).all()


def test_one_level_to_evaluate_at_is_the_middle() -> None:
    assert evenly_spread(1, 3).tolist() == [0.75]
    assert evenly_spread(1, 3).dtype == torch.float32


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


def test_the_squared_loss_is_a_mean_of_squares_for_each_sample() -> None:
    prediction, target = latents(3, 3, 2, 4, 4)
    expected = np.mean((prediction.double().numpy() - target.double().numpy()) ** 2, axis=(1, 2, 3, 4))
    loss = squared_loss(prediction, target)
    assert loss.dtype == torch.float32
    assert loss.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("delta", [0.1, 1, 10])
def test_hubers_loss_is_hubers_for_each_sample(delta: float) -> None:
    prediction, target = latents(3, 3, 2, 4, 4)
    errors = prediction.double().numpy() - target.double().numpy()
    expected = special.huber(delta, errors).mean(axis=(1, 2, 3, 4))
    loss = huber_loss(prediction, target, delta)
    assert loss.dtype == torch.float32
    assert loss.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_hubers_loss_on_paper_and_an_outlier_pulls_no_harder_than_delta() -> None:
    prediction = torch.tensor([0.2, -0.5, 3.0]).view(3, 1, 1, 1, 1).requires_grad_()
    loss = huber_loss(prediction, torch.zeros(3, 1, 1, 1, 1), 0.5)
    assert loss.tolist() == pytest.approx([0.02, 0.125, 0.5 * (3 - 0.25)])
    loss.sum().backward()
    assert prediction.grad is not None
    assert prediction.grad.flatten().tolist() == pytest.approx([0.2, -0.5, 0.5])


@pytest.mark.parametrize(("kind", "words"), [("l2", {}), ("huber", {"delta": 0.3})])
def test_every_loss_of_a_sample_is_its_own_and_counted_in_float32(kind: str, words: dict[str, float]) -> None:
    prediction, target = (tensor.bfloat16() for tensor in latents(3, 2, 2, 4, 4))
    together = LOSSES[kind](prediction, target, **words)
    alone = [LOSSES[kind](prediction[row, None], target[row, None], **words) for row in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    exact = LOSSES[kind](prediction.double(), target.double(), **words)
    assert together.dtype == torch.float32
    torch.testing.assert_close(together, exact, rtol=1e-6, atol=0)


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
