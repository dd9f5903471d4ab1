"""Rules about the kernels of attention: which can train, and on what they run."""

from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found
from engine.words.attention import ON_CPU

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

HALF_ONLY = ("native_flash", "native_cudnn", "flash", "flash_3", "sage")  # on a GPU


def sage_does_not_train(recipe: "Recipe", at: At) -> Findings:
    """Sage attention has no backward pass: queries, keys and values would get no gradient, without a word.

    The quickstart sets it for the whole run, where it works in samples only.
    """
    if recipe.train.attention == "sage":
        yield found(
            at, "RCP4014", "train.attention", "sage attention cannot train: its kernels have no backward pass",
            "write `train.attention: native` and, to sample faster, `sample.attention: sage`",
        )  # fmt: skip


def kernels_are_there(recipe: "Recipe", at: At) -> Findings:
    """Most kernels are a GPU's, and the fast ones compute in half precision only."""
    device, precision = recipe.hardware.device, recipe.train.precision
    for path, said in (
        ("train.attention", recipe.train.attention),
        ("sample.attention", recipe.sample.attention),
    ):
        if device in ("cpu", "mps") and said not in ON_CPU:
            yield found(
                at, "RCP4015", path, f"the attention `{said}` needs an NVIDIA GPU, not `{device}`",
                "write `native`: torch takes the best kernel that there is", because="hardware.device",
            )  # fmt: skip
        elif precision == "fp32" and said in HALF_ONLY and (device == "cuda" or said not in ON_CPU):
            yield found(
                at, "RCP4015", path, f"the attention `{said}` does not compute in fp32",
                "write `native`, or `train.precision: bf16`", because="train.precision",
            )  # fmt: skip
