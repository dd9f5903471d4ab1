"""The evaluation loss: the same numbers for the same weights, whenever, in whatever order, and without a trace."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.training.evaluation import Curve, Item, evaluate, still
from engine.training.loop import Metrics, NotFinite, Settings, Watch, train
from engine.training.noise import evenly_spread, generator, huber_loss, squared_loss
from engine.training.order import Group, Order
from engine.training.state import State

SEED = 7
SIGMAS = (0.1, 0.35, 0.6, 0.85)
SHAPES = {3: (2, 3, 4, 4), 5: (2, 1, 4, 6), 8: (2, 3, 4, 4)}
ITEMS = tuple(Item(index, f"clip-{index}", SIGMAS) for index in SHAPES)


def latent(index: int) -> Tensor:
    return torch.randn(SHAPES[index], generator=torch.Generator().manual_seed(index))


def noise(name: str, level: int, shape: Sequence[int], seed: int = SEED) -> Tensor:
    return torch.randn(shape, generator=generator(seed, "evaluation", name, level))


class Net(nn.Module):
    """Predicts from what it is shown, each sample by itself, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.mix = nn.Conv3d(2, 2, 3, padding=1)
        rng = torch.Generator().manual_seed(0)
        for weight in self.mix.parameters():
            weight.data.copy_(0.2 * torch.randn(weight.shape, generator=rng))

    def forward(self, noisy_BCFHW: Tensor, sigma_B: Tensor, indices: Sequence[int]) -> Tensor:
        assert len(noisy_BCFHW) == len(sigma_B) == len(indices)
        return self.mix(self.drop(noisy_BCFHW)) * (1 + sigma_B.view(-1, 1, 1, 1, 1))


def measured(predict: object, items: Sequence[Item] = ITEMS, **changes: object) -> Curve | None:
    told = {
        "model": nn.Identity(),
        "loss": squared_loss,
        "seed": SEED,
        "step": 0,
        "micro_batch": 3,
        "stopping": lambda: False,
    }
    return evaluate(predict, latent, items, **(told | changes))  # fmt: skip


def of_net(items: Sequence[Item] = ITEMS, **changes: object) -> Curve | None:
    net = Net()
    return measured(net, items, model=net, **changes)


def nothing(noisy_BCFHW: Tensor, *_: object) -> Tensor:
    return torch.zeros_like(noisy_BCFHW)


# the numbers


def test_a_model_that_predicts_nothing_has_the_mean_square_of_noise_minus_data() -> None:
    curve = measured(nothing)
    for level, loss in enumerate(curve.losses):
        per_item = [
            np.mean((noise(f"clip-{index}", level, shape).double().numpy() - latent(index).double().numpy()) ** 2)
            for index, shape in SHAPES.items()
        ]  # fmt: skip
        assert loss == pytest.approx(np.mean(per_item), rel=1e-6)
    assert curve.mean == pytest.approx(np.mean(curve.losses), rel=1e-12)
    assert curve.sigmas == SIGMAS


def test_a_model_that_knows_the_noise_has_no_loss() -> None:
    def knowing(_: Tensor, sigma_B: Tensor, indices: Sequence[int]) -> Tensor:
        levels = [SIGMAS.index(pytest.approx(sigma)) for sigma in sigma_B.tolist()]
        return torch.stack([
            noise(f"clip-{index}", level, SHAPES[index]) - latent(index)
            for index, level in zip(indices, levels, strict=True)
        ])  # fmt: skip

    assert measured(knowing).losses == (0.0, 0.0, 0.0, 0.0)


def test_what_is_shown_lies_on_the_line_from_data_to_noise_at_the_level_that_is_told() -> None:
    shown: dict[tuple[int, float], np.ndarray] = {}

    def look(noisy_BCFHW: Tensor, sigma_B: Tensor, indices: Sequence[int]) -> Tensor:
        for noisy, sigma, index in zip(noisy_BCFHW, sigma_B, indices, strict=True):
            shown[index, round(sigma.item(), 4)] = noisy.numpy().copy()
        return noisy_BCFHW

    measured(look)
    assert set(shown) == {(index, sigma) for index in SHAPES for sigma in SIGMAS}
    for (index, sigma), noisy in shown.items():
        drawn = noise(f"clip-{index}", SIGMAS.index(sigma), SHAPES[index]).numpy()
        np.testing.assert_allclose(noisy, (1 - sigma) * latent(index).numpy() + sigma * drawn, atol=1e-6)


