"""Which kernels compute attention."""

import torch
from diffusers import WanTransformer3DModel

from engine.words.attention import ON_CPU

# what a recipe calls them → what diffusers does
KERNELS = {
    "native": "native",
    "native_cudnn": "_native_cudnn",
    "native_efficient": "_native_efficient",
    "native_flash": "_native_flash",
    "native_math": "_native_math",
    "flash": "flash",
    "flash_3": "_flash_3",
    "sage": "sage",
    "xformers": "xformers",
}


class NoSuchKernels(Exception):
    """The kernels are not installed, or do not run on the device."""


def use_kernels(model: WanTransformer3DModel, name: str, device: torch.device) -> None:
    """Let the model compute attention with the kernels of that name.

    Raises:
        NoSuchKernels: saying what to install, or that they need a GPU.
    """
    if device.type == "cpu" and name not in ON_CPU:
        raise NoSuchKernels(f"the kernels `{name}` do not run on a CPU")
    try:
        model.set_attention_backend(KERNELS[name])
    except RuntimeError as error:
        raise NoSuchKernels(str(error)) from error
