"""Optimizers and clips against pencil and paper; their state through a file and back."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from optional import kinds, needs_bitsandbytes
from safetensors.torch import load_file, save_file
from torch import nn

from engine.language.rules import optimizing
from engine.stages.train import packages
from engine.training.optimizers import (
    CLIPS,
    GROUP_STATE,
    KAHAN,
    OPTIMIZERS,
    PACKAGES,
    MissingPackage,
    flatten,
    gradient_norm,
    make_optimizer,
    restore,
    shown,
)

ADAM = {"betas": [0.9, 0.99], "epsilon": 1e-8, "weight_decay": 0.01}
LION = {"betas": [0.9, 0.99], "weight_decay": 0.01}
SETTINGS = {
    "adamw": ADAM, "adamw_8bit": ADAM, "lion": LION, "lion_8bit": LION, "adafactor": {"weight_decay": 0.01},
    "prodigy": ADAM, "schedule_free": ADAM, "muon": {"momentum": 0.95, "weight_decay": 0.01},
}  # fmt: skip
SMALL = ((3, 2), (5,))
# averages are in 8 bits from 4096 entries on, in blocks of 256; Muon takes nothing but matrices
SHAPES = {"adamw_8bit": (*SMALL, (70, 64)), "lion_8bit": (*SMALL, (70, 64)), "muon": ((3, 2), (4, 6))}
ALONE = set(OPTIMIZERS) - {"prodigy", "schedule_free"}  # each parameter by itself
WAYS = [(kind, "none") for kind in OPTIMIZERS] + [(kind, "kahan") for kind in KAHAN]
WAYS += [(kind, "stochastic") for kind in sorted(ALONE)]

every_way = pytest.mark.parametrize(
    ("kind", "rounding"),
    [pytest.param(*way, marks=needs_bitsandbytes if "8bit" in way[0] else ()) for way in WAYS],
)


def parameters(
    kind: str = "", rounding: str = "none", shapes: tuple[tuple[int, ...], ...] = ()
) -> list[nn.Parameter]:
    rng, dtype = torch.Generator().manual_seed(4), torch.float32 if rounding == "none" else torch.bfloat16
    return [nn.Parameter(torch.randn(shape, generator=rng).to(dtype)) for shape in shapes or SHAPES.get(kind, SMALL)]  # fmt: skip


def make(
    kind: str, weights: list[nn.Parameter], lr: float | None = None, rounding: str = "none", **changes: object
) -> torch.optim.Optimizer:
    lr = lr if lr is not None else 20 if kind == "prodigy" else 0.1
    return make_optimizer(kind, weights, lr=lr, rounding=rounding, seed=7, **(SETTINGS[kind] | changes))


def step(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], number: int) -> None:
    rng = torch.Generator().manual_seed(100 + number)
    for weight in weights:
        # with a direction of their own: without one, Prodigy finds no step size
        weight.grad = (0.5 + torch.randn(weight.shape, generator=rng)).to(weight.dtype)
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


GRADIENTS = np.random.default_rng(5).normal(loc=1, size=(6, 3, 4))
START = np.random.default_rng(6).normal(size=(3, 4))
RATES = [0.02, 0.05, 0.05, 0.03, 0.01, 0.02]  # the loop sets the rate at every step


def walk(kind: str, factor: float = 1, **changes: object) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    """Take six steps in float64, with a rate of its own each."""
    weight = nn.Parameter(torch.tensor(START))
    optimizer = make(kind, [weight], **changes)
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        optimizer.param_groups[0]["lr"] = factor * rate
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    return weight, optimizer


def test_adafactor_is_the_recurrence_of_the_paper_with_steps_of_the_rate_itself() -> None:
    weight, rows, columns = START.copy(), np.zeros(3), np.zeros(4)
    for at, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), start=1):
        keep = 1 - at**-0.8
        rows = keep * rows + (1 - keep) * (gradient**2 + 1e-30).mean(1)
        columns = keep * columns + (1 - keep) * (gradient**2 + 1e-30).mean(0)
        update = gradient / np.sqrt(np.outer(rows, columns) / rows.mean())
        update /= max(1, np.sqrt((update**2).mean()))  # no longer than 1 in the mean square
        weight = weight - rate * 0.3 * weight - rate * update
    assert np.allclose(walk("adafactor", weight_decay=0.3)[0].detach(), weight, rtol=1e-9, atol=0)


def test_adafactor_moves_a_factor_that_starts_at_zero() -> None:
    weight = nn.Parameter(torch.zeros(8, 4))
    optimizer = make("adafactor", [weight], lr=1e-3)
    step(optimizer, [weight], 0)
    assert weight.square().mean().sqrt().item() == pytest.approx(1e-3, rel=0.3)


def test_prodigy_is_the_recurrence_of_its_authors() -> None:
    """With corrected biases, and without the rate in the guess of the step size, as they advise for diffusion."""
    weight, first, second, total = START.copy(), 0.0, 0.0, np.zeros((3, 4))
    d, numerator = 1e-6, 0.0
    for at, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True)):
        size = d * 100 * rate * math.sqrt(1 - 0.99 ** (at + 1)) / (1 - 0.9 ** (at + 1))
        beta = math.sqrt(0.99)
        numerator = beta * numerator + d / 1e-6 * size * (gradient * (START - weight)).sum()
        first, second = 0.9 * first + 0.1 * d * gradient, 0.99 * second + 0.01 * d * d * gradient**2
        total = beta * total + d * d / 1e-6 * gradient
        guess = numerator / np.abs(total).sum()
        d = max(d, guess)
        weight = weight - 0.01 * size * weight - size * first / (np.sqrt(second) + d * 1e-8)
    assert d > 1e-6, "it found a step size"
    found, optimizer = walk("prodigy", 100, weight_decay=0.01)
    assert optimizer.param_groups[0]["d"] == pytest.approx(d, rel=1e-9)
    assert np.allclose(found.detach(), weight, rtol=1e-9, atol=0)


def test_prodigy_finds_a_step_size_that_fits_the_distance() -> None:
    weight = nn.Parameter(torch.zeros(4))
    optimizer = make("prodigy", [weight], lr=1, weight_decay=0)
    for _ in range(200):
        weight.grad = weight.detach() - 3
        optimizer.step()
    assert weight.tolist() == pytest.approx([3] * 4, abs=0.3)
    assert 0.01 < optimizer.param_groups[0]["d"] < 10, "it began at a millionth"


def test_prodigy_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    make("prodigy", parameters(), weight_decay=0.5)
    assert capfd.readouterr().out == ""


def schedule_free() -> tuple[np.ndarray, np.ndarray]:
    """Defazio et al., 2024, with each of its three sequences said: returns where it trains, and its average."""
    fast, average, second, weights, top = START.copy(), START.copy(), np.zeros((3, 4)), 0.0, 0.0
    for at, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), start=1):
        trained = 0.1 * fast + 0.9 * average
        second = 0.99 * second + 0.01 * gradient**2
        direction = gradient / (np.sqrt(second / (1 - 0.99**at)) + 1e-8) + 0.3 * trained
        fast = fast - rate * direction
        top = max(top, rate)
        weights += top**2
        average = average + top**2 / weights * (fast - average)
    return 0.1 * fast + 0.9 * average, average


def test_schedule_free_trains_at_one_place_and_shows_another() -> None:
    trained, average = schedule_free()
    weight, optimizer = walk("schedule_free", weight_decay=0.3)
    assert np.allclose(weight.detach(), trained, rtol=1e-9, atol=1e-12)
    before = weight.detach().clone()
    with shown(optimizer):
        assert np.allclose(weight.detach(), average, rtol=1e-9, atol=1e-12)
    assert torch.equal(weight, before)


def test_weights_that_were_shown_train_on_as_if_they_were_not() -> None:
    looked, alone = parameters("", shapes=((64, 32),)), parameters("", shapes=((64, 32),))
    optimizers = [make("schedule_free", looked), make("schedule_free", alone)]
    for number in range(4):
        with shown(optimizers[0]):
            pass
        step(optimizers[0], looked, number)
        step(optimizers[1], alone, number)
    assert torch.equal(*looked, *alone)


def test_weights_that_were_shown_come_back_after_an_error() -> None:
    weight, optimizer = walk("schedule_free")
    before = weight.detach().clone()
    with pytest.raises(RuntimeError, match="no picture"), shown(optimizer):
        raise RuntimeError("no picture")
    assert torch.equal(weight, before)
    optimizer.step()


@pytest.mark.parametrize("kind", kinds(sorted(set(OPTIMIZERS) - {"schedule_free"})))
def test_what_the_others_show_is_what_they_train(kind: str) -> None:
    weights = parameters(kind)
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    before = [weight.detach().clone() for weight in weights]
    with shown(optimizer):
        assert all(map(torch.equal, weights, before))


def test_muon_makes_the_momentum_orthogonal_and_steps_as_far_as_adamw() -> None:
    weight, momentum, worst = START.copy(), np.zeros((3, 4)), 0.0
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        momentum = 0.95 * momentum + 0.05 * gradient
        left, sizes, right = np.linalg.svd(0.05 * gradient + 0.95 * momentum, full_matrices=False)
        sizes = sizes / np.linalg.norm(sizes)
        for _ in range(5):  # Newton and Schulz with Jordan's numbers, on each singular value
            sizes = 3.4445 * sizes - 4.7750 * sizes**3 + 2.0315 * sizes**5
        worst = max(worst, np.abs(sizes - 1).max())
        weight = weight * (1 - rate * 0.3) - rate * 0.2 * math.sqrt(4) * left @ np.diag(sizes) @ right
    assert worst < 0.5, "near to orthogonal"
    # it multiplies in bfloat16
    assert np.allclose(walk("muon", weight_decay=0.3)[0].detach(), weight, rtol=0, atol=2e-3)


def test_muon_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match="2D"):
        make("muon", parameters())


@needs_bitsandbytes
def test_small_tensors_keep_averages_of_32_bits_and_go_where_adamw_and_lion_go() -> None:
    for kind in ("adamw", "lion"):
        eight, full = parameters(), parameters()
        optimizers = [make(f"{kind}_8bit", eight), make(kind, full)]
        for number in range(4):
            step(optimizers[0], eight, number)
            step(optimizers[1], full, number)
        assert torch.allclose(torch.cat([w.flatten() for w in eight]), torch.cat([w.flatten() for w in full]), atol=1e-6)  # fmt: skip


@needs_bitsandbytes
def test_large_tensors_keep_a_byte_and_a_64th_for_each_average() -> None:
    weight = parameters(shapes=((128, 64),))
    for kind, averages in (("adamw_8bit", 2), ("lion_8bit", 1)):
        optimizer = make(kind, weight)
        step(optimizer, weight, 0)
        kept = {name: tensor for name, tensor in flatten(optimizer)[0].items() if "qmap" not in name}
        assert sum(tensor.nbytes for tensor in kept.values()) == averages * 8192 * (1 + 4 / 256)


@needs_bitsandbytes
def test_averages_of_8_bits_lead_nearly_where_those_of_32_lead() -> None:
    eight, full = parameters(shapes=((128, 64),)), parameters(shapes=((128, 64),))
    start = full[0].detach().clone()
    optimizers = [make("adamw_8bit", eight, lr=1e-3), make("adamw", full, lr=1e-3)]
    for number in range(20):
        step(optimizers[0], eight, number)
        step(optimizers[1], full, number)
    way, other = (full[0] - start).flatten(), (eight[0] - start).flatten()
    assert torch.cosine_similarity(way, other, dim=0) > 0.99
    assert not torch.equal(way, other)


@every_way
def test_a_rate_of_zero_moves_nothing(kind: str, rounding: str) -> None:
    weights = parameters(kind, rounding)
    optimizer = make(kind, weights, lr=0.0, rounding=rounding)
    before = [weight.detach().clone() for weight in weights]
    for number in range(2):
        step(optimizer, weights, number)
    assert all(map(torch.equal, weights, before))


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", nothing)
    name, extra = PACKAGES[kind]
    with pytest.raises(MissingPackage, match=rf"`{kind}` needs {name}.*pip install 'wan-recipes\[{extra}\]'"):
        make(kind, parameters())


def test_a_package_that_misses_something_itself_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError(f"{name} needs 'inner'", name="inner")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="inner"):
        make("prodigy", parameters())


def test_muon_says_which_torch_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(MissingPackage, match=r"torch 2\.9 or newer.*pip install 'torch>=2\.9'"):
        make("muon", parameters("muon"))


def test_the_plan_knows_the_same_packages() -> None:
    assert packages.PACKAGES == PACKAGES


def test_the_rule_about_rounding_knows_the_same_kinds() -> None:
    assert set(optimizing.KAHAN) == set(KAHAN)


def go_on(kind: str, rounding: str, path: Path, lose: tuple[str, ...] = ()) -> tuple[list, list, dict, dict]:
    """Train eight steps straight, and five, through a file, and three more; ``lose`` names plain data that is lost there."""
    straight = parameters(kind, rounding)
    optimizer = make(kind, straight, rounding=rounding)
    for number in range(5):
        step(optimizer, straight, number)
    tensors, rest = flatten(optimizer)
    save_file(tensors, path)
    fresh = [nn.Parameter(weight.detach().clone()) for weight in straight]
    resumed = make(kind, fresh, rounding=rounding)
    rest = json.loads(json.dumps(rest, allow_nan=False))
    rest["plain"] = {key: value for key, value in rest["plain"].items() if key not in lose}
    restore(resumed, load_file(path), rest)
    for number in range(5, 8):
        step(optimizer, straight, number)
        step(resumed, fresh, number)
    return straight, fresh, flatten(optimizer)[0], flatten(resumed)[0]


@every_way
def test_a_state_saved_and_restored_goes_on_to_the_last_bit(kind: str, rounding: str, tmp_path: Path) -> None:
    straight, fresh, ours, theirs = go_on(kind, rounding, tmp_path / "optimizer.safetensors")
    assert all(map(torch.equal, fresh, straight))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "rounding", "lost"),
    [
        pytest.param("prodigy", "none", "group.d", id="the step size"),
        pytest.param("prodigy", "none", "group.k", id="the count of prodigy"),
        pytest.param("schedule_free", "none", "group.weight_sum", id="the weight of the average"),
        pytest.param("adamw", "kahan", "group.setup", id="the count of optimi"),
        pytest.param("adamw", "stochastic", "group.rounded", id="the count of roundings"),
    ],
)
def test_without_what_its_group_keeps_it_goes_elsewhere(
    kind: str, rounding: str, lost: str, tmp_path: Path
) -> None:
    straight, fresh, *_ = go_on(kind, rounding, tmp_path / "optimizer.safetensors", (lost,))
    assert not all(map(torch.equal, fresh, straight))


@every_way
def test_what_an_optimizer_changes_in_its_group_is_kept(kind: str, rounding: str) -> None:
    weights = parameters(kind, rounding)
    optimizer = make(kind, weights, rounding=rounding)
    (group,) = optimizer.param_groups
    before = dict(group)
    for number in range(3):
        step(optimizer, weights, number)
    changed = {name for name in group if name not in before or group[name] is not before[name]}
    assert changed <= set(GROUP_STATE)


@every_way
def test_without_its_state_it_goes_elsewhere(kind: str, rounding: str) -> None:
    straight = parameters(kind, rounding)
    optimizer = make(kind, straight, rounding=rounding)
    for number in range(3):
        step(optimizer, straight, number)
    fresh = [nn.Parameter(weight.detach().clone()) for weight in straight]
    restarted = make(kind, fresh, rounding=rounding)
    for number in range(3, 6):
        step(optimizer, straight, number)
        step(restarted, fresh, number)
    assert not all(map(torch.equal, fresh, straight))


@every_way
def test_the_saved_state_is_a_copy(kind: str, rounding: str) -> None:
    weights = parameters(kind, rounding)
    optimizer = make(kind, weights, rounding=rounding)
    step(optimizer, weights, 0)
    saved = flatten(optimizer)[0]
    before = {name: value.clone() for name, value in saved.items()}
    step(optimizer, weights, 1)
    assert all(torch.equal(saved[name], value) for name, value in before.items())


@every_way
def test_the_restored_optimizer_does_not_share_tensors_with_what_it_was_given(
    kind: str, rounding: str
) -> None:
    weights = parameters(kind, rounding)
    optimizer = make(kind, weights, rounding=rounding)
    step(optimizer, weights, 0)
    tensors, rest = flatten(optimizer)
    before = {name: value.clone() for name, value in tensors.items()}
    restore(optimizer, tensors, rest)
    step(optimizer, weights, 1)
    assert all(torch.equal(tensors[name], value) for name, value in before.items())


@every_way
def test_settings_stay_as_the_recipe_says(kind: str, rounding: str) -> None:
    weights = parameters(kind, rounding)
    optimizer = make(kind, weights, lr=0.1, rounding=rounding)
    step(optimizer, weights, 0)
    resumed = make(kind, parameters(kind, rounding), lr=0.2, rounding=rounding, weight_decay=0.7)
    restore(resumed, *flatten(optimizer))
    assert [(group["lr"], group["weight_decay"]) for group in resumed.param_groups] == [(0.2, 0.7)]


@pytest.mark.parametrize("kind", kinds(OPTIMIZERS))
@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param(((3, 2),), id="fewer parameters"),
        pytest.param(((3, 2), (4, 6), (1, 1)), id="more parameters"),
        pytest.param(((2, 3), (4, 6)), id="other shapes"),
    ],
)
def test_the_state_of_other_parameters_is_refused(kind: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    weights = parameters(kind, shapes=((3, 2), (4, 6)))
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    with pytest.raises(ValueError, match="the saved optimizer is that of 2 other parameters"):
        restore(make(kind, parameters(kind, shapes=shapes)), *flatten(optimizer))


@every_way
def test_an_optimizer_that_made_no_step_has_an_empty_state_that_can_be_restored(
    kind: str, rounding: str
) -> None:
    tensors, rest = flatten(make(kind, parameters(kind, rounding), rounding=rounding))
    assert tensors == {}
    weights = parameters(kind, rounding)
    optimizer = make(kind, weights, rounding=rounding)
    restore(optimizer, tensors, rest)
    step(optimizer, weights, 0)


@pytest.mark.parametrize("kind", kinds(OPTIMIZERS))
def test_a_parameter_without_a_gradient_has_no_state_and_can_be_restored(kind: str) -> None:
    weights = parameters(kind)
    optimizer = make(kind, weights)
    weights[0].grad = torch.ones_like(weights[0])
    optimizer.step()
    restore(make(kind, parameters(kind)), *flatten(optimizer))


@pytest.mark.parametrize("kind", kinds(OPTIMIZERS))
@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda tensors: {}, id="all of it"),
        pytest.param(lambda tensors: dict([*tensors.items()][1:]), id="one tensor"),
        pytest.param(lambda tensors: tensors | {"0.other": torch.zeros(3, 2)}, id="one too many"),
    ],
)
def test_a_state_that_lost_tensors_is_refused(kind: str, lose) -> None:
    weights = parameters(kind)
    optimizer = make(kind, weights)
    step(optimizer, weights, 0)
    tensors, rest = flatten(optimizer)
    with pytest.raises(ValueError, match="the saved optimizer lacks tensors or has others"):
        restore(make(kind, parameters(kind)), lose(tensors), rest)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["adamw_8bit", "lion_8bit"])
def test_averages_that_wait_in_pages_do_so_again_after_a_restart(kind: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: pages are a GPU's")
    straight = [nn.Parameter(torch.randn(512, 512, device="cuda"))]
    optimizer = make(kind, straight)
    step_on_cuda(optimizer, straight, 0)
    fresh = [nn.Parameter(straight[0].detach().clone())]
    resumed = make(kind, fresh)
    restore(resumed, *flatten(optimizer))
    assert all(getattr(one.state[weight]["state1"], "is_paged", False) for one, weight in ((optimizer, straight[0]), (resumed, fresh[0])))  # fmt: skip
    step_on_cuda(optimizer, straight, 1)
    step_on_cuda(resumed, fresh, 1)
    assert torch.equal(straight[0], fresh[0])


def step_on_cuda(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], number: int) -> None:
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)).cuda()
    optimizer.step()


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
    CLIPS[kind](weights, limit, gradient_norm(weights))
    assert torch.cat([weight.grad for weight in weights]).tolist() == pytest.approx(expected, rel=1e-5)


def test_values_are_clipped_on_both_sides() -> None:
    weights = with_gradients([-3, 0.25])
    CLIPS["value"](weights, 0.5, gradient_norm(weights))
    assert weights[0].grad.tolist() == [-0.5, 0.25]


def test_the_gradient_norm_is_over_all_parameters_that_have_one() -> None:
    weights = [*with_gradients([3, 4], [12]), nn.Parameter(torch.zeros(7))]
    assert gradient_norm(weights).item() == 13


def test_the_gradient_norm_of_bfloat16_is_counted_in_float32() -> None:
    weight = nn.Parameter(torch.zeros(1000, dtype=torch.bfloat16))
    weight.grad = torch.full((1000,), 0.1, dtype=torch.bfloat16)
    exact = math.sqrt(1000) * float(torch.tensor(0.1).bfloat16())
    assert gradient_norm([weight]).item() == pytest.approx(exact, rel=1e-5)
