"""404x: how weights are updated."""

from engine.language.explanations.explanation import Explanation

_NUMBERS = "betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.01"
_BF16 = "weights: {kind: bf16, rounding: "

OPTIMIZING = {
    "RCP4040": Explanation(
        "The optimizer comes with a package that is not installed, or that is too old; or sharding needs a newer torch. A run would find "
        "out after the long stages.",
        "Install it with the line in the finding, or do without: take another optimizer, or write `hardware.shard: false`.",
    ),
    "RCP4041": Explanation(
        "Weights in bfloat16 lose small updates unless something makes rounding good. `kahan` is part of `adamw` and `lion` only. "
        "`stochastic` updates one tensor at a time, so that it does not go with `prodigy`, which has one step size for all, nor with "
        "`schedule_free`, which counts steps for all.",
        "Write `rounding: stochastic`, or for these two `weights: {kind: fp32}`.",
        f"train: {{optimizer: {{kind: adafactor, weight_decay: 0}}, {_BF16}kahan}}}}\n",
    ),
    "RCP4042": Explanation(
        "`kahan` keeps what rounding took from an update. Weight decay is not part of the update: it multiplies a weight by a number "
        "such as 0.999999, and bfloat16, which has three digits, rounds the product back to what it was. So there is no decay at all. "
        "It is a warning because all else is learnt as it should be.",
        "Write `weight_decay: 0`, which is what happens, or `rounding: stochastic`, which keeps decay on average.",
        f"train: {{{_BF16}kahan}}}}\n",
    ),
    "RCP4043": Explanation(
        "Muon makes the momentum of a matrix orthogonal, which a row of numbers cannot be. DoRA trains a number for each row of a weight, "
        "`full` trains biases and norms, and so does CREPA, for its projector.",
        "Write `adamw`, or train a `lora`, `lokr` or `loha` without CREPA.",
        "train:\n  optimizer: {kind: muon, momentum: 0.95, weight_decay: 0.01}\n"
        "  adapter: {kind: dora, rank: 16, alpha: 16, dropout: 0, targets: [.*to_q]}\n",
    ),
    "RCP4044": Explanation(
        "Some optimizers decide themselves what others are told. `prodigy` finds its step size, and the learning rate is a factor on it. "
        "`schedule_free` averages over all steps instead of letting the learning rate fall.",
        "Write `learning_rate: 1` for `prodigy`, and a constant schedule for `schedule_free`.",
        f"train: {{optimizer: {{kind: prodigy, {_NUMBERS}}}, learning_rate: 1e-4}}\n",
    ),
    "RCP4045": Explanation(
        "`train.result` names weights that are not made: an average without `train.ema`, or the best without `train.evaluation`.",
        "Set that word too, or write `result: last`.",
        "train: {result: ema}\n",
    ),
    "RCP4046": Explanation(
        "With `train.adapter.kind: full` the weights of the denoiser are what is trained. So they have one number format, they cannot be "
        "kept in 8 bits, which have no gradients, and there is no adapter that could start from a file.",
        "Let `train.weights` and `train.precision` say the same, with `quantize: none` and `start: {kind: fresh}`; or train an adapter.",
        "train: {adapter: {$replace: {kind: full}}}\n",
    ),
    "RCP4047": Explanation(
        "`schedule_free` trains between its average and its newest weights. The first beta says how near to the average; with 0 it is "
        "not there at all, and the average, which is the result, cannot be told.",
        "Write 0.9.",
        "train: {optimizer: {kind: schedule_free, betas: [0, 0.99], epsilon: 1e-8, weight_decay: 0.01}}\n",
    ),
    "RCP4048": Explanation(
        "An average of the weights takes as much memory as they do in float32. With `every` above the number of steps it stays what it "
        "was before the first, and as the result it would have learnt nothing. Where `train.result` is not `ema`, it is evaluated at "
        "most, and then gone; and `schedule_free` has an average of its own: a warning.",
        "Write `result: ema` and `every: 1`, or keep none: `ema: {kind: none}`.",
        "train: {ema: {kind: decay, decay: 0.995, every: 1, warmup: true}}\n",
    ),
    "RCP4049": Explanation(
        "A `lokr` is a product of two matrices, and `factor` says how large the first may be: -1, or a number from 1 on. `lokr` and "
        "`loha` drop whole rows of what they add to a weight and scale up the others. Where most rows are dropped, now and then all of "
        "a layer are, and there is nothing to scale up: the loss is not a number from there on.",
        "Write `factor: -1`, and a `dropout` of at most 0.5.",
        "train: {adapter: {$replace: {kind: lokr, rank: 16, alpha: 16, dropout: 0, factor: 0, targets: [.*to_q]}}}\n",
    ),
}  # fmt: skip
