"""Who does the work of a step: a process of its own, or several, one for each device.

The contract is data: an order as JSON, folders, a stream of events, an exit code. A stage in its own process gives
back all its memory by ending, and nothing that it does can harm the engine. Where a stage has several processes, all get
the same order and are told which one they are, as ``torchrun`` would; events come from the first, and failures from any.
"""

import importlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import IO, Any, Protocol, Self

from engine.endings import EXIT_FAILED, EXIT_INTERRUPTED, Bug, Interrupted, StageError
from engine.execute.events import Event
from engine.seam import Stage, Work
from engine.store import Store, verify_fully

GRACE = 10.0
"""Seconds that the other processes of a stage have to end by themselves when one did not end well: they may wait for it."""

_PLACE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Order:
    """One step as data: everything that a stage gets."""

    stage: str
    spec: Mapping[str, Any]
    runtime: Mapping[str, Any]
    inputs: Mapping[str, str]
    digests: Mapping[str, str]
    output: str
    shared: str
    identity: str
    files: Mapping[str, str]
    store: str

    def as_text(self) -> str:
        """Write the order as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)


class Runner(Protocol):
    """Does the work of one step."""

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Event], None]) -> None:
        """Fill the folder ``order.output``.

        Raises:
            StageError: the work cannot be done.
            Interrupted: someone asked to stop, and the work is safe on disk.
            Bug: anything else.
        """

    def stopping(self) -> bool:
        """Whether someone asked to stop."""
        ...


class InItsOwnProcess:
    """Runs the stage in an interpreter of its own and passes on what it says.

    As a context it listens to Ctrl-C and SIGTERM: the first asks the stage to save and stop, the second ends it.
    """

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[bytes]] = []
        self._asked = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Event], None]) -> None:
        """See ``Runner``."""
        if self._asked:  # the stage before had nothing to interrupt, and finished
            raise Interrupted(stage.name)
        paper = log.with_suffix(".order.json")
        paper.write_text(order.as_text())
        count = stage.processes(stage.runtime.model_validate(order.runtime))
        try:
            with log.open("ab") as stderr:
                for place in _places(count):
                    self._children.append(_start(paper, place, stderr))
            if self._asked:  # while they were being started
                self._tell_to_stop()
            codes, failure = _follow(self._children, notify)
        finally:
            self._children.clear()
        _judge(stage, codes, failure, log, asked=bool(self._asked))

    def stopping(self) -> bool:
        """See ``Runner``."""
        return self._asked > 0

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._asked += 1
        if self._asked == 1:  # written at once: the step at hand can take a while
            os.write(2, b"\nstopping after this step; once more to stop at once\n")
        self._tell_to_stop()

    def _tell_to_stop(self) -> None:
        for child in self._children:
            child.send_signal(signal.SIGTERM if self._asked == 1 else signal.SIGKILL)


def _places(count: int) -> list[dict[str, str]]:
    """Return what tells each process of a stage which one it is, and where to meet; nothing where there is only one."""
    if count == 1:
        return [{}]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    all_know = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [all_know | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def _start(paper: Path, place: Mapping[str, str], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    # what a launcher told this process is not meant for its stages
    ours = {name: value for name, value in os.environ.items() if name not in _PLACE}
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "engine.execute.worker", str(paper)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
        env={**ours, "PYTHONPATH": _importable(), **place},
    )  # fmt: skip


def _follow(
    children: Sequence[subprocess.Popen[bytes]], notify: Callable[[Event], None]
) -> tuple[list[int], str]:
    """Pass on what processes say until they have ended; none is left.

    Returns the exit codes of those that ended by themselves, the first to end first, and what the first failure said.
    """
    heard: SimpleQueue[bytes | int] = SimpleQueue()
    listeners = [Thread(target=_listen, args=(child, heard), daemon=True) for child in children]
    codes, failure, ends = list[int](), "", math.inf
    try:
        for listener in listeners:
            listener.start()
        while len(codes) < len(children) and (said := _next(heard, ends)) is not None:
            if isinstance(said, int):
                codes.append(said)
                ends = min(ends, time.monotonic() + GRACE) if said else ends
                continue
            event = json.loads(said)
            if event["type"] == "failed":
                failure = failure or event["message"]
            notify(event)
    finally:
        for child in children:
            child.kill()  # nothing, where it has ended
        for listener in listeners:
            listener.join()
    return codes, failure


def _listen(child: subprocess.Popen[bytes], heard: "SimpleQueue[bytes | int]") -> None:
    """Hand on the lines of a process, and at last its exit code."""
    assert child.stdout is not None, "a pipe was asked for"
    with child:
        for line in child.stdout:
            heard.put(line)
        child.wait()  # before its standard input is closed: to the worker that means that the engine died
    heard.put(child.returncode)


def _next(heard: "SimpleQueue[bytes | int]", ends: float) -> bytes | int | None:
    """Return what is heard next; None where nothing comes until the clock says ``ends``."""
    try:
        return heard.get(timeout=None if ends == math.inf else max(0.0, ends - time.monotonic()))
    except Empty:
        return None


def _judge(stage: Stage, codes: Sequence[int], failure: str, log: Path, *, asked: bool) -> None:
    """Turn exit codes into what they mean. Where one process failed, others did because it was gone: the best reason counts."""
    if not any(codes):
        return
    if EXIT_FAILED in codes:
        raise StageError(failure)
    killed_early = asked and min(codes) < 0  # a signal that comes before the stage listens ends it
    if EXIT_INTERRUPTED in codes or killed_early:
        raise Interrupted(stage.name)
    if -signal.SIGKILL in codes:
        raise StageError(
            f"the stage {stage.name} was killed, as happens when memory runs out; run again to go on"
        )
    raise Bug(stage.name, log)


def work_of(stage: Stage) -> Callable[[Work[Any, Any]], None]:
    """Import what does the work of a stage. The one door from the engine to torch."""
    module, _, function = stage.entry.partition(":")
    entry: Callable[[Work[Any, Any]], None] = getattr(importlib.import_module(module), function)
    return entry


def make_work(
    stage: Stage, order: Order, tell: Callable[..., None], stopping: Callable[[], bool]
) -> Work[Any, Any]:
    """Turn an order back into what a stage is given, after checking that its inputs are whole."""
    store = Store(Path(order.store))
    needed: dict[Path, set[str]] = {}
    for need, folder in order.inputs.items():
        needed.setdefault(Path(folder).parent, set()).add(need.partition("/")[2])
    for artifact, parts in needed.items():
        verify_fully(store, artifact, frozenset(parts), stopping)
    return Work(
        spec=stage.spec.model_validate(order.spec),
        runtime=stage.runtime.model_validate(order.runtime),
        inputs={need: Path(folder) for need, folder in order.inputs.items()},
        digests=order.digests,
        output=Path(order.output),
        shared=Path(order.shared),
        identity=order.identity,
        files=order.files,
        memo=store.root / "memo",
        items=_StageItems(store, stage.name),
        tell=tell,
        stopping=stopping,
    )


@dataclass(frozen=True, slots=True)
class _StageItems:
    """The store of items as a stage sees it. A key names its maker, so that others can read: ``maker/key``."""

    store: Store
    stage: str

    def has(self, key: str) -> bool:
        return self.store.has_item(*self._maker(key))

    def open(self, key: str) -> Path:
        return self.store.open_item(*self._maker(key))

    def publish(self, key: str) -> AbstractContextManager[Path]:
        return self.store.filling_item(*self._maker(key))

    def _maker(self, key: str) -> tuple[str, str]:
        maker, slash, rest = key.partition("/")
        return (maker, rest) if slash else (self.stage, key)


def _importable() -> str:
    """Let the worker import this very program, also where it is not installed."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
