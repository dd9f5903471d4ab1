"""The section ``train``: what is learnt, how long, and how fast."""

from typing import Annotated, Literal

from pydantic import Field

from engine.words.attention import Attention
from engine.words.word import EXTEND, NUMERICS, RUNTIME, Words, choice, example, section, word

Share = Annotated[float, Field(ge=0, lt=1)]


class Lora(Words):
    """The low-rank adapter that is trained; the base model never changes."""

    rank: int = word("Rank of the two factors.", ge=1, le=1024)
    alpha: float = word("Strength: the adapter is scaled by alpha / rank.", gt=0)
    dropout: float = word("Share of the adapter's inputs dropped in training.", ge=0, lt=1)
    targets: list[str] = word(
        "Patterns (regular expressions) of the linear layers that get an adapter; each must match a whole name.",
        min_length=1,
    )


class Adamw(Words):
    """AdamW (Loshchilov and Hutter, 2019)."""

    model_config = example(kind="adamw", betas=[0.9, 0.99], epsilon=1e-8, weight_decay=0.01)

    kind: Literal["adamw"] = word("AdamW.")
    betas: list[Share] = word("Decay of the two moment averages.", min_length=2, max_length=2)
    epsilon: float = word("Added to the denominator.", gt=0)
    weight_decay: float = word("Decoupled weight decay.", ge=0)


class Lion(Words):
    """Lion (Chen et al., 2023); wants a learning rate 3 to 10 times smaller than AdamW."""

    model_config = example(kind="lion", betas=[0.9, 0.99], weight_decay=0.01)

    kind: Literal["lion"] = word("Lion.")
    betas: list[Share] = word("Decay of the update and of the momentum.", min_length=2, max_length=2)
    weight_decay: float = word("Decoupled weight decay.", ge=0)


class ConstantSchedule(Words):
    """The learning rate stays at its value after warm-up."""

    model_config = example(kind="constant", warmup_steps=50)

    kind: Literal["constant"] = word("Constant learning rate.")
    warmup_steps: int = word("Steps over which the rate rises from 0.", unit="steps", ge=0)


class CosineSchedule(Words):
    """After warm-up the learning rate falls to 0 at the last step along half a cosine."""

    model_config = example(kind="cosine", warmup_steps=100)

    kind: Literal["cosine"] = word("Cosine learning rate.")
    warmup_steps: int = word("Steps over which the rate rises from 0.", unit="steps", ge=0)


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


class LogitNormal(Words):
    """Noise levels sigmoid(mean + scale · z), z standard normal."""

    model_config = example(kind="logit_normal", mean=0, scale=1)

    kind: Literal["logit_normal"] = word("Logit-normal noise levels.")
    mean: float = word("Location: above 0 favours noisy samples.")
    scale: float = word("Spread.", gt=0)


class Uniform(Words):
    """Noise levels uniform between 0 and 1."""

    kind: Literal["uniform"] = word("Uniform noise levels.")


class Noise(Words):
    """How noisy the samples are that the model learns from."""

    levels: LogitNormal | Uniform = choice("Distribution of the noise level σ before the shift.")
    shift: float = word("Shift of σ towards noise, s·σ/(1+(s−1)·σ); 1 leaves it as it is.", gt=0, le=20)


class Checkpoints(Words):
    """When the state of training is saved, and how much of it is kept."""

    every: int = word("Steps between two checkpoints.", RUNTIME, unit="steps", ge=1)
    keep: int = word("Newest checkpoints that are kept.", RUNTIME, ge=1)


class Train(Words):
    """What is learnt, how long, and how fast."""

    steps: int = word("Optimizer steps in all.", EXTEND, unit="steps", ge=1)
    batch_size: int = word("Samples in one optimizer step, over all micro-batches.", unit="samples", ge=1)
    micro_batch: int = word("Most samples on the device at once. Does not change what is learnt; with LoRA dropout it changes the chance.", NUMERICS,
                            unit="samples", ge=1)  # fmt: skip
    learning_rate: float = word("Learning rate after warm-up.", ge=0)
    optimizer: Adamw | Lion = choice("How weights are updated.")
    schedule: ConstantSchedule | CosineSchedule = choice("Learning rate over time.")
    clip: NoClip | NormClip | ValueClip = choice("Limit on gradients.")
    lora: Lora = section("The adapter.")
    noise: Noise = section("Noise levels of the training samples.")
    caption_dropout: float = word("Share of samples that see the empty caption.", ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = word("Number format of the base model; the adapter is always fp32.")
    gradient_checkpointing: bool = word(
        "Recompute each block in the backward pass, to save memory.", NUMERICS
    )
    attention: Attention = word("Kernels that compute attention; `sage` cannot train.", NUMERICS)
    feed_forward_chunks: int = word(
        "Parts that the tokens of a block go through its feed-forward network in, each recomputed on its own in the "
        "backward pass: saves memory where blocks are recomputed; 1 is all at once. With LoRA dropout in there it changes the "
        "chance.",
        NUMERICS,
        ge=1,
        le=64,
    )
    seed: int = word("Seed of order, noise and the new adapter.", ge=0)
    checkpoints: Checkpoints = section("Saving the state of training.")
