"""Progress is read from the event stream: plain lines in a pipe, bars on a terminal."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from engine.cli.live import _Live
from engine.cli.progress import _Lines

EVENTS = [
    {"type": "stage_start", "stage": "train", "does": "train the adapter"},
    {"type": "progress", "stage": "train", "done": 1, "total": 40, "unit": "steps", "note": "loss 1.5"},
    {"type": "message", "stage": "train", "message": "going on from step 0"},
    {"type": "progress", "stage": "train", "done": 40, "total": 40, "unit": "steps", "note": "loss 0.5"},
    {"type": "stage_done", "stage": "train"},
    {"type": "stage_start", "stage": "export", "does": "write the LoRA"},
    {"type": "stage_done", "stage": "export"},
]


def test_a_pipe_gets_plain_lines_with_counts_and_the_note(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _Lines(stages=2)
    for event in EVENTS:
        lines.see(event)
    said = capsys.readouterr().out
    assert "[1/2] train: train the adapter" in said
    assert "40/40 steps  loss 0.5" in said
    assert "going on from step 0" in said
    assert "\x1b" not in said


def test_a_terminal_gets_a_bar_a_stage_that_ends_full() -> None:
    shown = io.StringIO()
    with Progress(TextColumn("{task.description} {task.completed}/{task.total} {task.fields[note]}"),
                  console=Console(file=shown, force_terminal=True, width=100)) as progress:  # fmt: skip
        live = _Live(progress)
        for event in EVENTS:
            live.see(event)
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        ("train", 40, 40), ("export", 1, 1),
    ]  # fmt: skip
    assert "train: going on from step 0" in shown.getvalue()
