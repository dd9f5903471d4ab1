"""Where tensors live, and in which numbers."""

import os

import torch

from engine.endings import StageError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose(device: str, threads: int, devices: int = 1) -> torch.device:
    """Return the device that a recipe asks for and set the number of CPU threads.

    Where several processes share the work, ``LOCAL_RANK`` says which of the devices is this one's, as ``torchrun`` does.

    Args:
        device: ``cpu``, ``cuda`` or ``mps``; ``auto`` takes the first of cuda, mps, cpu that is there.
        threads: CPU threads; 0 leaves torch's own choice.
        devices: how many of its kind training will want; a CPU is as many as one likes.

    Raises:
        StageError: the device is not there, or there are fewer than training wants, or than processes.
    """
    if threads:
        torch.set_num_threads(threads)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, found in there.items() if found)
    if not there[device]:
        raise StageError(f"this machine has no {device} device that torch {torch.__version__} can use; "
                         "set `hardware.device: auto`, or extend another hardware profile")  # fmt: skip
    if device == "cpu":
        return torch.device(device)
    mine = os.environ.get("LOCAL_RANK")
    count = torch.cuda.device_count() if device == "cuda" else 1
    if max(devices, int(mine or 0) + 1) > count:
        raise StageError(f"`hardware.devices` asks for more {device} devices than the {count} of this machine; "
                         f"set `hardware.devices: {count}`")  # fmt: skip
    if mine is None:
        return torch.device(device)
    if device == "cuda":
        torch.cuda.set_device(int(mine))  # what does not ask for a device takes this one
    return torch.device(device, int(mine))
