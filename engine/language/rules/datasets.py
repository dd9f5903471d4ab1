"""Rules about several datasets, and about words of one that meet each other."""

import re
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, at_key, datasets, each, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_WITH_ROWS = ("folder", "table", "hub", "remote")


def datasets_have_names(recipe: "Recipe", at: At) -> Findings:
    """The name of a dataset stands in paths of words, on the command line and in reports."""
    for name in recipe.data.more:
        if not re.fullmatch(_NAME, name):
            yield found(
                at_key(at, "data.more", name), "RCP4025", f"data.more.{name}", f"{name!r} cannot be the name of a dataset",
                "use up to 64 letters, digits, `_` and `-`",
            )  # fmt: skip


def lengths_agree(recipe: "Recipe", at: At) -> Findings:
    """Limits that leave nothing out of which a clip could be made."""
    for path, dataset in datasets(recipe).items():
        if not dataset.max_frames:
            continue
        if dataset.min_frames > dataset.max_frames:
            yield found(
                at, "RCP4026", f"{path}.min_frames", f"at least {dataset.min_frames} and at most {dataset.max_frames} frames: no clip has both",
                "lower the one or raise the other", because=f"{path}.max_frames",
            )  # fmt: skip
        elif dataset.max_frames < dataset.frames and dataset.short_clips in ("error", "drop"):
            yield found(
                at, "RCP4026", f"{path}.max_frames", f"clips have at most {dataset.max_frames} frames, and {dataset.frames} are taken of each",
                f"raise it, lower `{path}.frames`, or write `{path}.short_clips: fewer`", because=f"{path}.frames",
            )  # fmt: skip


