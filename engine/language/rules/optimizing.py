"""Rules about how weights are updated: optimizers, number formats, schedules and averages that do not go together."""

from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

KAHAN = ("adamw", "lion")  # where what rounding lost is kept
WHOLE = ("prodigy", "schedule_free")  # with numbers that all weights share
LEAST_FACTOR = 0.1  # of prodigy: a tenth of its own step
NO_MATRICES = {"dora": "lengths, a number for each row", "full": "biases and norms"}


def rounding_is_built(recipe: "Recipe", at: At) -> Findings:
    """Kahan summation is part of an optimizer; rounding by chance steps one tensor at a time, in float32."""
    kind, weights = recipe.train.optimizer.kind, recipe.train.weights
    if weights.kind != "bf16":
        return
    path, because = "train.weights.rounding", "train.optimizer.kind"
    if weights.rounding == "kahan" and kind not in KAHAN:
        yield found(
            at, "RCP4041", path, f"`kahan` goes with `adamw` and `lion`, not with `{kind}`",
            "write `weights: {kind: fp32}`" if kind in WHOLE else "write `rounding: stochastic`, or `weights: {kind: fp32}`", because=because,
        )  # fmt: skip
    if weights.rounding == "stochastic" and kind in WHOLE:
        yield found(
            at, "RCP4041", path, f"`stochastic` updates one tensor at a time, and `{kind}` needs all of them together",
            "write `weights: {kind: fp32}`", because=because,
        )  # fmt: skip


def decay_is_not_rounded_away(recipe: "Recipe", at: At) -> Findings:
    """Kahan summation makes updates good, not decay: that multiplies a weight by nearly 1, which bfloat16 rounds back.

    A warning: at usual rates what is lost is small, and all else is learnt as it should be.
    """
    train = recipe.train
    if train.weights.kind != "bf16" or train.weights.rounding != "kahan" or train.optimizer.kind not in KAHAN:
        return
    if train.optimizer.weight_decay > 0:
        factor = 1 - train.learning_rate * train.optimizer.weight_decay
        yield found(
            at, "RCP4042", "train.weights.rounding", f"a weight decay of {train.optimizer.weight_decay:g} is lost with `kahan`",
            f"a step multiplies weights by {factor:.9g} outside of what is made good, and bfloat16 has three digits: write `weight_decay: 0`, "
            "`rounding: stochastic`, or `weights: {kind: fp32}`",
            because="train.optimizer.weight_decay", severity="warning",
        )  # fmt: skip


def muon_has_matrices(recipe: "Recipe", at: At) -> Findings:
    """Muon makes a matrix orthogonal; a row of numbers has nothing that could be (Jordan et al., 2024)."""
    adapter = recipe.train.adapter.kind
    if recipe.train.optimizer.kind != "muon":
        return
    if adapter in NO_MATRICES:
        yield found(
            at, "RCP4043", "train.optimizer.kind", f"`muon` updates matrices only, and `{adapter}` also trains {NO_MATRICES[adapter]}",
            "write `adamw`, or train a `lora`, `lokr` or `loha`", because="train.adapter.kind",
        )  # fmt: skip
    if recipe.train.crepa.kind != "none":
        yield found(
            at, "RCP4043", "train.optimizer.kind", "`muon` updates matrices only, and CREPA also trains a bias and a norm of its projector",
            "write `adamw`, or `crepa: {kind: none}`", because="train.crepa.kind",
        )  # fmt: skip


def rate_is_a_factor(recipe: "Recipe", at: At) -> Findings:
    """Prodigy finds its step size, and the learning rate is a factor on it: its authors advise 1 for all networks."""
    rate = recipe.train.learning_rate
    if recipe.train.optimizer.kind == "prodigy" and 0 < rate < LEAST_FACTOR:
        yield found(
            at, "RCP4044", "train.learning_rate", f"`prodigy` finds its own step size, and takes {rate:g} of it",
            "its learning rate is a factor: write `learning_rate: 1`, which is usual",
            because="train.optimizer.kind", severity="warning",
        )  # fmt: skip


