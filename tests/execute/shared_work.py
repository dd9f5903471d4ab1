"""A stage whose work several processes share, for ``test_devices.py``; it does what its spec says."""

import os
import signal
import sys
import time

from engine.endings import Interrupted, StageError
from engine.execute import worker
from engine.seam import Runtime, Spec, Stage, Work


class Does(Spec):
    """What each process does, by rank."""

    does: list[str]


class Among(Runtime):
    """How many processes there are."""

    devices: int


SHARED = Stage(
    name="shared", version=1, spec=Does, runtime=Among, needs=(), entry="execute.shared_work:work", does="work together",
    processes=lambda runtime: runtime.devices,
)  # fmt: skip

PLACE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def work(work: Work[Does, Among]) -> None:
    """Do what is said for this rank, after noting what this process was told."""
    rank = int(os.environ.get("RANK", "0"))
    told = {name: os.environ[name] for name in PLACE if name in os.environ}
    work.tell("message", message=f"I am {rank}", told=told, process=os.getpid())
    (work.shared / f"{rank}.pid").write_text(str(os.getpid()))
    ACTS[work.spec.does[rank]](work)


def fail(_: Work[Does, Among]) -> None:
    raise StageError("the second has no room")


def hang(_: Work[Does, Among]) -> None:
    time.sleep(600)


def stop(work: Work[Does, Among]) -> None:
    while not work.stopping():
        time.sleep(0.01)
    (work.shared / f"stopped-{os.environ['RANK']}").touch()
    raise Interrupted


ACTS = {
    "end": lambda work: None,
    "end late": lambda work: time.sleep(1),
    "fail": fail,
    "hang": hang,
    "stop": stop,
    "break": lambda work: 1 // 0,
    "be killed": lambda work: os.kill(os.getpid(), signal.SIGKILL),
}

if __name__ == "__main__":
    worker.STAGES = (SHARED,)
    sys.exit(worker.main(sys.argv[-1]))
