"""Feed-forward networks in chunks give the same, and keep less."""

from pathlib import Path

import pytest
import torch
from attends import EVERY_MODE
from diffusers import WanTransformer3DModel
from live_bytes import counted
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from engine.training.adapters import Lora, attach, trained
from engine.training.offload import offloaded
from engine.training.walk import Checkpointing, Course
from engine.wan.attention import use_kernels
from engine.wan.denoise import predict
from engine.wan.feed_forward import chunk_feed_forward
from engine.wan.load import load_transformer

TOKENS = 2 * 3 * 2  # of the clip below


def learnt(
    folder: Path,
    cpu: torch.device,
    chunks: int,
    mode: Checkpointing = Checkpointing("blocks"),  # noqa: B008 - it is frozen
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, list[Tensor], list[int]]:
    """What the model predicts, its gradients, and how many tokens each pass through a network had."""
    model = load_transformer(folder, torch.float32, cpu)
    attach(model, Lora(rank=4, alpha=4, dropout=0, targets=[r"blocks\..*"]), seed=0)
    model.to(dtype)
    for parameter in trained(model).values():
        parameter.data.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    model.train()
    chunk_feed_forward(model, chunks)
    seen: list[int] = []
    for block in model.blocks:
        block.ffn.net[2].register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    rng = torch.Generator().manual_seed(0)
    made = predict(
        model, torch.randn(2, 16, 2, 6, 4, generator=rng, dtype=dtype), torch.tensor([0.3, 0.9]),
        torch.randn(2, 8, 16, generator=rng, dtype=dtype), Course(mode),
    )  # fmt: skip
    made.square().mean().backward()
    gradients = [parameter.grad for parameter in trained(model).values() if parameter.grad is not None]
    assert len(gradients) == len(trained(model))
    return made.detach(), gradients, seen


@pytest.mark.parametrize("chunks", [2, 3, 5, 12, 64])
@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_prediction_and_gradients_are_those_of_the_whole(
    folder: Path, cpu: torch.device, chunks: int, mode: Checkpointing
) -> None:
    whole, parts = learnt(folder, cpu, 1), learnt(folder, cpu, chunks, mode)
    torch.testing.assert_close(parts[0], whole[0], rtol=1e-5, atol=1e-6)
    for one, other in zip(parts[1], whole[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("chunks", [1, 2, 3, TOKENS])
@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_in_float64_they_differ_by_rounding_alone(
    folder: Path, cpu: torch.device, chunks: int, mode: Checkpointing
) -> None:
    whole = learnt(folder, cpu, 1, EVERY_MODE[0], torch.float64)
    parts = learnt(folder, cpu, chunks, mode, torch.float64)
    torch.testing.assert_close(parts[0], whole[0], rtol=1e-13, atol=1e-13)
    for one, other in zip(parts[1], whole[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("chunks", "most"), [(1, TOKENS), (2, 6), (5, 3), (12, 1), (64, 1)])
def test_no_pass_has_more_tokens_than_its_share(
    folder: Path, cpu: torch.device, chunks: int, most: int
) -> None:
    _, _, seen = learnt(folder, cpu, chunks)
    assert max(seen) == most
    assert sum(seen) % TOKENS == 0


def kept_wide(network: nn.Module) -> list[tuple[int, ...]]:
    """Shapes of what the backward pass of a network keeps, of the tensors that are as wide as its hidden layer."""
    kept: list[tuple[int, ...]] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.randn(1, TOKENS, 24, requires_grad=True))
    return [
        shape for shape in kept if shape[-1] == 32 and len(shape) == 3
    ]  # of tokens: weights are there anyway


def test_the_backward_pass_keeps_nothing_of_the_width_of_the_network(folder: Path, cpu: torch.device) -> None:
    model = load_transformer(folder, torch.float32, cpu)
    assert kept_wide(model.blocks[0].ffn) != []
    chunk_feed_forward(model, 4)
    assert kept_wide(model.blocks[0].ffn) == []


def test_without_gradients_it_is_the_same_too(folder: Path, cpu: torch.device) -> None:
    model = load_transformer(folder, torch.float32, cpu)
    tokens = torch.randn(1, TOKENS, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model.blocks[0].ffn(tokens)
        chunk_feed_forward(model, 5)
        torch.testing.assert_close(model.blocks[0].ffn(tokens), whole)


def wide_model(chunks: int) -> WanTransformer3DModel:
    torch.manual_seed(0)
    model = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, num_layers=4, ffn_dim=24 * 6, text_dim=16, freq_dim=32,
        rope_max_seq_len=64,
    )  # fmt: skip
    attach(model, Lora(rank=2, alpha=2, dropout=0, targets=[r"blocks\..*to_q"]), seed=0)
    # diffusers takes kernels that another model in this process asked for, and some need more memory than the network
    use_kernels(model, "native", torch.device("cpu"))
    chunk_feed_forward(model, chunks)
    return model


def wide(chunks: int, mode: Checkpointing) -> tuple[int, int, int]:
    """Bytes that a walk makes at most, in its forward pass and in all, and those that wait in between."""
    model = wide_model(chunks)
    noisy_BCFHW, text_BLD = torch.randn(1, 16, 5, 16, 16), torch.randn(1, 8, 16)
    with counted() as live:
        made = predict(model, noisy_BCFHW, torch.tensor([0.5]), text_BLD, Course(mode))
        forward, waiting = live.peak, live.now()
        made.square().mean().backward()
    return forward, live.peak, waiting


@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_the_highest_number_of_bytes_really_falls(mode: Checkpointing) -> None:
    whole, parts = wide(1, mode), wide(8, mode)
    assert parts[0] < whole[0]
    # of 320 tokens, 280 have no place in the hidden layer of a network at once: there its input and its output are float32
    assert whole[1] - parts[1] > 0.9 * 2 * 280 * 144 * 4
    if mode.kind != "none" and mode.every == 1:
        assert parts[2] == whole[2]  # a block that is computed again keeps its input alone, chunks or not


def test_chunks_do_not_hold_weights_that_wait_elsewhere(cpu: torch.device) -> None:
    """What computes a chunk again must know its weights, and yet let them go when the block is computed again as well."""
    model = wide_model(4)
    brought: list[StorageWeakRef] = []

    def see(layer: nn.Linear, _given: object) -> None:
        brought.append(StorageWeakRef(layer.weight.untyped_storage()))

    for block in model.blocks:
        block.ffn.net[2].register_forward_pre_hook(see)
    with offloaded(model.blocks, cpu):
        made = predict(
            model, torch.randn(1, 16, 5, 4, 4), torch.tensor([0.5]), torch.randn(1, 8, 16), Course(Checkpointing("blocks")),
        )  # fmt: skip
        assert len(brought) == 4 * 4
        assert [one.expired() for one in brought] == [True] * 12 + [
            False
        ] * 4  # the last is the next on the way back
        made.square().mean().backward()
