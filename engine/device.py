"""Where tensors live, and in which numbers."""

import torch

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose(device: str, threads: int) -> torch.device:
    """Return the device that a recipe asks for and set the number of CPU threads.

    Args:
        device: ``cpu``, ``cuda`` or ``mps``; ``auto`` takes the first of cuda, mps, cpu that is there.
        threads: CPU threads; 0 leaves torch's own choice.
    """
    if threads:
        torch.set_num_threads(threads)
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
