"""Blocks whose frozen weights wait outside of the device: it holds those of one block, and those of the next.

For the time of its forward pass a block gets copies of its weights on the device. These are other parameters, not other
contents of the same: what the backward pass saved keeps them alive, exactly as long as it needs them. So this saves memory
only where a block is computed again in the backward pass, where it fetches its weights anew. What is trained stays on the
device throughout.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

PREFIX = "blocks-"
"""What the names of the folders begin with in which blocks wait."""


def sweep(folder: Path) -> None:
    """Remove the files of blocks that processes left in a folder when they were killed.

    Call it while no blocks wait in there: before ``offloaded``, and where several processes use the folder, in one of
    them, before any of the others goes on.

    Raises:
        OSError: something cannot be removed.
    """
    for left in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(left)


def settle(model: nn.Module, blocks: Sequence[nn.Module], device: torch.device) -> None:
    """Move all of a model to the device but the frozen weights of some of its blocks. No parameter becomes another."""
    waiting = {
        id(parameter) for block in blocks for parameter in block.parameters() if not parameter.requires_grad
    }
    for tensor in (*model.parameters(), *model.buffers()):
        if id(tensor) not in waiting:
            tensor.data = tensor.data.to(device)


@contextmanager
def offloaded(
    blocks: Sequence[nn.Module], device: torch.device, folder: Path | None = None
) -> Iterator[None]:
    """Let the frozen weights of blocks wait outside of the device; they are put back where they were in the end.

    Args:
        blocks: in the order in which they run. What is trained in them, and their buffers, are on the device already.
        device: where they run. With a GPU, weights wait in pinned memory, and come while the block before is at work.
        folder: where the weights wait in files instead, one a block, so that writing needs no memory for all of them.
            The files go in the end, whatever happens; after a kill, a folder stays until ``sweep``.

    Raises:
        OSError, SafetensorError: the files cannot be written; the blocks are as they were.
    """
    with ExitStack() as stack:
        if folder is not None:
            folder = Path(stack.enter_context(TemporaryDirectory(dir=folder, prefix=PREFIX)))
        carrier = _Carrier(device)
        for number, block in enumerate(blocks):
            parked = _park(block, device, folder / f"{number}.safetensors" if folder else None)
            stack.callback(parked.leave)
            carrier.parked.append(parked)
        for number, block in enumerate(blocks):
            stack.callback(setattr, block, "forward", block.forward)
            block.forward = _visiting(carrier, number, block.forward)
        yield


def _visiting(carrier: "_Carrier", number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
    def visiting(*given: Any, **named: Any) -> Any:
        with carrier.visit(number):
            return forward(*given, **named)

    return visiting


@dataclass(frozen=True, slots=True)
class _Parked:
    """The frozen weights of one block, where they wait.

    Attributes:
        places: module and name of each parameter.
        home: where each was in the beginning.
        waiting: what stands in the places while the block does not run: the weights, or empty ones of their shapes.
        file: what holds the weights if the waiting ones are empty.
    """

    places: tuple[tuple[nn.Module, str], ...]
    home: tuple[torch.device, ...]
    waiting: tuple[nn.Parameter, ...]
    file: Path | None

    def put(self, weights: Sequence[nn.Parameter]) -> None:
        """Let these stand in the block."""
        for (module, name), weight in zip(self.places, weights, strict=True):
            module._parameters[name] = weight  # noqa: SLF001 - as `setattr` would, without its search for other meanings

    def room(self, device: torch.device | None = None) -> list[nn.Parameter]:
        """Return new weights that hold nothing yet: on a device, or each where it was in the beginning."""

        def one(weight: nn.Parameter, home: torch.device) -> nn.Parameter:
            return _parameter(_rebuilt(weight, lambda part: torch.empty_like(part, device=device or home)))

        return [one(weight, home) for weight, home in zip(self.waiting, self.home, strict=True)]

    def fill(self, weights: Sequence[nn.Parameter]) -> None:
        """Copy into other weights what waits."""
        waiting = [part for weight in self.waiting for part in _parts(weight)]
        if self.file is not None:
            read = load_file(self.file)
            waiting = [read[str(number)] for number in range(len(waiting))]
        for part, source in zip(
            (part for weight in weights for part in _parts(weight)), waiting, strict=True
        ):
            part.copy_(source, non_blocking=True)

    def leave(self) -> None:
        """Bring the weights back to where they were in the beginning, for good."""
        weights = self.room()
        self.fill(weights)
        self.put(weights)


def _park(block: nn.Module, device: torch.device, file: Path | None) -> _Parked:
    """Take the frozen weights of a block out of the device's memory, or out of any."""
    places = tuple(
        (module, name)
        for module in block.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if not parameter.requires_grad
    )
    weights = tuple(module.get_parameter(name) for module, name in places)
    home = tuple(weight.device for weight in weights)

    def waits(part: Tensor) -> Tensor:
        if file is not None:
            return part.to("meta")
        return part.cpu().pin_memory() if device.type == "cuda" else part.cpu()

    waiting = tuple(_parameter(_rebuilt(weight, waits)) for weight in weights)
    if file is not None:
        parts = [part for weight in weights for part in _parts(weight)]
        save_file({str(number): part.cpu().contiguous() for number, part in enumerate(parts)}, file)
    parked = _Parked(places, home, waiting, file)
    parked.put(waiting)
    return parked


