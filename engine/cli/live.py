"""Progress on a terminal: one bar a stage."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from engine.cli.rate import Rate
from engine.execute.events import Event


@contextmanager
def live() -> Iterator[Callable[[Event], None]]:
    """Give a function that is told every event and shows it."""
    columns = (
        TextColumn("{task.description:<13}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns) as progress:
        yield _Live(progress).see


@dataclass(slots=True)
class _Live:
    """One bar a stage."""

    progress: Progress
    bars: dict[str, TaskID] = field(default_factory=dict)
    rate: Rate = field(default_factory=Rate)

    def see(self, event: Event) -> None:
        match event["type"]:
            case "stage_start":
                self.bars[event["stage"]] = self.progress.add_task(event["stage"], total=None, note="")
                self.rate = Rate()
            case "progress":
                note = self.rate.note(event)
                bar = self.bars[event["stage"]]
                self.progress.update(bar, completed=event["done"], total=event["total"], note=note)
            case "stage_done":
                task = self.progress.tasks[self.bars[event["stage"]]]
                total = task.total or 1  # a stage that does one thing has no steps to count
                self.progress.update(
                    task.id, total=total, completed=total, note=f"{task.fields['note']} · done".strip(" ·")
                )
            case "message":
                self.progress.console.print(
                    f"{event.get('stage', 'run')}: {event['message']}", highlight=False
                )
