"""How strong the adapter in a file is: by a tensor of each layer, or by the settings that peft keeps in it or beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from engine.header import Header

NOTED = (
    "lora_adapter_metadata"  # where diffusers keeps the settings, under names that start with `transformer.`
)


class NoStrength(Exception):
    """It cannot be told how strong an adapter is, or it does nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file says of its strength, beside or instead of a tensor for each layer.

    Attributes:
        rank, alpha: None where it does not say.
        alphas: of single layers.
        rooted: whether strength is alpha over the root of the rank.
    """

    rank: int | None = None
    alpha: float | None = None
    alphas: Mapping[str, float] = field(default_factory=dict)
    rooted: bool = False


def settings_of(path: Path, header: Header) -> Settings:
    """Read what peft was told: in the notes that diffusers writes, or in the file that peft writes beside.

    Raises:
        NoStrength: that is damaged.
        OSError: the file beside cannot be read.
    """
    beside = path.with_name("adapter_config.json")
    try:
        if NOTED in header.notes:
            text = header.notes[NOTED]
        elif any(name.startswith("base_model.model.") for name in header.tensors) and beside.is_file():
            text = beside.read_text()
        else:
            return Settings()
        told = {name.removeprefix("transformer."): value for name, value in json.loads(text).items()}
        rank, alpha = told.get("r"), told.get("lora_alpha", told.get("alpha"))
        return Settings(
            rank=None
            if rank is None
            else int(float(rank)),  # by way of float, which refuses what is beyond it
            alpha=None if alpha is None else float(alpha),
            alphas={
                layer.removeprefix("^"): float(own)
                for layer, own in (told.get("alpha_pattern") or {}).items()
            },
            rooted=bool(told.get("use_rslora")),
        )
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise NoStrength("the settings in it are damaged, and how strong it is stands there") from error


def strength_of(layer: str, rank: int | None, alpha: float | None, settings: Settings) -> float:
    """Return what the adapter of a layer is scaled by; above 0.

    Args:
        layer: its name, in diffusers' naming.
        rank: of its tensors; None where they have none.
        alpha: what a tensor of the layer says, if there is one.

    Raises:
        NoStrength: there is no such number, or it does nothing.
    """
    if (
        rank is None
    ):  # LyCORIS leaves a product of two whole matrices as it is, and peft scales it all the same
        rank, alpha = settings.rank, None
    if rank is None:
        return 1.0
    if rank < 1:
        raise NoStrength(f"it has rank {rank} at {layer}, and so there is nothing in it")
    if alpha is None:
        alpha = settings.alphas.get(layer, rank if settings.alpha is None else settings.alpha)
    strength = alpha / (rank**0.5 if settings.rooted else rank)
    if not 0 < strength < inf:  # neither is NaN
        raise NoStrength(
            f"its strength at {layer} is {strength:g}, by an alpha of {alpha:g}; it must be above 0"
        )
    return strength