class _Carrier:
    """Brings blocks their weights, and those of the next one ahead of time."""

    def __init__(self, device: torch.device) -> None:
        self.parked: list[_Parked] = []
        self.device = device
        self.side = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.ahead: tuple[int, list[nn.Parameter]] | None = None
        self.before = 0

    @contextmanager
    def visit(self, number: int) -> Iterator[None]:
        """Give a block its weights for as long as this lasts."""
        parked, weights = self.parked[number], self._weights(number)
        after = self._after(number)
        # this room was free before the block began, so that it can be filled while the block is at work: what becomes free
        # from now on does so while the kernels that use it may still have to run
        room = weights if after == number else self._room(after)
        began = None if self.side is None else torch.cuda.current_stream(self.device).record_event()
        try:
            parked.put(weights)
            yield
        finally:
            # also where a recomputation ends early, which torch does by an exception
            parked.put(parked.waiting)
            if after != number:
                self._fill_aside(after, room, began)
            self.ahead, self.before = (after, room), number

    def _weights(self, number: int) -> list[nn.Parameter]:
        if self.side is not None:  # before they are used, and before they are let go unused
            torch.cuda.current_stream(self.device).wait_stream(self.side)
        ahead, self.ahead = self.ahead, None
        if ahead is not None and ahead[0] == number:
            return ahead[1]
        del ahead
        room = self._room(number)
        self._fill(number, room)
        return room

    def _after(self, number: int) -> int:
        """Return the block that is likely to run next: on in this direction; at both ends the same once more, on the way back."""
        onward = number - self.before
        if abs(onward) != 1:
            onward = 1 if number == 0 else -1
        return number + onward if 0 <= number + onward < len(self.parked) else number

    def _fill_aside(self, number: int, room: list[nn.Parameter], began: Any) -> None:
        with torch.cuda.stream(self.side) if self.side is not None else nullcontext():
            if self.side is not None:
                self.side.wait_event(began)
            self._fill(number, room)

    # selective checkpointing compares what a block does the second time with what it did the first time: the way of its
    # weights is none of its business
    def _room(self, number: int) -> list[nn.Parameter]:
        with _disable_current_modes():
            return self.parked[number].room(self.device)

    def _fill(self, number: int, room: list[nn.Parameter]) -> None:
        with _disable_current_modes():
            self.parked[number].fill(room)


def _parameter(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the plain tensors that a tensor is made of: a quantised one is of several, any other of itself."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor.detach()
        return
    for name in tensor.__tensor_flatten__()[0]:
        yield from _parts(getattr(tensor, name))


def _rebuilt(tensor: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a tensor of the same kind, made of other plain tensors."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return make(tensor.detach())
    names, rest = tensor.__tensor_flatten__()
    inner = {name: _rebuilt(getattr(tensor, name), make) for name in names}
    return type(tensor).__tensor_unflatten__(inner, rest, tensor.shape, tensor.stride())
