"""Rules about number formats: which go together, and which is the better of two."""

from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe


def eight_bits_can_be_had(recipe: "Recipe", at: At) -> Findings:
    """DoRA computes with the base weight itself, which peft casts to float32; quanto's codes cannot be cast.

    In fp32 nothing needs to be cast. And Apple's GPUs have no float8.
    """
    train, device = recipe.train, recipe.hardware.device
    if train.quantize == "none":
        return
    if train.adapter.kind == "dora" and train.precision == "bf16":
        yield found(
            at, "RCP4070", "train.quantize", f"a `dora` cannot be trained on {train.quantize} weights in bf16",
            "it measures the rows of the base: write `train.quantize: none`, or `kind: lora`, or `train.precision: fp32`",
            because="train.adapter.kind",
        )  # fmt: skip
    if train.quantize == "fp8" and device == "mps":
        yield found(
            at, "RCP4070", "train.quantize", "`mps` has no 8-bit floating point numbers", "write `int8`, which is also the closer one",
            because="hardware.device",
        )  # fmt: skip


def int8_is_closer(recipe: "Recipe", at: At) -> Findings:
    """Weights are only kept in 8 bits, and computed with in `precision`: fp8 is no faster, and as large as int8.

    For normally distributed weights the relative error is .026 with e4m3, which has 4 significant bits, and .008 with
    int8 and one scale a row. Only a row with outliers, which make int8's even steps wide, is closer in fp8.
    """
    if recipe.train.quantize == "fp8":
        yield found(
            at, "RCP4071", "train.quantize", "fp8 rounds three times as far as int8, and takes as much memory",
            "write `int8`; fp8 is the closer one only for weights with outliers: training says the error when it has loaded them",
            severity="warning",
        )  # fmt: skip
