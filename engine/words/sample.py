"""The section ``sample``: the videos that show what was learnt."""

from typing import Literal

from engine.words.attention import Attention
from engine.words.word import NUMERICS, Words, word


class Sample(Words):
    """The videos made before and after training, from the same prompts and seeds."""

    prompts: dict[str, str] = word("Short name (used in file names) and prompt.", min_length=1)
    negative: str = word("What the video should not be.")
    width: int = word("Width.", unit="px", ge=16)
    height: int = word("Height.", unit="px", ge=16)
    frames: int = word("Frames.", unit="frames", ge=1)
    sampler: Literal["unipc", "euler", "euler_beta"] = word(
        "How the steps are taken. UniPC needs the fewest; `euler_beta` spaces its noise levels by a beta distribution, "
        "which `shift` does not move."
    )
    steps: int = word("Denoising steps.", unit="steps", ge=1)
    guidance: float = word("Classifier-free guidance; 1 switches it off.", ge=1)
    shift: float = word("Shift of the sampler's noise levels.", gt=0)
    attention: Attention = word("Kernels that compute attention.", NUMERICS)
    seed: int = word("Seed of the first prompt; each next prompt adds 1.", ge=0)
