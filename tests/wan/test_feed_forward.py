"""Feed-forward networks in chunks give the same, and keep less."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.training.lora import add_lora, trainable
from engine.wan.denoise import predict
from engine.wan.feed_forward import chunk_feed_forward
from engine.wan.load import load_transformer

TOKENS = 2 * 3 * 2  # of the clip below


def learnt(
    folder: Path, cpu: torch.device, chunks: int, *, recompute: bool = True
) -> tuple[Tensor, list[Tensor], list[int]]:
    """What the model predicts, its gradients, and how many tokens each pass through a network had."""
    model = load_transformer(folder, torch.float32, cpu)
    add_lora(model, rank=4, alpha=4, dropout=0, targets=[r"blocks\..*"], seed=0)
    for parameter in trainable(model):
        parameter.data.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    model.train()
    if recompute:
        model.enable_gradient_checkpointing()
    chunk_feed_forward(model, chunks)
    seen: list[int] = []
    for block in model.blocks:
        block.ffn.net[2].register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    rng = torch.Generator().manual_seed(0)
    made = predict(
        model, torch.randn(2, 16, 2, 6, 4, generator=rng), torch.tensor([0.3, 0.9]),
        torch.randn(2, 8, 16, generator=rng),
    )  # fmt: skip
    made.square().mean().backward()
    gradients = [parameter.grad for parameter in trainable(model) if parameter.grad is not None]
    assert len(gradients) == len(trainable(model))
    return made.detach(), gradients, seen


@pytest.mark.parametrize("chunks", [2, 3, 5, 12, 64])
@pytest.mark.parametrize("recompute", [True, False])
def test_prediction_and_gradients_are_those_of_the_whole(
    folder: Path, cpu: torch.device, chunks: int, recompute: bool
) -> None:
    whole, parts = learnt(folder, cpu, 1), learnt(folder, cpu, chunks, recompute=recompute)
    torch.testing.assert_close(parts[0], whole[0], rtol=1e-5, atol=1e-6)
    for one, other in zip(parts[1], whole[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


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
    return [shape for shape in kept if shape[-1] == 32 and shape != (24, 32)]  # and no weight


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