def test_the_loss_is_the_one_that_is_asked_for() -> None:
    def huber(prediction: Tensor, target: Tensor) -> Tensor:
        return huber_loss(prediction, target, 0.5)

    (item,) = items = [replace(ITEMS[0], sigmas=(0.5,))]
    error = np.abs((noise(item.name, 0, SHAPES[3]) - latent(3)).double().numpy())
    expected = np.where(error <= 0.5, error**2 / 2, 0.5 * (error - 0.25)).mean()
    assert measured(nothing, items, loss=huber).mean == pytest.approx(expected, rel=1e-6)


def test_predictions_in_bfloat16_are_compared_in_float32() -> None:
    def rough(noisy_BCFHW: Tensor, *_: object) -> Tensor:
        return torch.full_like(noisy_BCFHW, 1 / 3, dtype=torch.bfloat16)

    third = torch.tensor(1 / 3).bfloat16().double().item()
    items = [replace(ITEMS[0], sigmas=(0.5,))]
    target = (noise("clip-3", 0, SHAPES[3]) - latent(3)).double().numpy()
    assert measured(rough, items).mean == pytest.approx(np.mean((third - target) ** 2), rel=1e-6)


def test_items_of_other_shapes_may_have_other_levels_and_the_curve_has_their_means() -> None:
    items = [
        Item(3, "a", tuple(evenly_spread(4, 1.0).tolist())),
        Item(5, "b", tuple(evenly_spread(4, 3.0).tolist())),
    ]
    curve = measured(nothing, items)
    middles = (np.arange(4) + 0.5) / 4
    expected = (middles + 3 * middles / (1 + 2 * middles)) / 2
    np.testing.assert_allclose(curve.sigmas, expected, rtol=1e-6)


# the same every time


def test_two_evaluations_of_the_same_weights_are_equal_to_the_last_bit() -> None:
    assert of_net() == of_net()


def test_another_seed_or_another_name_is_other_noise() -> None:
    renamed = [replace(item, name=f"{item.name}'") for item in ITEMS]
    assert (
        len({measured(nothing).mean, measured(nothing, seed=SEED + 1).mean, measured(nothing, renamed).mean})
        == 3
    )


def test_every_item_and_every_level_has_noise_of_its_own() -> None:
    shown: list[Tensor] = []

    def look(noisy_BCFHW: Tensor, *_: object) -> Tensor:
        shown.extend(noisy_BCFHW)
        return noisy_BCFHW

    at_noise = [Item(index, f"clip-{index}", (1.0, 1.0)) for index in (3, 8)]  # two of one shape
    measured(look, at_noise)
    drawn = {tuple(one.flatten().tolist()) for one in shown}
    assert len(drawn) == 4


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 9])
def test_how_many_levels_go_together_changes_only_rounding(micro_batch: int) -> None:
    one, other = of_net(), of_net(micro_batch=micro_batch)
    np.testing.assert_allclose(other.losses, one.losses, rtol=1e-6)


def test_the_order_of_the_items_changes_nothing() -> None:
    assert of_net(ITEMS[::-1]) == of_net()


def test_an_item_has_the_same_loss_whatever_else_is_measured() -> None:
    alone = [of_net([item]).losses for item in ITEMS]
    np.testing.assert_allclose(of_net().losses, np.mean(alone, axis=0), rtol=1e-12)


# without a trace


def test_no_global_source_of_chance_is_read_or_moved_on() -> None:
    net = Net()

    def after(looks: int) -> tuple[object, ...]:
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002 - the global one is meant
        random.seed(1)
        for _ in range(looks):
            measured(net, model=net)
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()  # noqa: NPY002

    assert after(2) == after(0)
    torch.manual_seed(2)  # and where they stand makes no difference
    one = measured(net, model=net)
    torch.manual_seed(3)
    assert measured(net, model=net) == one


