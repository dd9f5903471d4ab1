"""Several devices that train one model together: each computes its share of a batch, and all take the same step.

There is one process a device, and each holds the whole model, or where that is asked for a part of its frozen blocks.
``torchrun`` and the runner of this program say to each which one it is. Gradients and parts of blocks go from device to
device; all else, such as numbers and what was decided, goes between CPUs. With one device nothing of this costs anything.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import fsdp
from torch.distributed.device_mesh import init_device_mesh

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""How long a device waits for the others before it gives up."""

BUCKET = 64 * 2**20
"""Bytes of gradients that are summed in one go, and copied for it; a single tensor may be larger."""

_SAID = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Disagree(Exception):
    """Devices that should do the same were about to do different things."""


class TorchIsOlder(Exception):
    """What was asked for needs a newer torch."""


class FirstFailed(Exception):
    """What the first device was to do for all failed there; its own process says how."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Those that train together, as one of them sees it. Each method must be called on all of them, in the same order.

    Attributes:
        rank: which one this is, from 0 to ``count - 1``.
        count: how many there are; 1 or more.
    """

    rank: int
    count: int

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every device the sum of all gradients, the same to the last bit.

        Where each has the gradient of its share of the mean loss, that is the gradient of the whole batch. A device without
        samples takes part with zeros; a parameter that has a gradient nowhere is left without.

        Args:
            parameters: the same ones everywhere, in the same order.
        """
        if self.count == 1:
            return
        alike: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
        for parameter in parameters:
            alike.setdefault((parameter.device, parameter.dtype), []).append(parameter)
        for some in alike.values():
            _sum_gradients(some)

    def shard(self, blocks: Sequence[nn.Module], device: torch.device) -> None:
        """Keep only this device's part of the frozen weights of some blocks. What is trained stays whole everywhere.

        A block is brought together when it runs, and once more when gradients go back through it. From here on all
        devices must let them run equally often and in the same order: each waits for what the others have.

        Args:
            blocks: those of a model that was loaded alike on all devices; nothing has run in them yet.
            device: where they run. Their weights may lie there or on the CPU, from where they come a block at a time.

        Raises:
            TorchIsOlder: there is nothing that it could be done with.
        """
        if self.count == 1:
            return
        can_shard()
        mesh = init_device_mesh(device.type, (self.count,))
        for block in blocks:
            trained = {parameter for parameter in block.parameters() if parameter.requires_grad}
            fsdp.fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
        # one pair of streams for all: what each block's own ones had used would be kept for that block
        fsdp.share_comm_ctx(list(blocks))

    def sum_of(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return the sums over all devices, in double precision; a name that one does not have counts as 0 there."""
        totals: dict[str, float] = {}
        for some in self.of_all(dict(numbers)):
            for name, number in some.items():
                totals[name] = totals.get(name, 0.0) + number
        return totals

    def any_of(self, flag: bool) -> bool:
        """Whether any device says yes: all that ask are answered the same, so that all stop at the same step."""
        return any(self.of_all(flag))

    def same_everywhere(self, what: str, text: str) -> None:
        """Make sure that all devices start from the same.

        Args:
            what: its name, for people, such as "step".
            text: what must be equal, such as a digest.

        Raises:
            Disagree: on every device; the message says what each has.
        """
        if len(set(said := self.of_all(text))) > 1:
            each = ", ".join(f"{rank}: {mine}" for rank, mine in enumerate(said))
            raise Disagree(f"the devices differ in their {what} ({each}); end all of them and run again")

    def by_first(self, do: Callable[[], T]) -> T:
        """Do something on the first device alone while the others wait, and give all of them what it returned.

        Args:
            do: returns plain data. No more than a few minutes: after ``PATIENCE`` the others give up.

        Raises:
            FirstFailed: on the others, when it raised on the first.
        """
        done: list[T] = []
        failure = ""
        if self.first:
            try:
                done = [do()]
            except BaseException as error:
                failure = f"{type(error).__name__}: {error}"
                raise
            finally:  # the others are told in any case: they wait
                self.of_all((done, failure))
            return done[0]
        done, failure = self.of_all((done, failure))[0]
        if not done:
            raise FirstFailed(failure)
        return done[0]

    def wait_for_all(self) -> None:
        """Return when all devices have come here."""
        self.of_all(None)

    def of_all(self, mine: T) -> list[T]:
        """Return what each device has, by rank; plain data."""
        if self.count == 1:
            return [mine]
        every: list[T] = [mine] * self.count
        dist.all_gather_object(every, mine)
        return every


def can_shard() -> None:
    """Return where this torch can shard blocks; to be asked before anything long.

    Raises:
        TorchIsOlder: it cannot.
    """
    if not hasattr(fsdp, "share_comm_ctx"):
        raise TorchIsOlder(f"this is torch {torch.__version__}, and sharding needs 2.10 or newer")


def one() -> Devices:
    """Return a device that trains alone."""
    return Devices(0, 1)


@contextmanager
def joined() -> Iterator[Devices]:
    """Meet the other devices, where the environment names any, and part from them at the end.

    Nothing long should be done by one device alone in there, as the others wait for it, and nothing that can be done
    before: who fails beforehand keeps nobody waiting.
    """
    if any(name not in os.environ for name in _SAID) or os.environ["WORLD_SIZE"] == "1":
        yield one()
        return
    # each tensor goes by what its device has: gradients on CUDA by NCCL, and what the CPUs tell each other by gloo
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Devices(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Sum the gradients of parameters of one kind, a bucket at a time: a copy of all would double their memory."""
    mine = [some.grad is not None for some in parameters]
    has_P = torch.tensor(mine, dtype=torch.int32, device=parameters[0].device)
    dist.all_reduce(has_P)  # on how many devices each has one: so all make the same buckets
    for bucket in _buckets([some for some, has in zip(parameters, has_P.tolist(), strict=True) if has]):
        gradients = [torch.zeros_like(some) if some.grad is None else some.grad for some in bucket]
        flat_N = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat_N)
        for parameter, total in zip(bucket, flat_N.split([some.numel() for some in bucket]), strict=True):
            parameter.grad = total.view_as(parameter)


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Split parameters, in their order, so that each part but one of a single tensor has at most ``BUCKET`` bytes."""
    bucket, size = list[nn.Parameter](), 0
    for parameter in parameters:
        if bucket and size + parameter.nbytes > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.nbytes
    if bucket:
        yield bucket
