"""Progress of a run: a live view on a terminal, plain lines elsewhere. A reader of the event stream."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.execute.events import Event
from engine.plan.steps import Plan

EVERY = 5.0  # seconds between two plain lines of one stage


@contextmanager
def watcher(plan: Plan) -> Iterator[Callable[[Event], None]]:
    """Give a function that is told every event and shows it."""
    console = Console()
    if not console.is_terminal:
        yield _Lines(len(plan.work)).see
        return
    columns = (
        TextColumn("{task.description:<13}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        yield _Live(progress).see


@dataclass(slots=True)
class _Live:
    """One bar a stage."""

    progress: Progress
    bars: dict[str, int] = field(default_factory=dict)
    rate: "_Rate" = field(default_factory=lambda: _Rate())

    def see(self, event: Event) -> None:
        match event["type"]:
            case "stage_start":
                self.bars[event["stage"]] = self.progress.add_task(event["stage"], total=None, note="")
                self.rate = _Rate()
            case "progress":
                note = self.rate.note(event)
                bar = self.bars[event["stage"]]
                self.progress.update(bar, completed=event["done"], total=event["total"], note=note)  # type: ignore[arg-type]
            case "stage_done":
                bar = self.bars[event["stage"]]
                self.progress.update(bar, total=1, completed=1, note="done")  # type: ignore[arg-type]
            case "message":
                self.progress.console.print(event["message"], highlight=False)


@dataclass(slots=True)
class _Lines:
    """A line when a stage starts and ends, and one every few seconds in between."""

    stages: int
    number: int = 0
    spoke: float = 0.0
    started: float = 0.0
    rate: "_Rate" = field(default_factory=lambda: _Rate())

    def see(self, event: Event) -> None:
        now = time.monotonic()
        match event["type"]:
            case "stage_start":
                self.number += 1
                self.started = self.spoke = now
                self.rate = _Rate()
                self._say(f"[{self.number}/{self.stages}] {event['stage']}: {event['does']}")
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


@dataclass(slots=True)
class _Rate:
    """Rate and time left, from the first progress of a stage on: what was there before did not take time."""

    since: float = 0.0
    first: int = -1

    def note(self, event: Event) -> str:
        now = time.monotonic()
        if self.first < 0:
            self.since, self.first = now, event["done"]
        did, took = event["done"] - self.first, now - self.since
        parts = [event["note"]] if event.get("note") else []
        if did and took:
            rate = did / took
            parts += [f"{rate:.1f} {event['unit']}/s", f"{(event['total'] - event['done']) / rate:.0f} s left"]
        return "  ".join(parts)