def test_dropout_is_off_meanwhile_and_every_module_is_as_it_was_afterwards() -> None:
    net, modes = Net(), []

    def look(noisy_BCFHW: Tensor, sigma_B: Tensor, indices: Sequence[int]) -> Tensor:
        modes.append((net.training, net.drop.training, torch.is_grad_enabled()))
        return net(noisy_BCFHW, sigma_B, indices)

    net.mix.eval()  # a part that is kept still on purpose
    measured(look, model=net)
    assert set(modes) == {(False, False, False)}
    assert (net.training, net.drop.training, net.mix.training) == (True, True, False)
    assert torch.is_grad_enabled()


def test_a_model_is_as_it_was_also_where_the_evaluation_breaks() -> None:
    net = Net()
    with pytest.raises(RuntimeError, match="out of memory"), still(net):
        raise RuntimeError("out of memory")
    assert (net.training, net.drop.training) == (True, True)


def test_the_gradients_that_were_gathered_stay() -> None:
    net = Net()
    net(torch.ones(1, 2, 1, 2, 2), torch.ones(1), [0]).sum().backward()
    before = [weight.grad.clone() for weight in net.parameters()]
    measured(net, model=net)
    assert all(map(torch.equal, before, [weight.grad for weight in net.parameters()]))


def trained(every: int) -> tuple[list[float], list[Tensor], list[Curve]]:
    """Train a net with dropout for six steps: its losses, its weights, and the curves every few steps."""
    net, shown, curves = Net(), list[Metrics](), list[Curve]()
    order = Order(((Group((3, 8), 2),),), 2, 0)
    state = State(dict(net.named_parameters()), torch.optim.AdamW(net.parameters(), lr=0.01))

    def loss_of(indices: Sequence[int], positions: Sequence[int]) -> dict[str, Tensor]:
        drawn = torch.stack([torch.randn(SHAPES[3], generator=generator(1, "noise", at)) for at in positions])
        data = torch.stack([latent(index) for index in indices])
        return {
            "loss": (net((data + drawn) / 2, torch.full((len(indices),), 0.5), indices) - (drawn - data))
            .square()
            .mean()
        }

    def look() -> bool:
        state.evaluated = state.step
        curves.append(measured(net, model=net, step=state.step))
        return True

    settings = Settings(
        steps=6, micro_batch=1, learning_rate=0.01, factor=lambda step: 1.0, clip="none", clip_limit=0.0, seed=2,
        saves=lambda step: False, evaluates=lambda step: bool(every) and step % every == 0,
    )  # fmt: skip
    train(loss_of, state, order, settings, Watch(shown.append, look, lambda: None, lambda: False))
    return [one.loss for one in shown], [weight.detach().clone() for weight in net.parameters()], curves


def test_training_is_the_same_to_the_last_bit_with_evaluations_and_without() -> None:
    losses, weights, curves = trained(every=2)
    plain_losses, plain_weights, none = trained(every=0)
    assert (len(curves), none) == (4, [])  # before the first step, and after 2, 4 and 6
    assert losses == plain_losses
    assert all(map(torch.equal, weights, plain_weights))
    assert len(set(losses)) == 6
    assert len({curve.mean for curve in curves}) == 4, "and each sees other weights"


# what can be wrong


@pytest.mark.parametrize("asked", [0, 1, 5])
def test_an_evaluation_that_is_to_stop_has_no_curve(asked: int) -> None:
    passes: list[int] = []

    def count(noisy_BCFHW: Tensor, _: Tensor, indices: Sequence[int]) -> Tensor:
        passes.append(len(indices))
        return noisy_BCFHW

    net = Net()
    assert measured(count, model=net, stopping=lambda: len(passes) >= asked) is None
    assert len(passes) == asked
    assert net.training


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_step_and_sample(bad: float) -> None:
    def broken(noisy_BCFHW: Tensor, _: Tensor, indices: Sequence[int]) -> Tensor:
        return noisy_BCFHW * (bad if indices[0] == 5 else 1)

    with pytest.raises(NotFinite) as caught:
        measured(broken, step=40)
    assert (caught.value.step, caught.value.samples) == (40, (5,))


def test_no_items_and_items_with_different_numbers_of_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="no sample to measure"):
        measured(nothing, [])
    with pytest.raises(ValueError, match="shorter"):
        measured(nothing, [ITEMS[0], replace(ITEMS[1], sigmas=(0.5,))])
