"""A low-rank adapter: it starts as nothing, learns alone, and is what W + (alpha/rank)·BA says."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.training.lora import (
    NoSuchLayers,
    adapter_state,
    add_lora,
    load_adapter_state,
    matching,
    trainable,
)

TARGETS = (r"blocks\.\d+\.to_(q|v)",)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.to_q, self.to_v, self.feed = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.feed(torch.tanh(self.to_q(self.norm(x))) * self.to_v(x))


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Module()
    net.blocks = nn.ModuleList([Block(), Block()])
    net.forward = lambda x: net.blocks[1](net.blocks[0](x))  # type: ignore[method-assign]
    return net


def adapted(*, rank: int = 2, alpha: float = 4, dropout: float = 0, seed: int = 1) -> nn.Module:
    net = model()
    add_lora(net, rank=rank, alpha=alpha, dropout=dropout, targets=TARGETS, seed=seed)
    return net


def inputs() -> Tensor:
    return torch.randn(5, 6, generator=torch.Generator().manual_seed(9))


def train_a_little(net: nn.Module, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW(trainable(net), lr=0.05, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net.forward(inputs()).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("dropout", [0, 0.5])
def test_a_fresh_adapter_changes_not_one_bit(dropout: float) -> None:
    assert torch.equal(adapted(dropout=dropout).train().forward(inputs()), model().forward(inputs()))


def test_training_leaves_the_base_as_it_was_to_the_last_bit() -> None:
    net, before = adapted(), model().state_dict()
    train_a_little(net)
    after = {
        name.replace(".base_layer", ""): value
        for name, value in net.state_dict().items()
        if "lora" not in name
    }
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_b_learns_in_the_first_step_and_a_from_the_second() -> None:
    net = adapted()
    net.forward(inputs()).sum().backward()
    first = {name: p.grad.abs().max().item() for name, p in net.named_parameters() if p.requires_grad}
    assert all((gradient > 0) == ("lora_B" in name) for name, gradient in first.items())
    train_a_little(net, 1)
    net.zero_grad()
    net.forward(inputs()).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in trainable(net))


def test_only_the_adapter_is_trainable() -> None:
    net = adapted(rank=2)
    names = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert names
    assert all("lora_" in name for name in names)
    assert sum(parameter.numel() for parameter in trainable(net)) == 2 * 2 * (6 + 6) * 2


def test_a_starts_uniform_within_one_over_the_root_of_the_width_and_b_at_zero() -> None:
    layer = nn.Sequential(nn.Linear(400, 3))
    add_lora(layer, rank=16, alpha=16, dropout=0, targets=["0"], seed=0)
    state = adapter_state(layer)
    a, b = state["0.lora_A.weight"].double(), state["0.lora_B.weight"]
    assert (a.abs().max().item(), a.std().item()) == pytest.approx((0.05, 0.05 / 3**0.5), rel=0.02)
    assert not b.any()


@pytest.mark.parametrize(
    ("alpha", "weight", "output"),
    [
        pytest.param(8, [[17, -14], [7, 0]], [37, 21], id="alpha 8"),
        pytest.param(1, [[3, 0], [3.5, 3.5]], [9, 14], id="alpha 1"),
    ],
)
def test_the_pencil_merge(alpha: float, weight: list[list[float]], output: list[float]) -> None:
    layer = nn.Sequential(nn.Linear(2, 2, bias=False))
    layer[0].weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    add_lora(layer, rank=1, alpha=alpha, dropout=0, targets=["0"], seed=0)
    saved = {"0.lora_A.weight": torch.tensor([[1.0, -1.0]]), "0.lora_B.weight": torch.tensor([[2.0], [0.5]])}
    load_adapter_state(layer, saved)
    assert layer(torch.eye(2)).T.tolist() == weight
    assert layer(torch.tensor([3.0, 1.0])).tolist() == output


@pytest.mark.parametrize(("rank", "alpha"), [(1, 1), (2, 4), (4, 1), (3, 7.5)])
def test_the_strength_is_alpha_over_rank(rank: int, alpha: float) -> None:
    layer = nn.Sequential(nn.Linear(6, 5))
    add_lora(layer, rank=rank, alpha=alpha, dropout=0, targets=["0"], seed=0)
    layer[0].lora_B["default"].weight.data.normal_()
    w, bias = (
        tensor.detach().double().numpy() for tensor in (layer[0].base_layer.weight, layer[0].base_layer.bias)
    )
    a, b = (adapter_state(layer)[f"0.lora_{which}.weight"].double().numpy() for which in "AB")
    expected = inputs().double().numpy() @ (w + alpha / rank * b @ a).T + bias
    np.testing.assert_allclose(layer(inputs()).detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_the_seed_decides_the_first_values() -> None:
    one, same, other = (adapter_state(adapted(seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one if "lora_A" in name)


def test_adding_leaves_the_global_generator_alone() -> None:
    net = model()
    before = torch.get_rng_state()
    add_lora(net, rank=2, alpha=2, dropout=0, targets=TARGETS, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_adapter_of_a_bfloat16_model_is_float32() -> None:
    net = model().bfloat16()
    add_lora(net, rank=2, alpha=2, dropout=0, targets=TARGETS, seed=1)
    assert {parameter.dtype for parameter in trainable(net)} == {torch.float32}
    assert net.blocks[0].to_q.base_layer.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param([r"blocks\.0\.feed"], ["blocks.0.feed"], id="one layer"),
        pytest.param([r"blocks\.\d\.to_q"], ["blocks.0.to_q", "blocks.1.to_q"], id="every block"),
        pytest.param([r".*1\.to_v", r".*1\.to_."], ["blocks.1.to_q", "blocks.1.to_v"], id="twice is once"),
        pytest.param([r"blocks\.1\.(norm|feed)"], ["blocks.1.feed"], id="linear layers only"),
    ],
)
def test_patterns_name_whole_layers(targets: list[str], expected: list[str]) -> None:
    assert matching(model(), targets) == expected


@pytest.mark.parametrize("pattern", ["to_q", r"blocks\.\d+\.to", r"blocks\.2\.to_q", r"blocks\.0\.norm"])
def test_a_pattern_that_matches_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(NoSuchLayers) as caught:
        add_lora(model(), rank=2, alpha=2, dropout=0, targets=[*TARGETS, pattern], seed=0)
    assert repr(pattern) in str(caught.value)
    assert "blocks.0." in str(caught.value)


def test_near_misses_are_listed() -> None:
    with pytest.raises(NoSuchLayers, match=r"blocks\.1\.to_v"):
        matching(model(), [r"block\.1\.to_v"])


def test_a_layer_is_not_taken_for_another_whose_name_ends_alike() -> None:
    net = nn.Module()
    net.out, net.head = nn.Linear(2, 2), nn.Module()
    net.head.out = nn.Linear(2, 2)
    add_lora(net, rank=1, alpha=1, dropout=0, targets=["out"], seed=0)
    assert sorted(adapter_state(net)) == ["out.lora_A.weight", "out.lora_B.weight"]


def test_the_state_names_its_layers_and_is_a_copy() -> None:
    net = adapted()
    state = adapter_state(net)
    layers = {name.rpartition(".lora_")[0] for name in state}
    train_a_little(net)
    assert layers == set(matching(model(), TARGETS))
    assert not any(value.any() for name, value in state.items() if "lora_B" in name)


def test_a_saved_adapter_comes_back_to_the_last_bit() -> None:
    trained, fresh = adapted(), adapted(seed=5)
    train_a_little(trained)
    load_adapter_state(fresh, adapter_state(trained))
    assert torch.equal(fresh.forward(inputs()), trained.forward(inputs()))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda state: dict(list(state.items())[1:]), id="a tensor is missing"),
        pytest.param(
            lambda state: state | {"blocks.9.to_q.lora_A.weight": torch.zeros(2, 6)}, id="one too many"
        ),
        pytest.param(lambda _: adapter_state(adapted(rank=3)), id="another rank"),
    ],
)
def test_another_adapter_is_refused(change) -> None:
    net = adapted()
    before = adapter_state(net)
    with pytest.raises(ValueError, match="differs from the model's"):
        load_adapter_state(net, change(before))
    assert all(torch.equal(value, before[name]) for name, value in adapter_state(net).items())
