"""How weights are updated: optimizer, number format, schedule, limits, and averages."""

from typing import Annotated, Literal

from pydantic import Field

from engine.words.word import Words, example, word

Share = Annotated[float, Field(ge=0, lt=1)]

_BETAS = "Decay of the optimizer's averages: of the gradient, and of its square or of the momentum."
_EPSILON = "Added to the denominator."
_DECAY = "Decoupled weight decay."


class Adamw(Words):
    """AdamW (Loshchilov and Hutter, 2019)."""

    model_config = example(kind="adamw", betas=[0.9, 0.99], epsilon=1e-8, weight_decay=0.01)

    kind: Literal["adamw"] = word("AdamW.")
    betas: list[Share] = word(_BETAS, min_length=2, max_length=2)
    epsilon: float = word(_EPSILON, gt=0)
    weight_decay: float = word(_DECAY, ge=0)


class Adamw8bit(Words):
    """AdamW with averages in 8 bits (Dettmers et al., 2022); needs bitsandbytes."""

    model_config = example(kind="adamw_8bit", betas=[0.9, 0.99], epsilon=1e-8, weight_decay=0.01)

    kind: Literal["adamw_8bit"] = word("AdamW with averages in 8 bits.")
    betas: list[Share] = word(_BETAS, min_length=2, max_length=2)
    epsilon: float = word(_EPSILON, gt=0)
    weight_decay: float = word(_DECAY, ge=0)


class Lion(Words):
    """Lion (Chen et al., 2023); wants a learning rate 3 to 10 times smaller than AdamW."""

    model_config = example(kind="lion", betas=[0.9, 0.99], weight_decay=0.01)

    kind: Literal["lion"] = word("Lion.")
    betas: list[Share] = word(_BETAS, min_length=2, max_length=2)
    weight_decay: float = word(_DECAY, ge=0)


class Lion8bit(Words):
    """Lion with its average in 8 bits; needs bitsandbytes."""

    model_config = example(kind="lion_8bit", betas=[0.9, 0.99], weight_decay=0.01)

    kind: Literal["lion_8bit"] = word("Lion with its average in 8 bits.")
    betas: list[Share] = word(_BETAS, min_length=2, max_length=2)
    weight_decay: float = word(_DECAY, ge=0)


class Adafactor(Words):
    """Adafactor (Shazeer and Stern, 2018): averages of rows and columns alone, and so next to no memory."""

    model_config = example(kind="adafactor", weight_decay=0.0)

    kind: Literal["adafactor"] = word("Adafactor.")
    weight_decay: float = word(_DECAY, ge=0)


class Prodigy(Words):
    """Prodigy (Mishchenko and Defazio, 2023) finds its own step size: the learning rate is a factor on it; needs prodigyopt."""

    model_config = example(kind="prodigy", betas=[0.9, 0.99], epsilon=1e-8, weight_decay=0.01)

    kind: Literal["prodigy"] = word("Prodigy.")
    betas: list[Share] = word(_BETAS, min_length=2, max_length=2)
    epsilon: float = word(_EPSILON, gt=0)
    weight_decay: float = word(_DECAY, ge=0)


class ScheduleFree(Words):
    """AdamW without a schedule (Defazio et al., 2024): what is used is an average over all steps; needs schedulefree."""

    model_config = example(kind="schedule_free", betas=[0.9, 0.99], epsilon=1e-8, weight_decay=0.01)

    kind: Literal["schedule_free"] = word("AdamW without a schedule.")
    betas: list[Share] = word(_BETAS, min_length=2, max_length=2)
    epsilon: float = word(_EPSILON, gt=0)
    weight_decay: float = word(_DECAY, ge=0)


class Muon(Words):
    """Muon (Jordan et al., 2024): the momentum of a matrix, made orthogonal; for adapters made of matrices."""

    model_config = example(kind="muon", momentum=0.95, weight_decay=0.01)

    kind: Literal["muon"] = word("Muon.")
    momentum: float = word("Decay of the momentum.", ge=0, lt=1)
    weight_decay: float = word(_DECAY, ge=0)


