"""What the schema cannot say: one small function a rule. Each names the place, the reason and the way out.

A rule reads the complete recipe and yields findings; ``at`` gives the place of a word by its dotted path.
"""

import re
from collections.abc import Callable, Iterator

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Span
from engine.words.data import ExactSize, HubSource
from engine.words.model import HubModel
from engine.words.recipe import Recipe

At = Callable[[str], Span]
Findings = Iterator[Diagnostic]


def frames_are_whole(recipe: Recipe, at: At) -> Findings:
    """The video codec takes step·n + offset frames and drops the rest without a word."""
    step, offset = recipe.model.frames.step, recipe.model.frames.offset
    for path, frames in (("data.frames", recipe.data.frames), ("sample.frames", recipe.sample.frames)):
        below = (frames - offset) // step * step + offset
        if below != frames:
            fits = " or ".join(str(count) for count in (below, below + step) if count > 0)
            used = (
                f": the codec would use {below} of them and drop {frames - below} silently"
                if below > 0
                else ""
            )
            yield Diagnostic(
                "RCP4001", f"`{path}` is {frames}, not {step}n+{offset}{used}", at(path), path,
                f"write {fits}", related=(("the rule comes from the model at", at("model.frames.step")),),
            )  # fmt: skip


def sizes_are_tiles(recipe: Recipe, at: At) -> Findings:
    """Width and height must be whole tiles of codec and patches; a rest would be cut or fail late."""
    unit = recipe.model.size_multiple
    sides = [("sample.width", recipe.sample.width), ("sample.height", recipe.sample.height)]
    if isinstance(recipe.data.size, ExactSize):
        sides += [("data.size.width", recipe.data.size.width), ("data.size.height", recipe.data.size.height)]
    for path, side in sides:
        if side % unit:
            below = side // unit * unit
            fits = " or ".join(str(size) for size in (below, below + unit) if size)
            yield Diagnostic(
                "RCP4002", f"`{path}` is {side}, not a multiple of {unit}", at(path), path, f"write {fits}",
                related=(("the rule comes from the model at", at("model.size_multiple")),),
            )  # fmt: skip


def warm_up_ends(recipe: Recipe, at: At) -> Findings:
    """A warm-up as long as the run never reaches the learning rate that the recipe asks for."""
    warmup, steps = recipe.train.schedule.warmup_steps, recipe.train.steps
    if warmup >= steps:
        path = "train.schedule.warmup_steps"
        yield Diagnostic("RCP4003", f"the warm-up of {warmup} steps is not over after {steps} steps", at(path), path,
                         "a twentieth of the steps is plenty", related=(("steps are set at", at("train.steps")),))  # fmt: skip


def revisions_are_commits(recipe: Recipe, at: At) -> Findings:
    """A branch moves: the same recipe would fetch something else next month."""
    for path, source in (("model.source", recipe.model.source), ("data.source", recipe.data.source)):
        if isinstance(source, HubModel | HubSource) and not re.fullmatch("[0-9a-f]{40}", source.revision):
            yield Diagnostic(
                "RCP4004", f"`{source.revision}` is not a commit of {source.repository}", at(f"{path}.revision"),
                f"{path}.revision", "it is fetched once and kept; pin the 40 digits of a commit to share the recipe",
                severity="warning",
            )  # fmt: skip


def numbers_fit(recipe: Recipe, at: At) -> Findings:
    """The parts of a model must agree on the widths at which they meet."""
    model = recipe.model
    transformer, codec = model.transformer, model.codec
    pairs = (
        (
            "transformer.out_channels",
            transformer.out_channels,
            "codec.latent_channels",
            codec.latent_channels,
        ),
        ("transformer.in_channels", transformer.in_channels, "codec.latent_channels", codec.latent_channels),
        ("transformer.text_width", transformer.text_width, "text_encoder.width", model.text_encoder.width),
        ("frames.step", model.frames.step, "codec.time_stride", codec.time_stride),
    )
    for one, mine, other, theirs in pairs:
        if mine != theirs:
            yield Diagnostic(
                "RCP4005", f"`model.{one}` is {mine} but `model.{other}` is {theirs}", at(f"model.{one}"),
                f"model.{one}", "the two meet: they must be equal",
                related=(("the other number is at", at(f"model.{other}")),),
            )  # fmt: skip
    levels, halved = len(codec.width_factors) - 1, sum(codec.halve_time)
    if len(codec.halve_time) != levels or codec.time_stride != 2**halved:
        yield Diagnostic(
            "RCP4005", f"`model.codec.halve_time` has {len(codec.halve_time)} levels and halves time {halved} times, but "
            f"`width_factors` has {levels} steps and `time_stride` is {codec.time_stride}", at("model.codec.halve_time"),
            "model.codec.halve_time", "one entry for each step between levels; the stride is 2 to the number of true",
        )  # fmt: skip
    if model.size_multiple % (2 * model.codec.space_stride):
        yield Diagnostic("RCP4005", f"`model.size_multiple` is {model.size_multiple}, not a multiple of "
                         f"{2 * model.codec.space_stride} (codec stride × patch)", at("model.size_multiple"))  # fmt: skip


def patterns_compile(recipe: Recipe, at: At) -> Findings:
    """A pattern with a slip in it would stop the run after the long caching stages."""
    for pattern in recipe.train.lora.targets:
        try:
            re.compile(pattern)
        except re.error as error:
            yield Diagnostic("RCP4006", f"{pattern!r} is not a pattern: {error}", at("train.lora.targets"),
                             "train.lora.targets")  # fmt: skip


def prompts_are_names(recipe: Recipe, at: At) -> Findings:
    """The short name of a prompt becomes a file name."""
    for name in recipe.sample.prompts:
        if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", name):
            path = f"sample.prompts.{name}"
            yield Diagnostic("RCP4007", f"the prompt name {name!r} cannot be a file name", at(path), path,
                             "use up to 64 small letters, digits, `-` and `_`")  # fmt: skip


RULES: tuple[Callable[[Recipe, At], Findings], ...] = (
    frames_are_whole,
    sizes_are_tiles,
    warm_up_ends,
    revisions_are_commits,
    numbers_fit,
    patterns_compile,
    prompts_are_names,
)
