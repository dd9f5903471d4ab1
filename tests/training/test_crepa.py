"""CREPA against pencil and paper, and against sums written out in numpy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.training.crepa import (
    Crepa,
    Projector,
    alignment,
    load_projector,
    on_grid,
    weight_at,
)

DIAGONAL = 2**-0.5
HIDDEN = ((1.0, 0.0), (0.0, 1.0), (DIAGONAL, DIAGONAL))
SEEN = ((1.0, 0.0), (1.0, 0.0), (0.0, 1.0))


def vectors(rows: tuple[tuple[float, float], ...]) -> Tensor:
    """One sample of frames with a single patch."""
    return torch.tensor(rows)[None, :, None, :]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def crepa(width: int = 6, teacher_width: int = 5, **words: object) -> Crepa:
    said = {
        "block": 1,
        "weight": 0.5,
        "falls": "constant",
        "distance": 1,
        "neighbours": "nearest",
        "decay": 1.0,
    }
    return Crepa(Projector(width, teacher_width, seed=0), **(said | words))  # type: ignore[arg-type]


# the sum over frames and neighbours


@pytest.mark.parametrize(
    ("distance", "neighbours", "expected"),
    [
        pytest.param(1, "nearest", -0.450499, id="the next frames"),
        pytest.param(0, "nearest", -0.284518, id="no neighbours"),
        pytest.param(0, "all", -0.284518, id="no neighbours, however they are counted"),
        pytest.param(2, "nearest", -0.300467, id="the second next alone"),
        pytest.param(2, "all", -0.466449, id="the next two"),
        pytest.param(3, "nearest", -0.284518, id="neighbours beyond the clip"),
        pytest.param(9, "all", -0.466449, id="all that there are"),
    ],
)
def test_three_frames_are_aligned_as_by_hand(distance: int, neighbours: str, expected: float) -> None:
    found_B = alignment(vectors(HIDDEN), vectors(SEEN), distance=distance, neighbours=neighbours, decay=1)  # type: ignore[arg-type]
    assert (-0.5 * found_B).tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(("frames", "most"), [(19, 1.697035), (3, 1.490506), (1, 1.0)])
def test_frames_that_never_change_and_are_what_the_teacher_sees_reach_the_most(
    frames: int, most: float
) -> None:
    same_BTPD = drawn(1, 1, 4, 8).expand(2, frames, 4, 8)
    found_B = alignment(same_BTPD, same_BTPD, distance=1, neighbours="nearest", decay=1)
    assert found_B.tolist() == pytest.approx([most, most], abs=1e-5)


def by_the_paper(p_TPD: np.ndarray, y_TPD: np.ndarray, offsets: list[int], decay: float) -> float:
    """The sum as it is printed, frame by frame and patch by patch."""
    frames, patches, _ = p_TPD.shape

    def similar(seen: int, hidden: int) -> float:
        return (
            sum(y @ p / math.sqrt((y @ y) * (p @ p)) for y, p in zip(y_TPD[seen], p_TPD[hidden], strict=True))
            / patches
        )

    total = 0.0
    for f in range(frames):
        total += similar(f, f)
        total += sum(
            math.exp(-abs(k - f) / decay) * similar(k, f) for k in range(frames) if abs(k - f) in offsets
        )
    return total / frames


@pytest.mark.parametrize(
    ("distance", "neighbours", "offsets"),
    [
        (1, "nearest", [1]),
        (3, "nearest", [3]),
        (3, "all", [1, 2, 3]),
        (0, "all", []),
        (7, "all", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_each_sample_is_aligned_by_the_sum_of_the_paper_over_its_frames(
    distance: int, neighbours: str, offsets: list[int]
) -> None:
    p_BTPD, y_BTPD = drawn(3, 5, 4, 7), drawn(3, 5, 4, 7, seed=1)
    found_B = alignment(p_BTPD, y_BTPD, distance=distance, neighbours=neighbours, decay=1.7)  # type: ignore[arg-type]
    expected = [
        by_the_paper(p_TPD, y_TPD, offsets, 1.7)
        for p_TPD, y_TPD in zip(p_BTPD.double().numpy(), y_BTPD.double().numpy(), strict=True)
    ]
    assert found_B.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scaled", ["hidden", "teacher"])
def test_lengths_of_vectors_do_not_matter(scaled: str) -> None:
    p_BTPD, y_BTPD = drawn(2, 3, 4, 6), drawn(2, 3, 4, 6, seed=1)
    before_B = alignment(p_BTPD, y_BTPD, distance=1, neighbours="nearest", decay=1)
    factor_BTP1 = 0.01 + 50 * torch.rand(2, 3, 4, 1, generator=torch.Generator().manual_seed(2))
    if scaled == "hidden":
        p_BTPD = p_BTPD * factor_BTP1
    else:
        y_BTPD = y_BTPD * factor_BTP1
    after_B = alignment(p_BTPD, y_BTPD, distance=1, neighbours="nearest", decay=1)
    torch.testing.assert_close(after_B, before_B)


def test_features_in_half_precision_are_compared_in_float32() -> None:
    p_BTPD, y_BTPD = drawn(1, 3, 4, 64).bfloat16(), drawn(1, 3, 4, 64, seed=1).bfloat16()
    found_B = alignment(p_BTPD, y_BTPD, distance=1, neighbours="nearest", decay=1)
    assert found_B.dtype == torch.float32
    expected = by_the_paper(p_BTPD[0].double().numpy(), y_BTPD[0].double().numpy(), [1], 1)
    assert found_B.tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(
    "shape", [(1, 4, 4, 6), (1, 3, 5, 6), (1, 3, 4, 1)], ids=["frames", "patches", "width"]
)
def test_what_does_not_fit_is_refused_instead_of_stretched(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frames, patches and width"):
        alignment(drawn(1, 3, 4, 6), drawn(*shape), distance=1, neighbours="nearest", decay=1)


# the grid


def shares(source: int, target: int) -> np.ndarray:
    """How much each of some cells counts for each of some others along one side: a triangle as wide as two of the wider."""
    wide = max(1.0, source / target)
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    rows = np.clip(1 - np.abs(np.arange(source)[None] - centres[:, None]) / wide, 0, None)
    return rows / rows.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [(2, 3, 3), (3, 5, 4), (4, 4, 4), (4, 4, 5), (2, 6, 3), (6, 11, 3), (1, 1, 2)],
)
def test_tokens_are_scaled_along_rows_and_columns(height: int, width: int, side: int) -> None:
    token_BLD = drawn(2, 3 * height * width, 4)
    found = on_grid(token_BLD, (3, height, width), side)
    laid = token_BLD.double().numpy().reshape(2, 3, height, width, 4)
    expected = np.einsum("yh,xw,bthwd->btyxd", shares(height, side), shares(width, side), laid)
    np.testing.assert_allclose(found.numpy(), expected.reshape(2, 3, side * side, 4), atol=1e-6)


def test_scaling_the_row_of_all_tokens_would_give_another_picture() -> None:
    token_BLD = drawn(1, 2 * 3, 4)
    found = on_grid(token_BLD, (1, 2, 3), 3)[0, 0]
    in_a_row = nn.functional.interpolate(token_BLD.transpose(1, 2), 9, mode="linear")[0].T
    assert (found - in_a_row).abs().max() > 0.1


def test_frames_do_not_mix_and_stay_in_their_order() -> None:
    token_BLD = torch.arange(3.0).repeat_interleave(2 * 5).view(1, 30, 1)
    found = on_grid(token_BLD, (3, 2, 5), 4)
    assert found.shape == (1, 3, 16, 1)
    torch.testing.assert_close(found, torch.arange(3.0).view(1, 3, 1, 1).expand_as(found))


def test_every_token_of_a_fine_grid_counts() -> None:
    token_BLD = drawn(1, 9 * 16, 2).requires_grad_()
    on_grid(token_BLD, (1, 9, 16), 3).sum().backward()
    assert token_BLD.grad is not None
    assert token_BLD.grad.abs().amin() > 0


def test_tokens_that_are_missing_are_told() -> None:
    feature_BTPD = drawn(1, 3, 9, 5)
    with pytest.raises(ValueError, match="22 tokens are no 3 frames of 2 rows and 4 columns"):
        crepa().loss(drawn(1, 22, 6), (3, 2, 4), feature_BTPD)


def test_a_class_token_among_the_patches_is_told() -> None:
    with pytest.raises(ValueError, match="10 patches are no square"):
        crepa().loss(drawn(1, 24, 6), (3, 2, 4), drawn(1, 3, 10, 5))


def test_a_clip_of_other_frames_than_the_teacher_saw_is_told() -> None:
    with pytest.raises(ValueError, match=r"\(3, 9, 5\) .* the teacher's \(4, 9, 5\)"):
        crepa().loss(drawn(1, 24, 6), (3, 2, 4), drawn(1, 4, 9, 5))


# the loss


def test_the_loss_is_the_alignment_of_projected_tokens_on_the_grid_of_the_teacher() -> None:
    made, hidden_BLD, feature_BTPD = crepa(), drawn(2, 3 * 2 * 4, 6), drawn(2, 3, 9, 5, seed=1)
    state = {name: value.double().numpy() for name, value in made.projector.state_dict().items()}
    x = hidden_BLD.double().numpy()
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    projected = (x * state["norm.weight"] + state["norm.bias"]) @ state["linear.weight"].T + state[
        "linear.bias"
    ]
    laid = np.einsum("yh,xw,bthwd->btyxd", shares(2, 3), shares(4, 3), projected.reshape(2, 3, 2, 4, 5))
    expected = [
        -by_the_paper(p_TPD, y_TPD, [1], 1)
        for p_TPD, y_TPD in zip(laid.reshape(2, 3, 9, 5), feature_BTPD.double().numpy(), strict=True)
    ]
    loss_B = made.loss(hidden_BLD, (3, 2, 4), feature_BTPD)
    assert loss_B.dtype == torch.float32
    assert loss_B.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_picture_is_aligned_with_itself_alone() -> None:
    hidden_BLD, feature_BTPD = drawn(1, 8, 6), drawn(1, 1, 9, 5)
    losses = {
        crepa(distance=distance, neighbours=neighbours).loss(hidden_BLD, (1, 2, 4), feature_BTPD).item()
        for distance in (0, 1, 5) for neighbours in ("nearest", "all")
    }  # fmt: skip
    assert len(losses) == 1


def test_gradients_reach_the_projector_and_the_blocks_up_to_that_block_and_never_the_teacher() -> None:
    made = crepa(block=1)
    blocks = [nn.Linear(6, 6) for _ in range(4)]
    teacher = nn.Linear(3, 5)
    feature_BTPD = teacher(drawn(2, 3, 9, 3))
    hidden, taken = drawn(2, 24, 6), None
    for number, block in enumerate(blocks):
        hidden = block(hidden)
        if number == made.block:
            taken = hidden
    assert taken is not None
    made.loss(taken, (3, 2, 4), feature_BTPD).mean().backward()
    for parameter in (*made.parameters.values(), *blocks[0].parameters(), *blocks[1].parameters()):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    for parameter in (*blocks[2].parameters(), *blocks[3].parameters(), *teacher.parameters()):
        assert parameter.grad is None


def test_following_the_gradient_aligns() -> None:
    made, hidden_BLD, feature_BTPD = crepa(), drawn(1, 24, 6), drawn(1, 3, 9, 5, seed=1)
    optimizer = torch.optim.Adam(made.parameters.values(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = made.loss(hidden_BLD, (3, 2, 4), feature_BTPD).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize(
    ("falls", "expected"),
    [
        ("constant", [0.5, 0.5, 0.5, 0.5, 0.5]),
        ("linear", [0.5, 0.375, 0.25, 0.125, 0.0]),
        ("cosine", [0.5, 0.4267767, 0.25, 0.0732233, 0.0]),
    ],
)
def test_the_weight_stays_or_falls_to_nothing_at_the_last_step(falls: str, expected: list[float]) -> None:
    found = [weight_at(step, 5, 0.5, falls) for step in range(5)]  # type: ignore[arg-type]
    assert found == pytest.approx(expected, abs=1e-7)
    assert [crepa(falls=falls).weight_at(step, 5) for step in range(5)] == found
    assert weight_at(0, 1, 0.5, falls) == 0.5  # type: ignore[arg-type]


# the projector


def test_the_projector_is_a_function_of_its_seed_and_leaves_chance_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (Projector(96, 32, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["linear.weight"], other["linear.weight"])
    most = 96**-0.5
    assert one["linear.weight"].abs().max().item() == pytest.approx(most, rel=0.01)
    assert one["linear.weight"].std().item() == pytest.approx(most / 3**0.5, rel=0.03)
    assert one["linear.bias"].abs().amin() > 0, "a projection of nothing still has a direction"


def test_the_projector_works_in_float32_on_half_precision() -> None:
    projector = Projector(6, 5, seed=0)
    assert {value.dtype for value in projector.state_dict().values()} == {torch.float32}
    hidden_BLD = drawn(1, 4, 6).bfloat16()
    assert torch.equal(projector(hidden_BLD), projector(hidden_BLD.float()))


@pytest.mark.parametrize(("width", "expected"), [(1536, 2_360_832 + 2 * 1536), (5120, 7_865_856 + 2 * 5120)])
def test_the_projector_has_as_many_parameters_as_are_told(width: int, expected: int) -> None:
    made = crepa(width, 1536)
    assert sum(parameter.numel() for parameter in made.parameters.values()) == expected
    assert list(made.parameters) == [
        "crepa.norm.weight",
        "crepa.norm.bias",
        "crepa.linear.weight",
        "crepa.linear.bias",
    ]
    assert all(parameter.requires_grad for parameter in made.parameters.values())


def test_a_saved_projector_comes_back_whole_or_not_at_all() -> None:
    saved, here = Projector(6, 5, seed=1), Projector(6, 5, seed=2)
    for spoilt in (
        Projector(6, 4, seed=1).state_dict(),
        {name: value for name, value in saved.state_dict().items() if name != "norm.bias"},
        saved.state_dict() | {"more": torch.zeros(1)},
    ):
        before = {name: value.clone() for name, value in here.state_dict().items()}
        with pytest.raises(ValueError, match="the saved projector differs from this one"):
            load_projector(here, spoilt)
        assert all(torch.equal(before[name], value) for name, value in here.state_dict().items())
    load_projector(here, saved.state_dict())
    assert all(torch.equal(saved.state_dict()[name], value) for name, value in here.state_dict().items())
