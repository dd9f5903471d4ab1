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
