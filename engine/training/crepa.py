"""CREPA: hidden frames of a video denoiser learn to look like what a teacher of pictures sees. Hwang et al., 2025.

For frame f of T, with p the projected hidden tokens and y the teacher's features of the clean frames:

    alignment = 1/T · Σ_f ( sim(y_f, p_f) + Σ_k e^(−|k−f|/τ) · sim(y_k, p_f) ),    k the neighbours of f

sim is the mean cosine over the patches of a frame. The paper sums over frames; here the sum is divided by their number,
so that the weight means the same for clips of any length. Neighbours come on top of the frame itself, so an alignment
above 1 is no mistake: (T + 2·(T−d)·e^(−d/τ)) / T is the most that there can be.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - its name in torch
from torch import Tensor, nn

from engine.training.noise import generator

Falls = Literal["constant", "linear", "cosine"]
Neighbours = Literal["nearest", "all"]
Grid = tuple[int, int, int]


class Projector(nn.Module):
    """Turns hidden tokens into the teacher's features: a norm and a linear layer, in float32."""

    def __init__(self, width: int, teacher_width: int, seed: int) -> None:
        """Draw the first values.

        Args:
            width: of the denoiser's tokens.
            teacher_width: of the teacher's features.
            seed: of the first values, which are those that torch would draw; its own generator is left alone.
        """
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear: nn.Linear = nn.utils.skip_init(nn.Linear, width, teacher_width)
        rng, most = generator(seed, "projector"), width**-0.5
        for parameter in self.linear.parameters():
            nn.init.uniform_(parameter, -most, most, generator=rng)

    def forward(self, hidden_D: Tensor) -> Tensor:
        """Return features of the teacher's width, float32, of tokens in any number format and of any shape before the last."""
        projected_D: Tensor = self.linear(self.norm(hidden_D.float()))
        return projected_D


