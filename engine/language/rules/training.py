"""Rules about training: settings that learn nothing, too much, or not what was meant."""

import math
import re
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, by_default, by_machine, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

TOO_HIGH = {
    "adamw": 1e-3, "adamw_8bit": 1e-3, "adafactor": 1e-3, "muon": 1e-3, "schedule_free": 5e-3,
    "lion": 2.5e-4, "lion_8bit": 2.5e-4, "prodigy": 5,
}  # fmt: skip
MOST_ROWS = 0.5


def warm_up_ends(recipe: "Recipe", at: At) -> Findings:
    """A warm-up as long as the run never reaches the learning rate that the recipe asks for; a long one hardly uses it."""
    path, warmup, steps = (
        "train.schedule.warmup_steps",
        recipe.train.schedule.warmup_steps,
        recipe.train.steps,
    )
    help_ = (
        f"write `train: {{schedule: {{warmup_steps: {steps // 20}}}}}`: a twentieth of the steps is plenty"
    )
    if warmup >= steps:
        message = f"the warm-up of {warmup} steps is not over after {steps} steps"
        yield found(at, "RCP4003", path, message, help_, because="train.steps")
    elif warmup > steps / 2:
        message = f"the warm-up takes {warmup} of {steps} steps"
        yield found(at, "RCP4003", path, message, help_, because="train.steps", severity="warning")


def cycles_have_steps(recipe: "Recipe", at: At) -> Findings:
    """A cycle starts at its top, so that the rate falls in it from its second step on only."""
    schedule, steps = recipe.train.schedule, recipe.train.steps
    rest = steps - schedule.warmup_steps
    if (
        schedule.kind == "cosine_restarts" and 0 < rest < 2 * schedule.cycles
    ):  # without a rest, another rule has spoken
        help_ = f"write at most {rest // 2}" if rest > 1 else "write `schedule: {kind: constant, …}`"
        yield found(
            at, "RCP4003", "train.schedule.cycles", f"{schedule.cycles} cycles in the {rest} steps after the warm-up",
            f"each needs two steps to fall: {help_}", because="train.steps",
        )  # fmt: skip


def batches_are_filled(recipe: "Recipe", at: At) -> Findings:
    """The batch is the whole of a step; a micro-batch beyond it is never filled, and often the two were mixed up.

    Other trainers count the batch on the device and the steps that are gathered, whose product is the batch here.
    """
    batch, at_once = recipe.train.batch_size, recipe.train.micro_batch
    if at_once > batch and not by_machine(at, "train.micro_batch"):
        yield found(
            at, "RCP4022", "train.micro_batch", f"a micro-batch of {at_once} is never filled by a batch of {batch}",
            f"a step takes {batch}: write `batch_size: {at_once}` if {at_once} were meant, or `micro_batch: {batch}`",
            because="train.batch_size", severity="warning",
        )  # fmt: skip


def checkpoints_are_made(recipe: "Recipe", at: At) -> Findings:
    """A run that is killed takes up its newest checkpoint; one that is stopped by ctrl-c saves by itself."""
    every, steps = recipe.train.checkpoints.every, recipe.train.steps
    if recipe.train.checkpoints.unit == "epochs":
        return  # how long an epoch is, the plan knows
    if every > steps and not by_default(at, "train.checkpoints.every"):
        yield found(
            at, "RCP4023", "train.checkpoints.every", f"a checkpoint every {every} steps is none in {steps} steps",
            f"a run that breaks off would begin anew: write `every: {max(1, steps // 8)}`, or fewer",
            because="train.steps", severity="warning",
        )  # fmt: skip


def patterns_compile(recipe: "Recipe", at: At) -> Findings:
    """A pattern with a slip in it would stop the run after the long caching stages."""
    if recipe.train.adapter.kind == "full":
        return
    for pattern in recipe.train.adapter.targets:
        try:
            re.compile(pattern)
        except re.error as error:
            yield found(
                at, "RCP4006", "train.adapter.targets", f"{pattern!r} is not a pattern: {error}",
                "patterns are regular expressions: write `\\.` for a point and `\\(` for a bracket",
            )  # fmt: skip


def something_is_learnt(recipe: "Recipe", at: At) -> Findings:
    """An adapter starts at zero and stays there; the run costs what a real one costs."""
    if recipe.train.learning_rate == 0:
        yield found(
            at, "RCP4017", "train.learning_rate", "the learning rate is 0: nothing is learnt",
            "the adapter would change nothing; 1e-4 is usual", severity="warning",
        )  # fmt: skip


