"""The kernels that can compute attention."""

from typing import Literal

Attention = Literal[
    "native",  # what torch chooses; the others insist
    "native_cudnn",
    "native_efficient",
    "native_flash",
    "native_math",
    "flash",
    "flash_3",
    "sage",
    "xformers",
]

ON_CPU: tuple[Attention, ...] = ("native", "native_math", "native_flash")  # the others are a GPU's