def schedule_free_has_no_schedule(recipe: "Recipe", at: At) -> Findings:
    """Its average stands in for a falling rate (Defazio et al., 2024); and without a first beta there is no average."""
    train = recipe.train
    if train.optimizer.kind != "schedule_free":
        return
    if train.schedule.kind != "constant":
        yield found(
            at, "RCP4044", "train.schedule.kind", f"`schedule_free` averages over all steps, and `{train.schedule.kind}` lets the last ones do little",
            f"write `schedule: {{kind: constant, warmup_steps: {train.schedule.warmup_steps}}}`",
            because="train.optimizer.kind", severity="warning",
        )  # fmt: skip
    if train.optimizer.betas[0] == 0:
        yield found(
            at, "RCP4047", "train.optimizer.betas", "with a first beta of 0 `schedule_free` cannot show its average",
            "it is told from where training stands and from that beta: write 0.9, which is usual",
            because="train.optimizer.kind",
        )  # fmt: skip


def result_is_made(recipe: "Recipe", at: At) -> Findings:
    """An average and an evaluation loss are there only where they are asked for."""
    train = recipe.train
    if train.result == "ema" and train.ema.kind == "none":
        yield found(
            at, "RCP4045", "train.result", "the average of the weights is the result, and none is kept",
            "write `ema: {kind: decay, decay: 0.995, every: 1, warmup: true}`, or `result: last`", because="train.ema.kind",
        )  # fmt: skip
    if train.result == "best" and train.evaluation.kind == "none":
        yield found(
            at, "RCP4045", "train.result", "the weights with the lowest evaluation loss are the result, and none is measured",
            "set `train.evaluation`, or write `result: last`", because="train.evaluation.kind",
        )  # fmt: skip


def average_is_of_use(recipe: "Recipe", at: At) -> Findings:
    """An average is as large as what is trained, in float32: it should move, and be what is handed on."""
    train, path = recipe.train, "train.ema.kind"
    if train.ema.kind == "none":
        return
    if train.result == "ema" and train.ema.every > train.steps:
        yield found(
            at, "RCP4048", "train.ema.every", f"an average that follows every {train.ema.every} steps never moves in {train.steps} steps",
            "the result would be the weights from before the first step: write `every: 1`", because="train.steps",
        )  # fmt: skip
    if train.optimizer.kind == "schedule_free":
        yield found(
            at, "RCP4048", path, "`schedule_free` keeps an average itself, and hands that on",
            "this one would be of the places where it trains, which are not its result: write `ema: {kind: none}`",
            because="train.optimizer.kind", severity="warning",
        )  # fmt: skip
    elif train.result != "ema":
        use = "nothing reads it" if train.evaluation.kind == "none" else "it is only evaluated"
        yield found(
            at, "RCP4048", path, f"an average of the weights is kept, and the result is `{train.result}`",
            f"it costs memory, and {use}: write `result: ema`, or `ema: {{kind: none}}`", because="train.result", severity="warning",
        )  # fmt: skip


def full_is_whole(recipe: "Recipe", at: At) -> Findings:
    """Where all weights are trained there is no frozen base beside them: they are what the denoiser computes with."""
    train, because = recipe.train, "train.adapter.kind"
    if train.adapter.kind != "full":
        return
    if train.weights.kind != train.precision:
        way_out = (
            "write `weights: {kind: bf16, rounding: stochastic}`, or `precision: fp32`, which needs more memory"
            if train.weights.kind == "fp32"
            else "write `precision: bf16`, or `weights: {kind: fp32}`, which needs more memory"
        )
        yield found(
            at, "RCP4046", "train.weights.kind", f"all weights are trained, in {train.weights.kind}, and the denoiser is to compute in {train.precision}",
            f"they are the same numbers: {way_out}", because="train.precision",
        )  # fmt: skip
    if train.quantize != "none":
        yield found(
            at, "RCP4046", "train.quantize", f"all weights are trained, and {train.quantize} weights cannot be",
            "write `quantize: none`, or train an adapter", because=because,
        )  # fmt: skip
    if train.start.kind == "file":
        yield found(
            at, "RCP4046", "train.start.kind", "all weights are trained, and there is no adapter that could start from a file",
            "write `start: {kind: fresh}`, or train an adapter", because=because,
        )  # fmt: skip
