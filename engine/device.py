"""Where tensors live, and in which numbers."""

import torch

from engine.endings import StageError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose(device: str, threads: int) -> torch.device:
    """Return the device that a recipe asks for and set the number of CPU threads.

    Args:
        device: ``cpu``, ``cuda`` or ``mps``; ``auto`` takes the first of cuda, mps, cpu that is there.
        threads: CPU threads; 0 leaves torch's own choice.

    Raises:
        StageError: the device is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, found in there.items() if found))
    if not there[device]:
        raise StageError(f"this machine has no {device} device that torch {torch.__version__} can use; "
                         "set `hardware.device: auto`, or extend another hardware profile")  # fmt: skip
    return torch.device(device)
