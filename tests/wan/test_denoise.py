"""What the denoiser is asked, and in which numbers it answers."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from attends import EVERY_MODE
from diffusers import WanTransformer3DModel
from torch import Tensor

from engine.training.adapters import Lora, attach, trained
from engine.training.offload import offloaded
from engine.training.routing import Detour, Route, draw, put_back, take
from engine.training.walk import Checkpointing, Course
from engine.wan.denoise import Block, Walk, predict, straight
from engine.wan.feed_forward import chunk_feed_forward
from engine.wan.load import load_transformer


def ask(model, dtype: torch.dtype, sigma: float) -> torch.Tensor:
    noisy_BCFHW = torch.ones(1, model.config.in_channels, 1, 4, 4, dtype=dtype)
    return predict(
        model, noisy_BCFHW, torch.tensor([sigma]), torch.zeros(1, 8, model.config.text_dim, dtype=dtype)
    )


def test_a_bfloat16_model_embeds_time_in_float32_as_the_reference_does(folder: Path, cpu) -> None:
    model, seen = load_transformer(folder, torch.bfloat16, cpu), []
    model.condition_embedder.time_embedder.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    ask(model, torch.bfloat16, 0.9997)
    assert seen == [torch.float32]


def test_times_that_bfloat16_would_not_tell_apart_are_told_apart(folder: Path, cpu) -> None:
    model, seen = load_transformer(folder, torch.bfloat16, cpu), []
    model.condition_embedder.time_embedder.register_forward_hook(lambda _m, _i, out: seen.append(out))
    ask(model, torch.bfloat16, 0.9997)
    ask(model, torch.bfloat16, 0.9993)  # 999.7 and 999.3 are both 1000 in bfloat16
    assert not torch.equal(seen[0], seen[1])


BATCH, TOKENS = 2, 2 * 3 * 2


def given(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    noisy_BCFHW = torch.randn(BATCH, 16, 2, 6, 4, generator=rng, dtype=dtype)
    return noisy_BCFHW, torch.tensor([0.3, 0.9]), torch.randn(BATCH, 8, 16, generator=rng, dtype=dtype)


def adapted(folder: Path, dtype: torch.dtype = torch.float32, dropout: float = 0.3) -> WanTransformer3DModel:
    model = load_transformer(folder, dtype, torch.device("cpu"))
    attach(model, Lora(rank=4, alpha=4, dropout=dropout, targets=[r"blocks\..*"]), 0)
    for number, weight in enumerate(trained(model).values()):
        weight.data.normal_(std=0.2, generator=torch.Generator().manual_seed(number))
    return model.train()


def gradients(model: WanTransformer3DModel, made: Tensor) -> list[Tensor]:
    made.square().mean().backward()
    shown = [made.detach(), *(weight.grad for weight in trained(model).values() if weight.grad is not None)]
    assert len(shown) == 1 + len(trained(model))
    return shown


def stock(model: WanTransformer3DModel) -> list[Tensor]:
    """What the model makes with nobody in between."""
    noisy_BCFHW, sigma_B, text_BLD = given()
    torch.manual_seed(1)
    return gradients(
        model,
        model(
            hidden_states=noisy_BCFHW,
            timestep=1000 * sigma_B,
            encoder_hidden_states=text_BLD,
            return_dict=False,
        )[0],
    )


def walked(model: WanTransformer3DModel, walk: Walk) -> list[Tensor]:
    torch.manual_seed(1)
    return gradients(model, predict(model, *given(), walk))


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(this, that) for this, that in zip(one, other, strict=True))


WALKS = [straight, Course(), *(Course(mode) for mode in EVERY_MODE)]


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_result_and_gradients_are_those_of_the_stock_model_to_the_last_bit(folder: Path, walk: Walk) -> None:
    plain, again = stock(adapted(folder)), adapted(folder)
    again.enable_gradient_checkpointing()
    assert same(plain, stock(again))  # also where the library computes blocks again
    assert same(plain, walked(adapted(folder), walk))


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_a_bfloat16_model_is_walked_through_bit_for_bit(folder: Path, walk: Walk) -> None:
    model, (noisy_BCFHW, sigma_B, text_BLD) = adapted(folder, torch.bfloat16, 0), given(torch.bfloat16)
    with torch.no_grad():
        made = predict(model, noisy_BCFHW, sigma_B, text_BLD, walk)
        plain = model(hidden_states=noisy_BCFHW, timestep=1000 * sigma_B, encoder_hidden_states=text_BLD)
    assert torch.equal(made, plain.sample)


def test_a_model_that_computes_blocks_again_by_itself_is_refused(folder: Path) -> None:
    model = adapted(folder)
    model.enable_gradient_checkpointing()
    with pytest.raises(ValueError, match="a walk says what is computed again"):
        predict(model, *given())


def test_the_blocks_are_back_afterwards_even_after_an_error(folder: Path) -> None:
    model = adapted(folder)
    blocks, names = model.blocks, list(model.state_dict())

    def breaks(*_: object) -> Tensor:
        raise FloatingPointError

    with pytest.raises(FloatingPointError):
        predict(model, *given(), breaks)
    assert model.blocks is blocks
    assert list(model.state_dict()) == names
    predict(model, *given(), straight)
    assert model.blocks is blocks


def in_float64(folder: Path) -> WanTransformer3DModel:
    return adapted(folder, dropout=0).double().eval()


def asked(model: WanTransformer3DModel, walk: Walk, sigma: Tensor) -> Tensor:
    noisy_BCFHW, _, text_BLD = given(torch.float64)
    with torch.no_grad():
        return predict(model, noisy_BCFHW, sigma, text_BLD, walk)


TIMES = {
    "a time": torch.tensor([0.3, 0.9]),
    "a time for each token": torch.linspace(0.1, 0.9, 24).view(2, 12),
}


@pytest.mark.parametrize("sigma", TIMES.values(), ids=TIMES)
def test_tokens_in_another_order_on_a_route_keep_their_place_and_time(folder: Path, sigma: Tensor) -> None:
    model = in_float64(folder)
    mixed = torch.stack(
        [torch.randperm(TOKENS, generator=torch.Generator().manual_seed(n)) for n in range(BATCH)]
    )
    around = asked(model, Course(detours=(Detour(0, 1, mixed),)), sigma)
    torch.testing.assert_close(around, asked(model, straight, sigma), rtol=0, atol=1e-13)


def test_a_route_without_places_would_be_seen(folder: Path) -> None:
    """So the test above can fail: with the places of other tokens the model answers something else."""
    model = in_float64(folder)
    mixed = torch.stack(
        [torch.randperm(TOKENS, generator=torch.Generator().manual_seed(n)) for n in range(BATCH)]
    )

    def misplaced(blocks: Sequence[Block], hidden_BLD: Tensor) -> Tensor:
        return put_back(hidden_BLD, straight(blocks, take(hidden_BLD, mixed)), mixed)

    off = asked(model, misplaced, TIMES["a time"]) - asked(model, straight, TIMES["a time"])
    assert off.abs().max() > 1e-3


@pytest.mark.parametrize("sigma", TIMES.values(), ids=TIMES)
def test_a_route_is_a_smaller_clip_with_holes(folder: Path, sigma: Tensor) -> None:
    """The kept tokens come out as if the others had never been; each block by hand, with what belongs to its tokens."""
    model, kept_BK = in_float64(folder), torch.tensor([[0, 2, 3, 7, 11], [1, 4, 5, 6, 9]])
    seen: list[Tensor] = []
    around = Course(detours=(Detour(0, 0, kept_BK),), watch={0: seen.append})
    given_to: list[tuple[Tensor, ...]] = []
    handle = model.blocks[0].register_forward_pre_hook(lambda _, inputs: given_to.append(inputs))
    asked(model, straight, sigma)
    handle.remove()
    [(hidden_BLD, text_BLD, time, (cos, sin))] = given_to
    asked(model, around, sigma)
    for sample, kept in enumerate(kept_BK):
        one = slice(sample, sample + 1)
        of_token = time[one][:, kept] if time.ndim == 4 else time[one]
        with torch.no_grad():
            alone = model.blocks[0](
                hidden_BLD[one][:, kept], text_BLD[one], of_token, (cos[:, kept], sin[:, kept])
            )
        torch.testing.assert_close(seen[0][sample, kept], alone[0], rtol=0, atol=1e-13)
        others = [token for token in range(TOKENS) if token not in kept]
        assert torch.equal(seen[0][sample, others], hidden_BLD[sample, others])


@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_on_a_route_the_adapter_learns_the_same_whatever_is_computed_again(
    folder: Path, mode: Checkpointing
) -> None:
    detours = draw([Route(0, 1, 0.5)], [5, 6], 0, TOKENS)
    plain = walked(adapted(folder), Course(detours=detours))
    assert same(plain, walked(adapted(folder), Course(mode, detours)))
    assert not same(plain, walked(adapted(folder), straight))


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_blocks_that_wait_elsewhere_answer_and_learn_the_same(
    folder: Path, tmp_path: Path, mode: Checkpointing, chunks: int, where: str
) -> None:
    held, away = (adapted(folder, dropout=0.3 if chunks == 1 else 0) for _ in range(2))
    for model in (held, away):
        chunk_feed_forward(model, chunks)
    course = Course(mode, draw([Route(1, 1, 0.5)], [5, 6], 0, TOKENS))
    with offloaded(away.blocks, torch.device("cpu"), tmp_path if where == "disk" else None):
        assert same(walked(held, course), walked(away, course))
