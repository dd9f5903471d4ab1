"""The average of the weights against a recurrence in numpy, and there and back to the last bit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.training.averages import Ema, decay_at

CPU = torch.device("cpu")


def weights(dtype: torch.dtype = torch.float32) -> dict[str, nn.Parameter]:
    rng = torch.Generator().manual_seed(2)
    shapes = {"a.weight": (3, 2), "b.weight": (5,)}
    return {name: nn.Parameter(torch.randn(shape, generator=rng).to(dtype)) for name, shape in shapes.items()}  # fmt: skip


def ema(trained: dict[str, nn.Parameter], decay: float = 0.9, every: int = 1, *, warmup: bool = False) -> Ema:
    return Ema(trained, decay=decay, every=every, warmup=warmup, device=CPU)


@torch.no_grad()
def train(trained: dict[str, nn.Parameter], step: int) -> None:
    rng = torch.Generator().manual_seed(100 + step)
    for weight in trained.values():
        weight.add_(torch.randn(weight.shape, generator=rng))


def one(value: float, dtype: torch.dtype = torch.float32) -> dict[str, nn.Parameter]:
    return {"w": nn.Parameter(torch.tensor([value], dtype=dtype))}


@torch.no_grad()
def set_to(trained: dict[str, nn.Parameter], value: float) -> None:
    trained["w"].fill_(value)


@pytest.mark.parametrize(
    ("update", "kept"), [(1, 0), (2, 0.181818), (3, 0.25), (11, 0.55), (101, 0.918182), (1001, 0.991089)]
)
def test_the_warm_up_is_that_of_the_table(update: int, kept: float) -> None:
    assert decay_at(update, 0.9999, warmup=True) == pytest.approx(kept, abs=5e-7)


def test_the_warm_up_ends_where_the_decay_is_reached() -> None:
    found = [decay_at(update, 0.995, warmup=True) for update in range(1, 3000)]
    assert found.index(0.995) + 1 == 1791
    assert found == sorted(found)
    assert max(found) == 0.995


def test_without_a_warm_up_the_decay_is_the_same_from_the_first_update_on() -> None:
    assert {decay_at(update, 0.995, warmup=False) for update in range(1, 100)} == {0.995}


def test_the_average_walks_the_pencil_path() -> None:
    trained = one(1)
    average, path = ema(trained, 0.9999, warmup=True), []
    for step, value in enumerate([2, 3, 4], start=1):
        set_to(trained, value)
        average.follow(step)
        path.append(average.averages["w"].item())
    assert path == pytest.approx([2.0, 2.818182, 3.704545], abs=5e-7)
    assert path[0] == 2, "the first update is a copy"


@pytest.mark.parametrize(("every", "warmup"), [(1, False), (1, True), (3, False), (3, True)])
def test_the_average_is_the_recurrence(every: int, warmup: bool) -> None:
    trained = weights()
    average = ema(trained, 0.6, every, warmup=warmup)
    expected = {name: weight.detach().numpy().astype(np.float64) for name, weight in trained.items()}
    updates = 0
    for step in range(1, 41):
        train(trained, step)
        average.follow(step)
        if step % every == 0:
            kept = 0.6
            if warmup:
                kept = 0.0 if updates == 0 else min(0.6, (1 + updates) / (10 + updates))
            updates += 1
            for name, weight in trained.items():
                expected[name] = kept * expected[name] + (1 - kept) * weight.detach().numpy()
    for name, value in expected.items():
        assert np.allclose(average.averages[name], value, rtol=0, atol=1e-5)


def test_the_warm_up_counts_updates_and_not_steps() -> None:
    trained = one(0)
    average = ema(trained, 0.9999, every=100, warmup=True)
    for step, value in ((100, 1.0), (200, 2.0)):
        set_to(trained, value)
        average.follow(step)
    assert average.averages["w"].item() == pytest.approx(1 * 2 / 11 + 2 * 9 / 11, rel=1e-6)


def test_steps_between_two_updates_leave_the_average_alone() -> None:
    trained = one(1)
    average = ema(trained, 0.5, every=4)
    set_to(trained, 3)
    for step in (1, 2, 3, 5):
        average.follow(step)
    assert average.averages["w"].item() == 1


def test_the_average_of_bfloat16_weights_is_in_float32_where_its_updates_are_not_lost() -> None:
    trained = one(1, torch.bfloat16)
    average = ema(trained, 0.995)
    lost = torch.ones(1, dtype=torch.bfloat16)
    set_to(trained, 1.25)
    for step in range(1, 101):
        average.follow(step)
        lost.lerp_(trained["w"].detach(), 0.005)
    assert average.averages["w"].dtype == torch.float32
    assert average.averages["w"].item() == pytest.approx(1.25 - 0.25 * 0.995**100, abs=1e-5)
    assert lost.item() == 1, "in bfloat16 it would never have moved"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_averages_are_applied_and_taken_back_to_the_last_bit(dtype: torch.dtype) -> None:
    trained = weights(dtype)
    average = ema(trained)
    for step in range(1, 4):
        train(trained, step)
        average.follow(step)
    before = {name: weight.detach().clone() for name, weight in trained.items()}
    with average.applied():
        for name, weight in trained.items():
            assert torch.equal(weight, average.averages[name].to(dtype))
            assert not torch.equal(weight, before[name])
            assert weight.dtype == dtype
    assert all(torch.equal(weight, before[name]) for name, weight in trained.items())


def test_weights_come_back_after_an_error() -> None:
    trained = weights()
    average = ema(trained)
    train(trained, 1)
    before = {name: weight.detach().clone() for name, weight in trained.items()}
    with pytest.raises(RuntimeError, match="no picture"), average.applied():
        raise RuntimeError("no picture")
    assert all(torch.equal(weight, before[name]) for name, weight in trained.items())


def test_following_and_applying_leave_gradients_and_their_need_alone() -> None:
    trained = weights()
    average = ema(trained)
    average.follow(1)
    with average.applied():
        pass
    assert all(weight.requires_grad and weight.is_leaf and weight.grad is None for weight in trained.values())
    assert not any(tensor.requires_grad for tensor in average.averages.values())


def test_an_average_saved_and_loaded_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    straight = weights()
    average = ema(straight, 0.995, 2, warmup=True)
    for step in range(1, 8):
        train(straight, step)
        average.follow(step)
    tensors, rest = average.state()
    save_file(tensors, tmp_path / "ema.safetensors")
    fresh = {name: nn.Parameter(weight.detach().clone()) for name, weight in straight.items()}
    resumed = ema(fresh, 0.995, 2, warmup=True)
    resumed.load(load_file(tmp_path / "ema.safetensors"), json.loads(json.dumps(rest, allow_nan=False)))
    for step in range(8, 15):
        train(straight, step)
        average.follow(step)
        train(fresh, step)
        resumed.follow(step)
    assert all(torch.equal(resumed.averages[name], value) for name, value in average.averages.items())
    assert resumed.state()[1] == average.state()[1] == {"updates": 7}


def test_the_saved_average_is_a_copy() -> None:
    trained = weights()
    average = ema(trained)
    saved = average.state()[0]
    before = {name: value.clone() for name, value in saved.items()}
    train(trained, 1)
    average.follow(1)
    assert all(torch.equal(saved[name], value) for name, value in before.items())
    assert not torch.equal(average.averages["b.weight"], before["b.weight"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda tensors: {}, "a.weight, b.weight", id="none"),
        pytest.param(lambda tensors: {"a.weight": tensors["a.weight"]}, "b.weight", id="one too few"),
        pytest.param(lambda tensors: tensors | {"c": torch.zeros(1)}, "c", id="one too many"),
        pytest.param(lambda tensors: tensors | {"b.weight": torch.zeros(4)}, "b.weight", id="another shape"),
        pytest.param(
            lambda tensors: tensors | {"b.weight": torch.zeros(5).bfloat16()}, "b.weight", id="another format"
        ),
    ],
)
def test_the_average_of_other_parameters_is_refused(change, named: str) -> None:
    average = ema(weights())
    tensors, rest = average.state()
    with pytest.raises(ValueError, match=rf"of other parameters: {named}$"):
        average.load(change(tensors), rest)
    assert all(torch.equal(value, tensors[name]) for name, value in average.averages.items())


@pytest.mark.gpu
def test_an_average_on_the_cpu_follows_weights_on_the_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: there is nothing to lie beside")
    here = weights()
    there = {name: nn.Parameter(weight.detach().cuda()) for name, weight in here.items()}
    averages = [ema(here), ema(there)]
    for step in range(1, 4):
        train(here, step)
        with torch.no_grad():
            for name, weight in there.items():
                weight.copy_(here[name])
        for average in averages:
            average.follow(step)
    assert all(torch.equal(averages[1].averages[name], value) for name, value in averages[0].averages.items())
