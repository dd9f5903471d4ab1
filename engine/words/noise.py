"""How noisy the samples are that the model learns from, and how its error is measured."""

from typing import Annotated, Literal

from pydantic import Field

from engine.words.word import Words, choice, example, word

Level = Annotated[float, Field(gt=0, le=1)]


class LogitNormal(Words):
    """Noise levels sigmoid(mean + scale · z), z standard normal."""

    model_config = example(kind="logit_normal", mean=0, scale=1)

    kind: Literal["logit_normal"] = word("Logit-normal noise levels.")
    mean: float = word("Location: above 0 favours noisy samples.")
    scale: float = word("Spread; with `mode`, how much the middle is favoured.", gt=0)


class Uniform(Words):
    """Noise levels uniform between 0 and 1."""

    kind: Literal["uniform"] = word("Uniform noise levels.")


class Beta(Words):
    """Noise levels of a beta distribution: alpha above beta favours noisy samples."""

    model_config = example(kind="beta", alpha=2, beta=2)

    kind: Literal["beta"] = word("Beta-distributed noise levels.")
    alpha: float = word("First shape of the beta distribution.", gt=0, le=1000)
    beta: float = word("Second shape of the beta distribution.", gt=0, le=1000)


class Mode(Words):
    """Noise levels 1 − u − scale · (cos²(πu/2) − 1 + u), u uniform (Esser et al., 2024)."""

    model_config = example(kind="mode", scale=1.29)

    kind: Literal["mode"] = word("Noise levels around a mode.")
    scale: float = word("Spread; with `mode`, how much the middle is favoured.", gt=0)


class Fixed(Words):
    """One of a list of noise levels, each equally likely."""

    model_config = example(kind="fixed", values=[1, 0.75, 0.5, 0.25])

    kind: Literal["fixed"] = word("A list of noise levels.")
    values: list[Level] = word("The noise levels, before the shift.", min_length=1)


class FixedShift(Words):
    """The same shift for every clip."""

    model_config = example(kind="fixed", factor=3)

    kind: Literal["fixed"] = word("The same shift for every clip.")
    factor: float = word("Shift s of σ towards noise, s·σ/(1+(s−1)·σ); 1 leaves it as it is.", ge=0.01, le=20)


class ShiftBySize(Words):
    """A shift that grows with the tokens of one frame, from e^0.5 at 256 to e^1.15 at 4096, and not beyond either."""

    model_config = example(kind="by_size")

    kind: Literal["by_size"] = word("A shift that grows with the size of a frame.")


class Noise(Words):
    """How noisy the samples are that the model learns from."""

    levels: LogitNormal | Uniform | Beta | Mode | Fixed = choice(
        "Distribution of the noise level σ before the shift."
    )
    shift: FixedShift | ShiftBySize = choice("Shift of the noise levels towards noise.")
    lowest: float = word(
        "Only noise levels from here on are learnt, after the shift; for one of two experts.", ge=0, lt=1
    )
    highest: float = word(
        "Only noise levels below this are learnt, after the shift; 1 leaves none out.", gt=0, le=1
    )


class SquaredLoss(Words):
    """The mean of the squared errors."""

    kind: Literal["l2"] = word("Mean squared error.")


class HuberLoss(Words):
    """Squared where an error is small, linear where it is large: outliers count less (Huber, 1964)."""

    model_config = example(kind="huber", delta=0.1)

    kind: Literal["huber"] = word("Huber's loss.")
    delta: float = word("Size of an error beyond which the loss is linear.", gt=0)


Loss = SquaredLoss | HuberLoss