Optimizer = Adamw | Adamw8bit | Lion | Lion8bit | Adafactor | Prodigy | ScheduleFree | Muon


class Float32Weights(Words):
    """What is trained is kept in float32: no update is lost to rounding."""

    model_config = example(kind="fp32")

    kind: Literal["fp32"] = word("Trained weights in float32.")


class Bfloat16Weights(Words):
    """What is trained is kept in bfloat16: half the memory, and small updates vanish unless rounding is made good."""

    model_config = example(kind="bf16", rounding="kahan")

    kind: Literal["bf16"] = word("Trained weights in bfloat16.")
    rounding: Literal["kahan", "stochastic"] = word(
        "How small updates survive: `kahan` keeps what rounding lost beside the weights, `stochastic` rounds up or down by chance."
    )


Weights = Float32Weights | Bfloat16Weights

_WARMUP = "Steps over which the rate rises in equal parts; the first of n steps has 1/n of it."


class ConstantSchedule(Words):
    """The learning rate stays at its value after warm-up."""

    model_config = example(kind="constant", warmup_steps=50)

    kind: Literal["constant"] = word("Constant learning rate.")
    warmup_steps: int = word(_WARMUP, unit="steps", ge=0)


class LinearSchedule(Words):
    """After warm-up the learning rate falls to 0 at the end along a line."""

    model_config = example(kind="linear", warmup_steps=100)

    kind: Literal["linear"] = word("Linear learning rate.")
    warmup_steps: int = word(_WARMUP, unit="steps", ge=0)


class CosineSchedule(Words):
    """After warm-up the learning rate falls to 0 at the end along half a cosine."""

    model_config = example(kind="cosine", warmup_steps=100)

    kind: Literal["cosine"] = word("Cosine learning rate.")
    warmup_steps: int = word(_WARMUP, unit="steps", ge=0)


class RestartsSchedule(Words):
    """After warm-up the learning rate falls to 0 along half a cosine several times, each time from its full value."""

    model_config = example(kind="cosine_restarts", warmup_steps=100, cycles=3)

    kind: Literal["cosine_restarts"] = word("Cosine learning rate that starts anew.")
    warmup_steps: int = word(_WARMUP, unit="steps", ge=0)
    cycles: int = word("How many times it falls.", ge=1)


class PolynomialSchedule(Words):
    """After warm-up the learning rate falls to 0 at the end as a power of what is left."""

    model_config = example(kind="polynomial", warmup_steps=100, power=2.0)

    kind: Literal["polynomial"] = word("Polynomial learning rate.")
    warmup_steps: int = word(_WARMUP, unit="steps", ge=0)
    power: float = word("The power; 1 is a line, 2 falls faster at first.", gt=0)


Schedule = ConstantSchedule | LinearSchedule | CosineSchedule | RestartsSchedule | PolynomialSchedule


class NoClip(Words):
    """Gradients are used as they are."""

    kind: Literal["none"] = word("No clipping.")


class NormClip(Words):
    """Gradients are scaled down together when their norm is too large."""

    model_config = example(kind="norm", limit=1.0)

    kind: Literal["norm"] = word("Clip the norm over all gradients.")
    limit: float = word("Largest norm.", gt=0)


class ValueClip(Words):
    """Each gradient entry is cut to a range."""

    model_config = example(kind="value", limit=0.01)

    kind: Literal["value"] = word("Clip every entry.")
    limit: float = word("Largest magnitude of an entry.", gt=0)


Clip = NoClip | NormClip | ValueClip


class NoEma(Words):
    """No averages of the weights are kept."""

    kind: Literal["none"] = word("No averages.")


class DecayEma(Words):
    """An exponential moving average of what is trained, in float32."""

    model_config = example(kind="decay", decay=0.995, every=1, warmup=True)

    kind: Literal["decay"] = word("An exponential moving average.")
    decay: float = word("Share of the average that stays at each update.", ge=0, lt=1)
    every: int = word("Steps between two updates.", unit="steps", ge=1)
    warmup: bool = word(
        "Let the average follow faster at first: the first update copies, and after n of them it keeps at most (1+n)/(10+n) of itself."
    )


Ema = NoEma | DecayEma
