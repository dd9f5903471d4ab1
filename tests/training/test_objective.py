"""What a step makes small, held against the same written down by hand; and that what is off changes no bit."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.training.crepa import Crepa, Projector
from engine.training.evaluation import still
from engine.training.noise import LOSSES, Uniform, generator
from engine.training.objective import Batch, Levelled, Objective
from engine.training.rollout import Rollout
from engine.training.routing import Route
from engine.training.walk import Checkpointing, Walk

WIDTH, BLOCKS, SHAPE = 8, 4, (2, 3, 4, 6)  # channels, frames, height, width of latents
TOKENS = 3 * 2 * 3


class Denoiser(nn.Module):
    """Four blocks over 1x2x2 patches, each mixing tokens; its adapter is one number."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enter, self.leave = nn.Linear(8, WIDTH), nn.Linear(WIDTH, 8)
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.adapter = nn.Parameter(torch.tensor(0.3))
        self.dropout, self.adapted, self.calls = nn.Dropout(dropout), True, list[int]()

    def predict(self, noisy_BCFHW: Tensor, sigma_B: Tensor, rows: Tensor | None, walk: Walk) -> Tensor:
        self.calls.append(len(noisy_BCFHW))
        tokens_BLD = _patches(noisy_BCFHW) + sigma_B[:, None, None]
        blocks = [partial(self._block, block) for block in self.blocks]
        hidden_BLD = walk(blocks, self.enter(tokens_BLD))
        scale = 1 + self.adapter if self.adapted else 1
        return _unpatches(self.leave(self.dropout(hidden_BLD)) * scale, noisy_BCFHW.shape)

    def _block(self, block: nn.Module, hidden_BKD: Tensor, kept_BK: Tensor | None) -> Tensor:
        return hidden_BKD + torch.tanh(block(hidden_BKD) + hidden_BKD.mean(1, keepdim=True))

    def still(self) -> object:
        return still(self)

    @contextmanager
    def base(self) -> Iterator[None]:
        with still(self):
            self.adapted = False
            yield
            self.adapted = True


def _patches(latent_BCFHW: Tensor) -> Tensor:
    b, c, f, h, w = latent_BCFHW.shape
    return latent_BCFHW.view(b, c, f, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 1, 4, 6).reshape(b, -1, c * 4)


