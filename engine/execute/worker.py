"""The other end of ``InItsOwnProcess``: read an order, do the work, say what happens on standard output.

Run as ``python -m engine.execute.worker ORDER.json``. When the engine dies, so does the worker: its standard input
ends, and it leaves without a word. Nothing that it had committed is lost by that. Where several processes do the work, the
environment says which one this is; what all but the first have to say goes to the log, but for a failure.
"""

import json
import os
import signal
import sys
import threading
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from engine.endings import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED, Interrupted, StageError
from engine.execute.runner import Order, make_work, work_of
from engine.stages import STAGES

MATTERS = ("torch", "diffusers", "transformers", "peft", "av", "numpy")  # libraries that numbers depend on


def main(path: str) -> int:
    """Do the work of an order; returns the exit code."""
    events, first = _events_only(), os.environ.get("RANK", "0") == "0"
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_die_with_the_engine, daemon=True).start()

    def tell(type_: str, **said: Any) -> None:
        to = events if first or type_ == "failed" else sys.stderr
        print(json.dumps({"type": type_, **said}), file=to, flush=True)

    tell("made_with", versions={name: version(name) for name in MATTERS})
    order = Order(**json.loads(Path(path).read_text()))
    stage = next(stage for stage in STAGES if stage.name == order.stage)
    try:
        work_of(stage)(make_work(stage, order, tell, stop.is_set))
    except Interrupted:
        return EXIT_INTERRUPTED
    except StageError as error:
        tell("failed", message=str(error))
        return EXIT_FAILED
    except OSError as error:
        tell("failed", message=f"{error.filename or stage.name}: {error.strerror or error}")
        return EXIT_FAILED
    except MemoryError:
        tell("failed", message="memory ran out; ask for less at once, such as a smaller `train.micro_batch`")
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - the outermost frame: the engine must learn of it, the log keeps all of it
        traceback.print_exc()
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which this side does not know
            tell("failed", message=f"{error}; ask for less at once, such as a smaller `train.micro_batch`")
            return EXIT_FAILED
        return EXIT_BUG
    return 0


def _events_only() -> TextIO:
    """Keep standard output for events; whatever libraries print goes to the log."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


def _die_with_the_engine() -> None:
    while os.read(0, 1024):
        pass
    os._exit(EXIT_BUG)


if __name__ == "__main__":
    code = main(sys.argv[1])
    if "RANK" in os.environ:
        # threads by which torch talked to the others have been seen to abort a process that had done its work
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
