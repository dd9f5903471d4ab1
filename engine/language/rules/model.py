"""Rules about the model: its numbers must fit together, and its weights must stay the same."""

import re
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, datasets, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe


def numbers_fit(recipe: "Recipe", at: At) -> Findings:
    """The parts of a model must agree on the widths at which they meet."""
    model = recipe.model
    transformer, codec = model.transformer, model.codec
    pairs = (
        ("transformer.out_channels", transformer.out_channels, "codec.latent_channels", codec.latent_channels),
        ("transformer.in_channels", transformer.in_channels, *_read(model.conditioning, codec.latent_channels)),
        ("transformer.text_width", transformer.text_width, "text_encoder.width", model.text_encoder.width),
        ("frames.step", model.frames.step, "codec.time_stride", codec.time_stride),
    )  # fmt: skip
    for one, mine, other, theirs in pairs:
        if mine != theirs:
            yield found(
                at, "RCP4005", f"model.{one}", f"`model.{one}` is {mine} but `model.{other}` {'asks for' if other == 'conditioning' else 'is'} {theirs}",
                "the two meet: they must be equal", because=f"model.{other}",
            )  # fmt: skip


def _read(conditioning: str, channels: int) -> tuple[str, int]:
    """Return what decides how many channels a denoiser reads: a frame that it is shown adds its latent and a mask of 4."""
    return (
        ("codec.latent_channels", channels) if conditioning == "none" else ("conditioning", 2 * channels + 4)
    )


def codec_halves_what_it_says(recipe: "Recipe", at: At) -> Findings:
    """The codec's levels, its strides and the smallest tile are three ways of saying the same."""
    model = recipe.model
    codec, tile = model.codec, 2 * model.codec.space_stride
    levels, halved = len(codec.width_factors) - 1, sum(codec.halve_time)
    if len(codec.halve_time) != levels or codec.time_stride != 2**halved:
        yield found(
            at, "RCP4005", "model.codec.halve_time",
            f"`model.codec.halve_time` has {len(codec.halve_time)} levels and halves time {halved} times, but "
            f"`width_factors` has {levels} steps and `time_stride` is {codec.time_stride}",
            "one entry for each step between levels; the stride is 2 to the number of true",
            because="model.codec.time_stride",
        )  # fmt: skip
    if model.size_multiple % tile:
        yield found(
            at, "RCP4005", "model.size_multiple",
            f"`model.size_multiple` is {model.size_multiple}, not a multiple of {tile} (codec stride × patch)",
            f"write {tile}", because="model.codec.space_stride",
        )  # fmt: skip


def revisions_are_commits(recipe: "Recipe", at: At) -> Findings:
    """A branch moves: the same recipe would fetch something else next month."""
    sources = {
        "model.source": recipe.model.source,
        **{f"{path}.source": dataset.source for path, dataset in datasets(recipe).items()},
        **({} if recipe.train.crepa.kind == "none" else {"train.crepa.encoder": recipe.train.crepa.encoder}),
    }
    for section, source in sources.items():
        if source.kind == "hub" and not re.fullmatch("[0-9a-f]{40}", source.revision):
            yield found(
                at, "RCP4004", f"{section}.revision", f"`{source.revision}` is not a commit of {source.repository}",
                "it is fetched once and kept; pin the 40 digits of a commit to share the recipe", severity="warning",
            )  # fmt: skip


def cpu_is_for_trying(recipe: "Recipe", at: At) -> Findings:
    """A step of 81 frames at 832x480 is about 10^15 operations for the small Wan; a good CPU does 10^12 in a second.

    These are 32,760 tokens: 2 operations a weight and token, 4 · tokens² · width a block for attention, and four times
    that with recomputation and the backward pass.
    """
    if recipe.hardware.device == "cpu" and recipe.model.source.kind != "built":
        yield found(
            at, "RCP4020", "hardware.device", f"{recipe.model.name} on a CPU: a step of a full clip takes a quarter of an hour at best",
            "write `device: cuda`; to try things out without a GPU, extend `builtin:flavours/wan2.1-t2v-micro`",
            because="model.source.kind", severity="warning",
        )  # fmt: skip
