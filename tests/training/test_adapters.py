"""Adapters of every kind: each starts as nothing, learns alone, and is what its formula says."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.training.adapters import (
    Adapter,
    Dora,
    Full,
    Loha,
    Lokr,
    Lora,
    NoSuchLayers,
    adapter_state,
    attach,
    load_adapter_state,
    matching,
    trained,
    without_adapter,
)

TARGETS = (r"blocks\.\d+\.to_(q|v)",)
KINDS: dict[str, Adapter] = {
    "lora": Lora(rank=2, alpha=4, dropout=0, targets=TARGETS),
    "dora": Dora(rank=2, alpha=4, dropout=0, targets=TARGETS),
    "lokr-w2-in-two": Lokr(rank=1, alpha=0.5, dropout=0, factor=2, targets=TARGETS),
    "lokr-w2-whole": Lokr(rank=6, alpha=0.5, dropout=0, factor=2, targets=TARGETS),
    "loha": Loha(rank=2, alpha=0.5, dropout=0, targets=TARGETS),
}
every_kind = pytest.mark.parametrize("adapter", KINDS.values(), ids=KINDS)
# the factors that learn from the first step on; the gradient of each of the others carries a factor that is zero
FIRST = {"lora_B.weight", "lora_magnitude_vector", "lokr_w2", "lokr_w2_b", "hada_w2_b"}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.to_q, self.to_v, self.feed = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.feed(torch.tanh(self.to_q(self.norm(x))) * self.to_v(x))


def model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(Block(), Block())


class Net(nn.Module):
    """Two blocks, as in a denoiser."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = model()

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


def adapted(adapter: Adapter = KINDS["lora"], *, seed: int = 1, dtype: torch.dtype = torch.float32) -> Net:
    net = Net()
    attach(net, adapter, seed, dtype)
    return net


def single(adapter: Adapter, width_in: int = 6, width_out: int = 4, *, bias: bool = True) -> nn.Sequential:
    """One linear layer with an adapter of the given kind, every number of it drawn."""
    torch.manual_seed(3)
    layer = nn.Sequential(nn.Linear(width_in, width_out, bias=bias))
    attach(layer, replace(adapter, targets=["0"]), seed=0)
    for value in trained(layer).values():
        nn.init.normal_(value)
    return layer


def inputs() -> Tensor:
    return torch.randn(5, 6, generator=torch.Generator().manual_seed(9))