def rate_is_moderate(recipe: "Recipe", at: At) -> Findings:
    """Too high a rate brings square grids into the samples (quickstart).

    Too high is five times what is usual for a LoRA of Wan: 1e-4 to 2e-4 with AdamW (DiffSynth-Studio and
    musubi-tuner), 5e-5 with Lion (quickstart; Chen et al., 2023, advise 3 to 10 times less than AdamW). Adafactor and Muon
    step here as far as AdamW does; without a schedule AdamW takes up to 10 times more (Defazio et al., 2024); Prodigy's is a
    factor, usually 1. A model with random weights is so small that it wants more.
    """
    rate, kind = recipe.train.learning_rate, recipe.train.optimizer.kind
    if recipe.model.source.kind != "built" and rate >= TOO_HIGH.get(kind, math.inf):
        yield found(
            at, "RCP4018", "train.learning_rate", f"a learning rate of {rate:g} is very high for `{kind}`",
            f"it breaks the model instead of teaching it; stay below {TOO_HIGH[kind]:g}",
            because="train.optimizer.kind", severity="warning",
        )  # fmt: skip


def strength_is_usual(recipe: "Recipe", at: At) -> Findings:
    """The adapter is scaled by alpha / rank, which acts like a factor on the learning rate.

    Usual is 1 (diffusers, SimpleTuner, diffusion-pipe) or 2 (Biderman et al., 2024). Recipes that leave alpha at 1 and
    raise the rank, as musubi-tuner's default does, train at 1/rank and seem to learn nothing.
    """
    if recipe.train.adapter.kind == "full":
        return
    rank, alpha = recipe.train.adapter.rank, recipe.train.adapter.alpha
    width = recipe.model.transformer.heads * recipe.model.transformer.head_width
    if recipe.train.adapter.kind == "lokr" and rank >= width / 2:
        return  # its second matrix is kept whole, and nothing is scaled
    if not rank / 8 <= alpha <= 2 * rank:
        yield found(
            at, "RCP4019", "train.adapter.alpha", f"alpha {alpha:g} at rank {rank} scales the adapter by {alpha / rank:.3g}",
            f"it is a factor on what is learnt: write {rank}, and change the learning rate instead",
            because="train.adapter.rank", severity="warning",
        )  # fmt: skip


def products_can_be_made(recipe: "Recipe", at: At) -> Findings:
    """LoKr and LoHa drop whole rows of what they add, and peft scales up what is left: of nothing, to NaN.

    With one share p for n rows, all go with the chance of p^n, for every layer and step: at 0.5 and 128 rows, never.
    """
    adapter = recipe.train.adapter
    if adapter.kind == "lokr" and adapter.factor == 0:
        yield found(
            at, "RCP4049", "train.adapter.factor", "a factor of 0 parts nothing",
            "write -1, which makes both matrices as equal as they can be, or a number from 1 on",
        )  # fmt: skip
    if adapter.kind in ("lokr", "loha") and adapter.dropout > MOST_ROWS:
        yield found(
            at, "RCP4049", "train.adapter.dropout", f"a dropout of {adapter.dropout:g} drops whole rows of a `{adapter.kind}`, and at times all of a layer",
            f"what is left is scaled up, and of nothing that is NaN: write at most {MOST_ROWS}; 0.1 is usual",
            because="train.adapter.kind",
        )  # fmt: skip


def chunks_are_made_of_tokens(recipe: "Recipe", at: At) -> Findings:
    """A chunk is made of tokens: there cannot be more chunks than those."""
    chunks = recipe.train.feed_forward_chunks
    if chunks > (tokens := tokens_of(recipe)):
        yield found(
            at, "RCP4016", "train.feed_forward_chunks", f"{chunks} chunks for {tokens} tokens: only {tokens} can be made",
            f"write at most {tokens}", because="data.size", severity="warning",
        )  # fmt: skip


def tokens_of(recipe: "Recipe") -> int:
    """Return the tokens of a whole clip: of each latent frame, two by two latents are one."""
    size, side = recipe.data.size, 2 * recipe.model.codec.space_stride
    if size.kind == "exact":
        pixels = size.width * size.height
    elif size.kind == "area":
        pixels = int(size.megapixels * 1_000_000)
    else:
        pixels = size.edge**2  # of a shorter side, the smallest that it can be: a square
    return max(1, pixels // side**2 * ((recipe.data.frames - 1) // recipe.model.codec.time_stride + 1))