@dataclass(frozen=True, slots=True)
class Crepa:
    """The alignment of one training.

    Attributes:
        projector: is trained with the adapter, and is no part of it.
        block: the block after which hidden tokens are taken, counted from 0.
        weight: factor on the alignment in the loss; see ``weight_at``.
        falls: how the factor falls.
        distance, neighbours, decay: see ``alignment``.
    """

    projector: Projector
    block: int
    weight: float
    falls: Falls
    distance: int
    neighbours: Neighbours
    decay: float

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by name: ``crepa.norm.weight`` and so on, always in the same order."""
        return {f"crepa.{name}": parameter for name, parameter in self.projector.named_parameters()}

    def loss(self, hidden_BLD: Tensor, grid: Grid, feature_BTPD: Tensor) -> Tensor:
        """Return the alignment of each sample, negative, as it is added to a loss: ``(B,)``, float32.

        Gradients reach the projector and whatever made the hidden tokens; never the teacher.

        Args:
            hidden_BLD: tokens after the block, frame by frame and row by row, in any number format.
            grid: latent frames, rows and columns of these tokens.
            feature_BTPD: the teacher's patches of the clean frames, row by row of a square.

        Raises:
            ValueError: there are not as many tokens as the grid says, as within a TREAD route, other frames than the
                teacher saw, or patches that are no square.
        """
        projected_BTPD = on_grid(self.projector(hidden_BLD), grid, _side(feature_BTPD))
        return -alignment(
            projected_BTPD, feature_BTPD, distance=self.distance, neighbours=self.neighbours, decay=self.decay
        )

    def weight_at(self, step: int, steps: int) -> float:
        """Return the factor on the loss at a step, counted from 0, of so many in all."""
        return weight_at(step, steps, self.weight, self.falls)


def alignment(
    projected_BTPD: Tensor, feature_BTPD: Tensor, *, distance: int, neighbours: Neighbours, decay: float
) -> Tensor:
    """Return how alike frames and their neighbours are, by sample: ``(B,)``, float32, within ±3 for ``nearest``.

    Args:
        projected_BTPD: projected hidden tokens, on the teacher's grid.
        feature_BTPD: the teacher's features; no gradient reaches them.
        distance: to the neighbours, in latent frames; 0 has none, and those beyond the clip do not count.
        neighbours: ``nearest``, those at that distance alone, as in the paper; ``all``, those up to it.
        decay: τ, in latent frames.

    Raises:
        ValueError: the two differ in frames, patches or width.
    """
    if projected_BTPD.shape != feature_BTPD.shape:
        hidden, teacher = (tuple(tensor.shape[1:]) for tensor in (projected_BTPD, feature_BTPD))
        raise ValueError(f"hidden tokens are {hidden} frames, patches and width, and the teacher's {teacher}")
    p_BTPD = F.normalize(projected_BTPD.float(), dim=-1)
    y_BTPD = F.normalize(feature_BTPD.detach().float(), dim=-1)
    frames = p_BTPD.shape[1]
    total_B = _similar(p_BTPD, y_BTPD)
    first = distance if neighbours == "nearest" else 1
    for apart in range(max(1, first), min(distance, frames - 1) + 1):
        later_B = _similar(p_BTPD[:, :-apart], y_BTPD[:, apart:])
        earlier_B = _similar(p_BTPD[:, apart:], y_BTPD[:, :-apart])
        total_B = total_B + math.exp(-apart / decay) * (later_B + earlier_B)
    return total_B / frames


def on_grid(token_BLD: Tensor, grid: Grid, side: int) -> Tensor:
    """Lay tokens on a square grid of patches: ``(B, T, side², D)``, float32.

    Each frame is scaled as a picture, along its rows and its columns; along the row of all tokens, the end of one row would
    mix with the start of the next. Where the tokens are finer than the patches, a patch is a weighted mean over all that it
    covers. Tokens are projected before they are scaled, so that the norm sees what the model made and not mixtures of it.

    Args:
        token_BLD: frame by frame and row by row.
        grid: latent frames, rows and columns of the tokens.
        side: rows, and columns, of the patches.

    Raises:
        ValueError: there are not as many tokens as the grid says.
    """
    frames, height, width = grid
    batch, length, channels = token_BLD.shape
    if length != frames * height * width:
        raise ValueError(f"{length} tokens are no {frames} frames of {height} rows and {width} columns")
    token_NDHW = token_BLD.float().reshape(batch * frames, height, width, channels).permute(0, 3, 1, 2)
    patch_NDHW = F.interpolate(token_NDHW, (side, side), mode="bilinear", antialias=True)
    return patch_NDHW.flatten(2).transpose(1, 2).reshape(batch, frames, side * side, channels)


def weight_at(step: int, steps: int, weight: float, falls: Falls) -> float:
    """Return the factor on the alignment at a step: ``weight`` at step 0, and 0 at step ``steps − 1`` where it falls."""
    done = step / max(1, steps - 1)
    factors = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}
    return weight * factors[falls]


def load_projector(projector: Projector, state: Mapping[str, Tensor]) -> None:
    """Put a saved ``state_dict`` back.

    Raises:
        ValueError: it lacks tensors, has others, or has them in other shapes; the projector was not touched.
    """
    mine, saved = (
        {(name, tuple(value.shape)) for name, value in some.items()}
        for some in (projector.state_dict(), state)
    )
    if odd := mine ^ saved:
        raise ValueError(f"the saved projector differs from this one: {sorted(odd)[:3]} and so on")
    projector.load_state_dict(dict(state))


def _similar(p_BTPD: Tensor, y_BTPD: Tensor) -> Tensor:
    """Cosine of vectors of length 1, as a mean over patches and a sum over frames; ``(B,)``."""
    return torch.linalg.vecdot(p_BTPD, y_BTPD).mean(-1).sum(-1)


def _side(feature_BTPD: Tensor) -> int:
    patches = feature_BTPD.shape[2]
    if (side := math.isqrt(patches)) ** 2 != patches:
        raise ValueError(f"the teacher's {patches} patches are no square: was its class token left out?")
    return side
