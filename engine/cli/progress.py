"""Progress of a run: a live view on a terminal, plain lines elsewhere. A reader of the event stream."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.cli.rate import Rate
from engine.execute.events import Event

EVERY = 5.0  # seconds between two plain lines of one stage


@contextmanager
def watcher(stages: int) -> Iterator[Callable[[Event], None]]:
    """Give a function that is told every event and shows it; ``stages`` is how many are to do, 0 where that is open."""
    if sys.stdout.isatty():
        # rich costs a tenth of the time that `recipe plan` has; only a terminal needs it
        from engine.cli.live import live

        with live() as see:
            yield see
    else:
        yield _Lines(stages).see


@dataclass(slots=True)
class Looking:
    """Says on standard error how far looking at clips has come, where it takes longer than a moment."""

    started: float = field(default_factory=time.monotonic)
    spoke: float = 0.0

    def tell(self, done: int, total: int) -> None:
        """Hear how many files of how many were looked at."""
        now = time.monotonic()
        if now - max(self.spoke, self.started) < EVERY:
            return
        self.spoke = now
        rate = done / (now - self.started)
        left = f"{rate:.0f} a second, {(total - done) / rate:.0f} s left"
        print(f"looking at clips: {done:,} of {total:,}, {left}", file=sys.stderr, flush=True)  # noqa: T201 - this is the command line


@dataclass(slots=True)
class _Lines:
    """A line when a stage starts and ends, and one every few seconds in between."""

    stages: int
    number: int = 0
    spoke: float = 0.0
    started: float = 0.0
    rate: Rate = field(default_factory=Rate)

    def see(self, event: Event) -> None:
        now = time.monotonic()
        match event["type"]:
            case "stage_start":
                self.number += 1
                self.started = self.spoke = now
                self.rate = Rate()
                of = f"/{self.stages}" if self.stages else ""
                self._say(f"[{self.number}{of}] {event['stage']}: {event['does']}")
            case "progress":
                note = self.rate.note(event)
                if now - self.spoke >= EVERY or event["done"] == event["total"]:
                    self.spoke = now
                    self._say(f"      {event['done']}/{event['total']} {event['unit']}  {note}")
            case "stage_done":
                self._say(f"      done in {now - self.started:.1f} s")
            case "message":
                self._say(f"      {event['message']}")

    def _say(self, line: str) -> None:
        print(line, flush=True)  # noqa: T201 - this is the command line
