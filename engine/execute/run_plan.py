"""Carry out a plan, step by step. What is made is published whole; what is interrupted goes on the next time."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.endings import Interrupted, StageError
from engine.execute.deliver import check_places, deliver
from engine.execute.events import Event, EventLog
from engine.execute.runner import Order, Runner
from engine.language.diagnostics import Diagnostic
from engine.language.resolve import Resolved
from engine.plan.compile import Known, bind, located
from engine.plan.steps import Action, Plan, Step
from engine.store import Artifact, Damaged, FolderPart, Store


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did.

    Attributes:
        ran: names of the stages that did work.
        files: the files for people.
        log: the folder with the events.
        findings: what was found wrong on the way, with inputs that had to be made first.
    """

    ran: tuple[str, ...]
    files: tuple[Path, ...]
    log: Path
    findings: tuple[Diagnostic, ...] = ()


def run_plan(
    plan: Plan,
    resolved: Resolved,
    store: Store,
    runner: Runner,
    outputs: Path,
    watch: Callable[[Event], None],
    judge: Callable[[Sequence[Diagnostic]], None],
) -> Outcome:
    """Execute a plan and deliver its files.

    Args:
        outputs: folder for the files that people want; those that are there are left as they are.
        watch: is told every event.
        judge: is told what is wrong with inputs that had to be made first; what it raises ends the run before they are used.
    """
    check_places(resolved, outputs, store.root.parent)
    store.sweep()
    log = _new_log(store, resolved)
    events = EventLog(log / "events.jsonl")

    def notify(event: Event) -> None:
        events.write(event)
        watch(event)

    notify({"type": "run", "recipe": plan.recipe, "steps": [step.as_json() for step in plan.steps]})
    known, ran, last, findings = Known(lambda _, __: None, keep=True), list[str](), "", list[Diagnostic]()
    for planned in plan.steps:
        step = planned
        if planned.key is None:
            step, troubles = bind(planned.stage, resolved, store, known)
            findings += [located(trouble, resolved) for trouble in troubles]
            judge(findings)
        store.remember(resolved.file, step.stage.name, _about(step))
        if step.action is not Action.REUSE:
            did = _do(step, known, store, runner, log, notify)
            ran += [step.stage.name] if did else []
        assert step.key is not None, "a bound step has its key"
        known.add(_made(step, store))
        last = step.key
    files = deliver(known.outputs, resolved, outputs, last)
    notify({"type": "done", "ran": ran, "files": [str(file) for file in files]})
    return Outcome(tuple(ran), files, log, tuple(findings))


def _do(
    step: Step, known: Known, store: Store, runner: Runner, log: Path,
    notify: Callable[[Event], None],
) -> bool:  # fmt: skip
    """Run one step and publish what it makes; returns whether there was anything left to do."""
    stage, order = step.stage, _order(step, known, store)
    assert step.key is not None, "a bound step has its key"
    notify({"type": "stage_start", "stage": stage.name, "does": stage.does, "action": step.action.value})
    with _one_at_a_time(store, order.identity, runner, notify):
        found = store.find(stage.name, step.key)
        if isinstance(found, Damaged):
            store.reject(found)
        elif found is not None and all(store.has_item(stage.name, item) for item in step.items):
            notify({"type": "stage_done", "stage": stage.name, "note": "another run made it meanwhile"})
            return False
        about = _about(step)

        def hear(event: Event) -> None:
            if event["type"] == "made_with":
                about["made_with"] = event["versions"]
            notify({"stage": stage.name} | event)

        with store.filling(store.artifact_folder(stage.name, step.key), about) as draft:
            runner.run(stage, replace(order, output=str(draft)), log / f"{stage.name}.log", hear)
    notify({"type": "stage_done", "stage": stage.name})
    return True


def _about(step: Step) -> dict[str, Any]:
    """Say what a step is made of: the manifest of its output, and what the next plan compares with."""
    return {
        "stage": step.stage.name, "version": step.stage.version, "key": step.key, "identity": step.identity,
        "spec": step.spec.model_dump(mode="json"), "runtime": step.runtime.model_dump(mode="json"),
        "inputs": dict(step.digests or {}),
    }  # fmt: skip


def _order(step: Step, known: Known, store: Store) -> Order:
    """Write a step as the order that its stage gets."""
    assert step.identity is not None, "a bound step has its identity"
    assert step.digests is not None, "and the digests of its inputs"
    folders = {}
    for need in step.stage.needs:
        maker, _, part = need.partition("/")
        outputs = known.outputs.get(maker) or {}
        if isinstance(found := outputs.get(part), FolderPart):
            folders[need] = str(found.folder)
    shared = store.shared(step.stage.name, step.identity)
    return Order(
        step.stage.name, step.spec.model_dump(mode="json"), step.runtime.model_dump(mode="json"), folders,
        step.digests, "", str(shared), step.identity, known.files | dict(step.files or {}),
        str(store.root.parent),
    )  # fmt: skip


def _made(step: Step, store: Store) -> Step:
    """Return a finished step with what it really put out, which must be what was foreseen."""
    assert step.key is not None, "a bound step has its key"
    found = store.find(step.stage.name, step.key)
    if not isinstance(found, Artifact):
        raise StageError(f"the output of {step.stage.name} is gone or damaged; run again")
    for name, part in (step.outputs or {}).items():
        if found.parts[name].digest != part.digest:
            raise StageError(
                f"{step.stage.name} made other {name} than planned: its input changed meanwhile; run again"
            )
    return replace(step, outputs=found.parts)


@contextmanager
def _one_at_a_time(
    store: Store, identity: str, runner: Runner, notify: Callable[[Event], None]
) -> Iterator[None]:
    """Wait while another run does the same work. Saves double work; nothing depends on it being right."""
    folder = store.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock, told = FileLock(folder / f"{identity}.lock"), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5 if told else 0)
        except Timeout:
            if not told:
                notify({"type": "message", "message": "another run is doing this; waiting for it to end"})
            told = True
            if runner.stopping():
                raise Interrupted from None
    try:
        yield
    finally:
        lock.release()


def _new_log(store: Store, resolved: Resolved) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    name = re.sub("[^A-Za-z0-9_.-]+", "-", resolved.file.stem)
    folder = store.root / "runs" / f"{stamp}-{name}"
    folder.mkdir(parents=True)
    return folder