def intervals_are_legal(recipe: "Recipe", at: At) -> Findings:
    """Frame counts are step·n + offset: an interval that is no multiple of the step would never be met exactly."""
    step = recipe.model.frames.step
    for path, dataset in each(recipe, at, "frame_interval"):
        if dataset.frame_interval % step:
            near = max(step, dataset.frame_interval // step * step)
            yield found(
                at, "RCP4001", f"{path}.frame_interval", f"`{path}.frame_interval` is {dataset.frame_interval}, not a multiple of {step}",
                f"write {near} or {near + step}", because="model.frames.step",
            )  # fmt: skip


def shapes_are_asked_once(recipe: "Recipe", at: At) -> Findings:
    """An exact size is a shape already, and what is not cut keeps its own."""
    for path, dataset in datasets(recipe).items():
        exact, own = dataset.size.kind == "exact", dataset.aspect.kind == "preserve"
        if exact and not own:
            yield found(
                at, "RCP4027", f"{path}.aspect.kind", f"an aspect of kind `{dataset.aspect.kind}` does nothing beside an exact size",
                f"take it out, or give `{path}.size` as an area", because=f"{path}.size.kind", severity="warning",
            )  # fmt: skip
        if dataset.crop == "none" and (exact or not own):
            yield found(
                at, "RCP4028", f"{path}.crop", "nothing is to be cut, and all clips are to have one shape: they would be squashed",
                f"write `{path}.aspect: {{kind: preserve}}` with a size that is an area, or cut: `{path}.crop: centre`",
                because=f"{path}.size.kind" if exact else f"{path}.aspect.kind",
            )  # fmt: skip
        if dataset.scale.kind == "downsample" and dataset.scale.to > dataset.scale.above:
            yield found(
                at, "RCP4028", f"{path}.scale.to", f"clips above {dataset.scale.above} px would be made larger, to {dataset.scale.to} px",
                "`to` is at most `above`", because=f"{path}.scale.above",
            )  # fmt: skip


def weights_count(recipe: "Recipe", at: At) -> Findings:
    """Weights that nothing reads would be believed."""
    weights = {path: one.weight for path, one in datasets(recipe).items() if one.role != "evaluate"}
    if recipe.data.mix == "by_count" and len(set(weights.values())) > 1:
        path = next(path for path, weight in weights.items() if weight != recipe.data.weight)
        yield found(
            at, "RCP4027", f"{path}.weight", "weights do nothing where an epoch is made `by_count`",
            "write `data.mix: by_weight`, or use `repeats`", because="data.mix", severity="warning",
        )  # fmt: skip


def repeats_count(recipe: "Recipe", at: At) -> Findings:
    """Repeats that nothing reads would be believed as well; 0 leaves a dataset out either way."""
    for path, dataset in each(recipe, at, "repeats"):
        if recipe.data.mix == "by_weight" and dataset.repeats > 1 and dataset.role != "evaluate":
            yield found(
                at, "RCP4027", f"{path}.repeats", "repeats do nothing where an epoch is made `by_weight`",
                "write a larger `weight`, or `data.mix: by_count`", because="data.mix", severity="warning",
            )  # fmt: skip


def something_is_seen(recipe: "Recipe", at: At) -> Findings:
    """Repeats of 0 leave a dataset out; all of them is nothing."""
    if not any(dataset.repeats for dataset in datasets(recipe).values()):
        yield found(
            at,
            "RCP4026",
            "data.repeats",
            "every dataset is left out: `repeats` is 0",
            "write 1 or more for one of them",
        )


def clips_are_measured(recipe: "Recipe", at: At) -> Findings:
    """An evaluation needs clips of its own, and clips that are kept from training for nothing are lost."""
    measured = [
        path for path, dataset in datasets(recipe).items() if dataset.repeats and dataset.role == "evaluate"
    ]
    held_out = recipe.train.evaluation.kind == "held_out"
    if held_out and not measured:
        yield found(
            at, "RCP4081", "train.evaluation.kind", "no dataset has clips to measure the loss on",
            "name some that are not trained on: `data.more: {held: {source: {kind: folder, path: held-out}, role: evaluate}}`; or write "
            "`train.evaluation: {kind: none}`",
        )  # fmt: skip
    if measured and not held_out:
        yield found(
            at, "RCP4082", f"{measured[0]}.role", "its clips are to measure the loss on, and it is not measured: nothing reads them",
            "write `train.evaluation: {kind: held_out, every: 100, samples: 4, levels: 8}`, leave them out with `repeats: 0`, or train "
            "on them with `role: train`",
            because="train.evaluation.kind", severity="warning",
        )  # fmt: skip


def roles_can_be_played(recipe: "Recipe", at: At) -> Findings:
    """Somebody must be learnt from, and what is to stay needs a model without the adapter to be compared with."""
    roles = {path: dataset.role for path, dataset in datasets(recipe).items() if dataset.repeats}
    if roles and "train" not in roles.values():
        yield found(
            at, "RCP4083", f"{next(iter(roles))}.role", "no dataset is trained on: none has the role `train`",
            "a dataset of `data.more` has the role of `data` unless it says another: write `role: train` where clips are to be learnt",
        )  # fmt: skip
    if recipe.train.adapter.kind == "full":
        for path in (path for path, role in roles.items() if role == "regularise"):
            yield found(
                at, "RCP4083", f"{path}.role", "its clips are to stay as the model without the adapter makes them, and there is no adapter",
                "train an adapter, such as `train.adapter: {kind: lora, …}`; or leave the dataset out with `repeats: 0`",
                because="train.adapter.kind",
            )  # fmt: skip


def measured_clips_are_not_dealt(recipe: "Recipe", at: At) -> Findings:
    """Each clip that the loss is measured on counts once, however often an epoch would show it."""
    for word in ("repeats", "weight"):
        for path, dataset in each(recipe, at, word):
            if dataset.role == "evaluate" and getattr(dataset, word) not in (0, 1):
                yield found(
                    at, "RCP4027", f"{path}.{word}", f"`{word}` does nothing for clips that the loss is measured on: each counts once",
                    "take it out", because=f"{path}.role", severity="warning",
                )  # fmt: skip


def captions_have_a_table(recipe: "Recipe", at: At) -> Findings:
    """Columns are those of a table."""
    for path, dataset in datasets(recipe).items():
        if dataset.captions.kind == "column" and dataset.source.kind not in _WITH_ROWS:
            yield found(
                at, "RCP4027", f"{path}.captions.kind", f"captions are a column, and a source of kind `{dataset.source.kind}` has no table",
                f"write the clips into a table, `{path}.source: {{kind: table, …}}`, or take `{path}.captions: {{kind: beside, …}}`",
                because=f"{path}.source.kind",
            )  # fmt: skip


def filters_compile(recipe: "Recipe", at: At) -> Findings:
    """Patterns are held against the captions of every clip."""
    for path, dataset in each(recipe, at, "caption_filter"):
        for pattern in dataset.caption_filter:
            # what captions are filtered with; few recipes have any
            from regex import compile as compiled
            from regex import error as not_a_pattern

            try:
                compiled(pattern)
            except (not_a_pattern, OverflowError, RecursionError) as error:
                yield found(
                    at, "RCP4006", f"{path}.caption_filter", f"{pattern!r} is not a pattern: {error}",
                    "a text with `( ) [ ] { } . * + ? ^ $ |` in it is taken as written after a `\\` before each of these",
                )  # fmt: skip
