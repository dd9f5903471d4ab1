"""Who does the work of a step: a process of its own.

The contract is data: an order as JSON, folders, a stream of events, an exit code. A stage in its own process gives
back all its memory by ending, and nothing that it does can harm the engine.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

from engine.endings import EXIT_FAILED, EXIT_INTERRUPTED, Bug, Interrupted, StageError
from engine.execute.events import Event
from engine.seam import Stage, Work
from engine.store import Store, verify_fully


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
        self._child: subprocess.Popen[bytes] | None = None
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
        failure = ""
        with log.open("ab") as stderr:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "engine.execute.worker", str(paper)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
                env=os.environ | {"PYTHONPATH": _importable()},
            )  # fmt: skip
            with self._child as child:
                assert child.stdout is not None, "a pipe was asked for"
                for line in child.stdout:
                    event = json.loads(line)
                    failure = event["message"] if event["type"] == "failed" else failure
                    notify(event)
                child.wait()  # before its standard input is closed: to the worker that means that the engine died
        self._child = None
        _judge(stage, child.returncode, failure, log, asked=bool(self._asked))

    def stopping(self) -> bool:
        """See ``Runner``."""
        return self._asked > 0

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._asked += 1
        if self._asked == 1:  # written at once: the step at hand can take a while
            os.write(2, b"\nstopping after this step; once more to stop at once\n")
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM if self._asked == 1 else signal.SIGKILL)


def _judge(stage: Stage, code: int, failure: str, log: Path, *, asked: bool) -> None:
    """Turn an exit code into what it means."""
    if code == 0:
        return
    killed_early = asked and code < 0  # a signal that comes before the stage listens ends it
    if code == EXIT_INTERRUPTED or killed_early:
        raise Interrupted(stage.name)
    if code == EXIT_FAILED:
        raise StageError(failure)
    if code == -signal.SIGKILL:
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
        verify_fully(store, artifact, frozenset(parts))
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