def train_a_little(net: nn.Module, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW(trained(net).values(), lr=0.05, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        net(inputs()).square().mean().backward()
        optimizer.step()


def suffix(name: str) -> str:
    """The factor that a name of ``adapter_state`` is about."""
    return name.split(".", 3)[-1]


# what an adapter is, in the numbers of its file alone


def weight(adapter: Adapter, w: NDArray[np.float64], state: Mapping[str, Tensor]) -> NDArray[np.float64]:
    """The weight that a layer named "0" computes with, by the papers' formulas."""
    at = {name.removeprefix("0."): value.double().numpy() for name, value in state.items()}
    scale = adapter.alpha / adapter.rank
    if isinstance(adapter, Lora):
        return w + scale * at["lora_B.weight"] @ at["lora_A.weight"]
    if isinstance(adapter, Dora):
        direction = w + scale * at["lora_B.weight"] @ at["lora_A.weight"]
        length = np.sqrt((direction**2).sum(axis=1))
        return at["lora_magnitude_vector"][:, None] * direction / length[:, None]
    if isinstance(adapter, Loha):
        return w + scale * (at["hada_w1_a"] @ at["hada_w1_b"]) * (at["hada_w2_a"] @ at["hada_w2_b"])
    if "lokr_w2" in at:  # nothing has a rank, so there is nothing to scale by
        return w + np.kron(at["lokr_w1"], at["lokr_w2"])
    return w + scale * np.kron(at["lokr_w1"], at["lokr_w2_a"] @ at["lokr_w2_b"])


@every_kind
@pytest.mark.parametrize("alpha", [0.5, 1, 7.5])
def test_the_layer_computes_what_the_formula_says(adapter: Adapter, alpha: float) -> None:
    adapter = replace(adapter, alpha=alpha)
    layer = single(adapter)
    base = layer[0].base_layer
    w, bias = (tensor.detach().double().numpy() for tensor in (base.weight, base.bias))
    expected = inputs().double().numpy() @ weight(adapter, w, adapter_state(layer)).T + bias
    np.testing.assert_allclose(layer(inputs()).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "dora"])
def test_gradients_are_those_of_the_formula(name: str) -> None:
    """DoRA's are not: by §4.3 of its paper the length of the direction counts as a constant."""
    adapter, nudge = KINDS[name], 1e-6
    layer = single(adapter).double()
    layer(inputs().double()).square().sum().backward()
    state = {name: value.double() for name, value in adapter_state(layer).items()}
    w, bias = (tensor.detach().numpy() for tensor in (layer[0].base_layer.weight, layer[0].base_layer.bias))

    def loss(factor: str, change: float) -> float:
        moved = state[factor].clone()
        moved.view(-1)[1] += change
        out = inputs().double().numpy() @ weight(adapter, w, state | {factor: moved}).T + bias
        return float((out**2).sum())

    for factor, value in trained(layer).items():
        slope = (loss(factor, nudge) - loss(factor, -nudge)) / (2 * nudge)
        assert value.grad.flatten()[1].item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize(
    ("alpha", "merged", "output"),
    [
        pytest.param(8, [[17, -14], [7, 0]], [37, 21], id="alpha 8"),
        pytest.param(1, [[3, 0], [3.5, 3.5]], [9, 14], id="alpha 1"),
    ],
)
def test_the_pencil_merge(alpha: float, merged: list[list[float]], output: list[float]) -> None:
    layer = single(Lora(rank=1, alpha=alpha, dropout=0, targets=()), 2, 2, bias=False)
    layer[0].base_layer.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    saved = {"0.lora_A.weight": torch.tensor([[1.0, -1.0]]), "0.lora_B.weight": torch.tensor([[2.0], [0.5]])}
    load_adapter_state(layer, saved)
    assert layer(torch.eye(2)).T.tolist() == merged
    assert layer(torch.tensor([3.0, 1.0])).tolist() == output


def test_the_pencil_kronecker_product_has_w1_outside() -> None:
    layer = single(Lokr(rank=9, alpha=1, dropout=0, factor=-1, targets=()), 4, 2, bias=False)
    layer[0].base_layer.weight.data.zero_()
    assert {name: tuple(value.shape) for name, value in adapter_state(layer).items()} == {
        "0.lokr_w1": (1, 2),  # 2 = 1 × 2 rows, 4 = 2 × 2 columns
        "0.lokr_w2": (2, 2),
    }
    saved = {"0.lokr_w1": torch.tensor([[1.0, 2.0]]), "0.lokr_w2": torch.tensor([[0.0, 1.0], [1.0, 0.0]])}
    load_adapter_state(layer, saved)
    assert layer(torch.eye(4)).T.tolist() == [[0, 1, 0, 2], [1, 0, 2, 0]]


@pytest.mark.parametrize(
    ("width_in", "width_out", "rank", "factor", "numbers", "w1"),
    [
        pytest.param(1536, 1536, 10000, 16, 9472, (16, 16), id="1.3B attention, whole"),
        pytest.param(1536, 8960, 10000, 16, 54016, (16, 16), id="1.3B feed-forward, whole"),
        pytest.param(5120, 5120, 10000, 16, 102656, (16, 16), id="14B attention, whole"),
        pytest.param(5120, 13824, 10000, 16, 276736, (16, 16), id="14B feed-forward, whole"),
        pytest.param(1536, 1536, 16, 16, 3328, (16, 16), id="1.3B attention, rank 16"),
        pytest.param(1536, 8960, 16, 16, 10752, (16, 16), id="1.3B feed-forward, rank 16"),
        pytest.param(5120, 5120, 16, 16, 10496, (16, 16), id="14B attention, rank 16"),
        pytest.param(5120, 13824, 16, 16, 19200, (16, 16), id="14B feed-forward, rank 16"),
        pytest.param(1536, 8960, 8, -1, 32 * 80 + 8 * (112 + 48), (80, 32), id="as equal as can be"),
        pytest.param(5120, 13824, 8, 10, 90 + 8 * (1536 + 512), (9, 10), id="a factor that does not divide"),
    ],
)
def test_a_kronecker_product_is_as_large_as_lycoris_makes_it(
    width_in: int, width_out: int, rank: int, factor: int, numbers: int, w1: tuple[int, int]
) -> None:
    with torch.device("meta"):
        layer = nn.Sequential(nn.Linear(width_in, width_out))
        attach(layer, Lokr(rank=rank, alpha=1, dropout=0, factor=factor, targets=["0"]), seed=0)
    assert sum(value.numel() for value in trained(layer).values()) == numbers
    assert tuple(trained(layer)["0.lokr_w1"].shape) == w1


# how it begins


@every_kind
@pytest.mark.parametrize("base", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("dropout", [0, 0.5])
def test_a_fresh_adapter_changes_not_one_bit(
    adapter: Adapter, base: torch.dtype, dtype: torch.dtype, dropout: float
) -> None:
    net, x = Net().to(base), inputs().to(base)
    plain = net(x)
    attach(net, replace(adapter, dropout=dropout), seed=1, dtype=dtype)
    assert torch.equal(net.train()(x), plain)


@every_kind
def test_the_seed_decides_the_first_values(adapter: Adapter) -> None:
    one, same, other = (adapter_state(adapted(adapter, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert all(torch.equal(one[name], other[name]) == (suffix(name) in FIRST) for name in one)


def test_a_starts_uniform_within_one_over_the_root_of_the_width_and_b_at_zero() -> None:
    layer = nn.Sequential(nn.Linear(400, 3))
    attach(layer, Lora(rank=16, alpha=16, dropout=0, targets=["0"]), seed=0)
    state = adapter_state(layer)
    a, b = state["0.lora_A.weight"].double(), state["0.lora_B.weight"]
    assert (a.abs().max().item(), a.std().item()) == pytest.approx((0.05, 0.05 / 3**0.5), rel=0.02)
    assert not b.any()


def test_the_lengths_of_dora_start_as_those_of_the_rows() -> None:
    net = Net().bfloat16()
    rows = net.blocks[0].to_q.weight.float().norm(dim=1)
    attach(net, KINDS["dora"], seed=1)
    length = trained(net)["blocks.0.to_q.lora_magnitude_vector"]
    assert torch.allclose(length, rows, rtol=1e-6)  # bfloat16 would be 4e-3 off


@every_kind
def test_attaching_leaves_the_global_generator_alone(adapter: Adapter) -> None:
    net = Net()
    before = torch.get_rng_state()
    attach(net, adapter, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


# how it learns


@every_kind
def test_training_leaves_the_base_as_it_was_to_the_last_bit(adapter: Adapter) -> None:
    net, before = adapted(adapter), Net().state_dict()
    fresh = adapter_state(net)
    train_a_little(net)
    after = {name.replace(".base_layer", ""): value for name, value in net.state_dict().items()}
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(torch.equal(fresh[name], value) for name, value in adapter_state(net).items())


@every_kind
def test_the_factor_that_starts_at_zero_learns_first_and_all_from_the_second_step(adapter: Adapter) -> None:
    net = adapted(adapter)
    net(inputs()).sum().backward()
    first = {name: value.grad.abs().max().item() for name, value in trained(net).items()}
    assert all((gradient > 0) == (suffix(name) in FIRST) for name, gradient in first.items())
    train_a_little(net, 1)
    net.zero_grad()
    net(inputs()).sum().backward()
    assert all(value.grad.abs().max() > 0 for value in trained(net).values())


@every_kind
def test_only_the_adapter_is_trained(adapter: Adapter) -> None:
    net = adapted(adapter)
    layers = {name.rsplit(f".{suffix(name)}", 1)[0] for name in trained(net)}
    assert layers == {f"blocks.{block}.to_{which}" for block in (0, 1) for which in "qv"}
    assert list(trained(net)) == sorted(trained(net))
    assert list(trained(net)) == list(adapter_state(net))


def test_the_rank_decides_how_many_numbers_are_trained() -> None:
    sizes = {
        name: sum(value.numel() for value in trained(adapted(kind)).values()) for name, kind in KINDS.items()
    }
    layers = 4
    assert sizes == {
        "lora": layers * 2 * (6 + 6),
        "dora": layers * (2 * (6 + 6) + 6),
        "lokr-w2-in-two": layers * (2 * 2 + 1 * (3 + 3)),
        "lokr-w2-whole": layers * (2 * 2 + 3 * 3),
        "loha": layers * 2 * 2 * (6 + 6),
    }


@pytest.mark.parametrize("name", ["lokr-w2-in-two", "lokr-w2-whole", "loha"])
def test_dropout_drops_rows_in_training_only_and_the_others_make_up_for_it(name: str) -> None:
    plain, dropping = (single(replace(KINDS[name], dropout=share), 6, 40) for share in (0, 0.5))
    load_adapter_state(dropping, adapter_state(plain))
    assert torch.equal(dropping.eval()(inputs()), plain.eval()(inputs()))
    base = plain[0].base_layer(inputs())
    ratio = ((dropping.train()(inputs()) - base) / (plain(inputs()) - base)).mean(dim=0)
    kept = (ratio > 0.5).sum().item()
    assert 0 < kept < 40
    expected = torch.where(ratio > 0.5, 40 / kept, 0.0)
    assert torch.allclose(ratio, expected, atol=1e-2)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_adapter_has_the_asked_number_format_and_the_base_its_own(
    adapter: Adapter, dtype: torch.dtype
) -> None:
    net = Net().bfloat16()
    attach(net, adapter, seed=1, dtype=dtype)
    assert {value.dtype for value in trained(net).values()} == {dtype}
    assert {value.dtype for value in adapter_state(net).values()} == {dtype}
    assert net.blocks[0].to_q.base_layer.weight.dtype == torch.bfloat16


# which layers


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
    assert matching(Net(), targets) == expected


@every_kind
@pytest.mark.parametrize("pattern", ["to_q", r"blocks\.\d+\.to", r"blocks\.2\.to_q", r"blocks\.0\.norm"])
def test_a_pattern_that_matches_nothing_is_refused_and_the_model_left_as_it_was(
    adapter: Adapter, pattern: str
) -> None:
    net = Net()
    with pytest.raises(NoSuchLayers) as caught:
        attach(net, replace(adapter, targets=[*TARGETS, pattern]), seed=0)
    assert repr(pattern) in str(caught.value)
    assert "blocks.0." in str(caught.value)
    assert net.state_dict().keys() == Net().state_dict().keys()
    assert all(value.requires_grad for value in net.parameters())


def test_near_misses_are_listed() -> None:
    with pytest.raises(NoSuchLayers, match=r"blocks\.1\.to_v"):
        matching(Net(), [r"block\.1\.to_v"])


@every_kind
def test_a_layer_is_not_taken_for_another_whose_name_ends_alike(adapter: Adapter) -> None:
    net = nn.Module()
    net.out, net.head = nn.Linear(4, 4), nn.Module()
    net.head.out = nn.Linear(4, 4)
    attach(net, replace(adapter, targets=["out"]), seed=0)
    assert {name.partition(".")[0] for name in adapter_state(net)} == {"out"}


# saving


@every_kind
def test_the_state_is_a_copy(adapter: Adapter) -> None:
    net = adapted(adapter)
    state, again = adapter_state(net), adapter_state(net)
    train_a_little(net)
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert all(value.is_contiguous() and not value.requires_grad for value in state.values())


@every_kind
def test_a_saved_adapter_comes_back_to_the_last_bit_into_the_same_parameters(adapter: Adapter) -> None:
    net, fresh = adapted(adapter), adapted(adapter, seed=5)
    before = {name: id(value) for name, value in trained(fresh).items()}
    train_a_little(net)
    load_adapter_state(fresh, adapter_state(net))
    assert torch.equal(fresh(inputs()), net(inputs()))
    assert {name: id(value) for name, value in trained(fresh).items()} == before


@every_kind
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda state: dict(list(state.items())[1:]), id="a tensor is missing"),
        pytest.param(lambda state: state | {"blocks.9.to_q.lora_A.weight": torch.zeros(2, 6)}, id="one too many"),
        pytest.param(lambda state: {name: value.repeat(2, *[1] * (value.ndim - 1)) for name, value in state.items()},
                     id="other shapes"),
    ],
)  # fmt: skip
def test_another_adapter_is_refused(adapter: Adapter, change) -> None:
    net = adapted(adapter)
    before = adapter_state(net)
    with pytest.raises(ValueError, match="differs from the model's"):
        load_adapter_state(net, change(before))
    assert all(torch.equal(value, before[name]) for name, value in adapter_state(net).items())


# the base within


@every_kind
def test_without_its_adapter_the_model_is_its_base(adapter: Adapter) -> None:
    net = adapted(adapter)
    train_a_little(net)
    learnt = net(inputs())
    with without_adapter(net):
        assert torch.equal(net(inputs()), Net()(inputs()))
    assert torch.equal(net(inputs()), learnt)
    assert not torch.equal(learnt, Net()(inputs()))


@every_kind
def test_the_adapter_comes_back_and_goes_on_learning_even_after_an_error(adapter: Adapter) -> None:
    net = adapted(adapter)
    train_a_little(net)
    names, learnt = list(trained(net)), net(inputs())
    with pytest.raises(ZeroDivisionError), without_adapter(net):
        raise ZeroDivisionError
    assert list(trained(net)) == names
    assert torch.equal(net(inputs()), learnt)


# no adapter


def test_a_model_that_is_trained_itself_is_trained_whole() -> None:
    net = adapted(Full())
    assert adapter_state(net).keys() == dict(Net().named_parameters()).keys()
    assert torch.equal(net(inputs()), Net()(inputs()))
    net(inputs()).sum().backward()
    assert all(value.grad is not None and value.grad.any() for value in trained(net).values())


def test_a_whole_model_comes_back_to_the_last_bit() -> None:
    net, fresh = adapted(Full()), adapted(Full())
    train_a_little(net)
    assert not torch.equal(fresh(inputs()), net(inputs()))
    load_adapter_state(fresh, adapter_state(net))
    assert torch.equal(fresh(inputs()), net(inputs()))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float32, {torch.float32}), (torch.bfloat16, {torch.bfloat16, torch.float32})],
)
def test_what_a_model_keeps_in_float32_is_not_narrowed(
    dtype: torch.dtype, expected: set[torch.dtype]
) -> None:
    net = Net().bfloat16()
    net.blocks[0].norm.float()
    attach(net, Full(), seed=0, dtype=dtype)
    assert {value.dtype for value in trained(net).values()} == expected
    assert net.blocks[0].norm.weight.dtype == torch.float32


def test_a_model_that_is_trained_itself_has_no_base_to_go_back_to() -> None:
    with pytest.raises(ValueError, match="no base"), without_adapter(adapted(Full())):
        pass