def _unpatches(tokens_BLD: Tensor, shape: Sequence[int]) -> Tensor:
    b, c, f, h, w = shape
    return tokens_BLD.view(b, f, h // 2, w // 2, c, 2, 2).permute(0, 4, 1, 2, 5, 3, 6).reshape(shape)


OBJECTIVE = Objective(
    seed=5, batch_size=3, steps=10, noise=Levelled(Uniform(), 3.0, 0.0, 1.0), loss=LOSSES["l2"], patch=(1, 2, 2),
    checkpointing=Checkpointing(), routes=(), rollout=None, crepa=None,
)  # fmt: skip
ROUTES = (Route(1, 2, 0.5),)
ROLLOUT = Rollout(1.0, 1.0, 0, 0.3, "uniform", 2, "drawn")


def crepa(block: int = 0) -> Crepa:
    return Crepa(Projector(WIDTH, 5, seed=1), block, 0.5, "constant", 1, "nearest", 1.0)


def batch(positions: Sequence[int] = (3, 4, 5), regularised: Sequence[bool] = (False, False, False)) -> Batch:
    latents = [torch.randn(SHAPE, generator=generator(1, "latent", at)) for at in positions]
    features = [torch.randn(3, 4, 5, generator=generator(1, "feature", at)) for at in positions]
    return Batch(torch.stack(latents), positions, torch.tensor(regularised), torch.stack(features))


def drawn(position: int, shift: float = 3.0) -> tuple[float, Tensor]:
    """The noise level and the noise of a sample, drawn here anew."""
    rng = generator(5, "noise", position)
    u = torch.rand((), generator=rng, dtype=torch.float64).item()
    return shift * u / (1 + (shift - 1) * u), torch.randn(SHAPE, generator=rng)


def test_the_loss_is_the_squared_error_of_noise_minus_data() -> None:
    model, given = Denoiser(), batch()
    errors = []
    for row, position in enumerate(given.positions):
        sigma, noise = drawn(position)
        latent = given.latent_BCFHW[row]
        with torch.no_grad():
            noisy = (1 - sigma) * latent + sigma * noise
            said = model.predict(noisy[None], torch.tensor([sigma]), None, _straight)[0]
        errors.append(np.mean((said - (noise - latent)).numpy() ** 2))
    assert OBJECTIVE.losses(given, model)["loss"].item() == pytest.approx(np.mean(errors), rel=1e-5)


def _straight(blocks: Sequence[object], hidden: Tensor) -> Tensor:
    for block in blocks:
        hidden = block(hidden, None)
    return hidden


def test_a_sample_sees_the_same_in_every_micro_batch() -> None:
    model = Denoiser()
    whole = replace(OBJECTIVE, routes=ROUTES, rollout=ROLLOUT).losses(batch(), model)["loss"]
    parts = [
        replace(OBJECTIVE, routes=ROUTES, rollout=ROLLOUT).losses(batch([at], [False]), model)["loss"]
        for at in (3, 4, 5)
    ]
    assert whole.item() == pytest.approx(sum(part.item() for part in parts) / 3, rel=1e-5)


def test_the_shift_may_follow_from_the_size() -> None:
    by_size = replace(OBJECTIVE, noise=replace(OBJECTIVE.noise, shift=None))
    fixed = replace(
        OBJECTIVE, noise=replace(OBJECTIVE.noise, shift=float(np.exp(0.5)))
    )  # 6 tokens a frame: below 256
    losses = [some.losses(batch(), Denoiser())["loss"].item() for some in (by_size, fixed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_sample_that_regularises_learns_what_the_base_says() -> None:
    model, given = Denoiser(), batch(regularised=(False, True, False))
    model.adapter.data.zero_()  # adapter and base agree: nothing to learn from that sample
    rows = [OBJECTIVE.losses(batch([at], [at == 4]), model)["loss"].item() for at in (3, 4, 5)]
    assert rows[1] == 0
    assert OBJECTIVE.losses(given, model)["loss"].item() == pytest.approx(sum(rows) / 3, rel=1e-6)
    model.adapter.data.fill_(0.5)  # the base's answer scaled by 1.5: the error is half of the answer
    sigma, noise = drawn(4)
    latent = batch([4], [True]).latent_BCFHW[0]
    with torch.no_grad(), model.base():
        said = model.predict(
            ((1 - sigma) * latent + sigma * noise)[None], torch.tensor([sigma]), None, _straight
        )
    expected = np.mean((said.numpy() * 0.5) ** 2)
    assert OBJECTIVE.losses(batch([4], [True]), model)["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_what_regularises_gives_the_base_no_gradient() -> None:
    model = Denoiser()
    OBJECTIVE.losses(batch([4], [True]), model)["loss"].backward()
    with torch.no_grad():
        said = [model.adapter.grad.item()]
    nudged = []
    for step in (1e-3, -1e-3):
        other = Denoiser()
        other.adapter.data += step
        nudged.append(OBJECTIVE.losses(batch([4], [True]), other)["loss"].item())
    assert said[0] == pytest.approx((nudged[0] - nudged[1]) / 2e-3, rel=1e-2)


def test_alignment_is_added_with_its_weight_and_told_apart() -> None:
    said = replace(OBJECTIVE, crepa=crepa()).losses(batch(), Denoiser())
    assert said["loss"].item() == pytest.approx(said["flow"].item() + 0.5 * said["crepa"].item(), rel=1e-6)
    assert said["flow"].item() == OBJECTIVE.losses(batch(), Denoiser())["loss"].item()


def test_a_sample_that_regularises_is_not_aligned() -> None:
    plain = batch(regularised=(False, True, False))
    said = replace(OBJECTIVE, crepa=crepa()).losses(plain, Denoiser())
    each = [
        replace(OBJECTIVE, crepa=crepa()).losses(batch([at], [False]), Denoiser())["crepa"].item()
        for at in (3, 5)
    ]
    assert said["crepa"].item() == pytest.approx(sum(each) / 3, rel=1e-5)


ADDED = {
    "tread": {"routes": ROUTES},
    "crepa": {"crepa": crepa()},
    "rollout": {"rollout": ROLLOUT},
    "recomputed": {"checkpointing": Checkpointing("blocks", 1)},
}


@dataclass(frozen=True)
class Learnt:
    loss: Tensor
    gradients: tuple[Tensor | None, ...]


def learnt(objective: Objective, dropout: float = 0.0) -> Learnt:
    model = Denoiser(dropout)
    torch.manual_seed(7)
    loss = objective.losses(batch(regularised=(False, False, True)), model)["loss"]
    loss.backward()
    return Learnt(loss.detach(), tuple(parameter.grad for parameter in model.parameters()))


@pytest.mark.parametrize("names", [*itertools.combinations(ADDED, 2), tuple(ADDED)], ids="+".join)
def test_they_work_with_each_other(names: Sequence[str]) -> None:
    words = {key: value for name in names for key, value in ADDED[name].items()}
    with_all, plain = learnt(replace(OBJECTIVE, **words)), learnt(OBJECTIVE)
    assert all(gradient is not None and gradient.isfinite().all() for gradient in with_all.gradients)
    assert with_all.loss != plain.loss or names == ("recomputed",)
    again = learnt(replace(OBJECTIVE, **words))
    assert torch.equal(with_all.loss, again.loss)
    without_recomputing = {key: value for key, value in words.items() if key != "checkpointing"}
    kept = learnt(replace(OBJECTIVE, **without_recomputing))
    assert torch.equal(with_all.loss, kept.loss)
    assert all(map(torch.equal, with_all.gradients, kept.gradients))


@pytest.mark.parametrize("off", [
    {"routes": ()},
    {"rollout": replace(ROLLOUT, probability=0.0, start_probability=0.0)},
    {"crepa": replace(crepa(), weight=0.0)},
], ids=["no routes", "no rollout has a chance", "an alignment of no weight"])  # fmt: skip
def test_what_is_off_leaves_the_loss_as_it_is_to_the_last_bit(off: dict[str, object]) -> None:
    one, other = learnt(replace(OBJECTIVE, **off), dropout=0.3), learnt(OBJECTIVE, dropout=0.3)
    assert torch.equal(one.loss, other.loss)


def test_rollouts_ask_the_model_so_many_times_and_leave_dropout_alone() -> None:
    model = Denoiser(dropout=0.5)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    replace(OBJECTIVE, rollout=ROLLOUT).losses(batch(), model)
    assert model.calls == [3, 3, 3]  # two Euler steps, and the one that is learnt from
    torch.set_rng_state(before)
    other = Denoiser(dropout=0.5)
    torch.set_rng_state(before)
    OBJECTIVE.losses(batch(), other)
    assert model.training
    assert other.training
