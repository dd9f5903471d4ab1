"""Resolved recipe + store → plan. Pure, offline, and free of torch; looking changes nothing.

``bind`` ties one stage to what is known of its inputs. The plan is that, stage by stage; a run does it once more for
those steps whose inputs had to be made first. There is no other code that decides what is done.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.language.diagnostics import Diagnostic, RecipeError, Severity
from engine.language.resolve import Resolved
from engine.plan.keys import identity_of, key_of, project
from engine.plan.reasons import what_changed, what_moved
from engine.plan.steps import Action, Count, Plan, Step
from engine.seam import Foresight, NotMade, Part, Stage, Trouble, Unmade, View
from engine.store import Artifact, Damaged, FolderPart, Store


@dataclass(slots=True)
class Known:
    """What is known so far of the outputs of earlier stages.

    Attributes:
        tell: hears how many files of how many were looked at.
        keep: whether what is learnt about files may be written down.
    """

    tell: Callable[[int, int], None]
    keep: bool
    outputs: dict[str, Mapping[str, Part] | None] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Learn what a step will put out."""
        self.outputs[step.stage.name] = step.outputs
        self.files |= step.files or {}


def compile_plan(
    resolved: Resolved, stages: Sequence[Stage], store: Store, tell: Callable[[int, int], None], *, keep: bool
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return the plan, and what is wrong with what the recipe points at, such as a folder without clips.

    Args:
        tell: hears how many files of how many were looked at.
        keep: whether what is learnt about files may be written down; a plan that is only shown writes nothing.
    """
    known, steps, troubles = Known(tell, keep), list[Step](), list[Trouble]()
    for stage in applying(stages, resolved):
        step, found = bind(stage, resolved, store, known)
        known.add(step)
        steps.append(step)
        troubles += found
    findings = [located(trouble, resolved) for trouble in troubles]
    title = str(resolved.header.get("title", ""))
    return Plan(str(resolved.file), title, resolved.layers, tuple(steps)), tuple(findings)


def refuse(findings: Sequence[Diagnostic]) -> None:
    """Stop before anything is done.

    Raises:
        RecipeError: one of the findings is an error; it carries all of them.
    """
    if any(found.severity == "error" for found in findings):
        raise RecipeError(findings)


def applying(stages: Sequence[Stage], resolved: Resolved) -> Iterator[Stage]:
    """Yield the stages that a recipe has."""
    return (stage for stage in stages if stage.applies(resolved.recipe))


def bind(stage: Stage, resolved: Resolved, store: Store, known: Known) -> tuple[Step, Sequence[Trouble]]:
    """Tie a stage to its inputs and decide what to do about it."""
    spec, runtime = project(stage.spec, resolved.recipe), project(stage.runtime, resolved.recipe)
    inputs = _inputs(stage, known)
    folders = {need: part.folder for need, part in inputs.items() if isinstance(part, FolderPart)}
    view = View(spec, runtime, inputs, folders, store.root / "memo", known.tell, known.keep)
    if missing := list(
        dict.fromkeys(need.partition("/")[0] for need, part in inputs.items() if isinstance(part, Unmade))
    ):
        return _later(stage, view, missing)
    foresight = stage.foresee(view)
    digests = {need: part.digest for need, part in inputs.items()} | dict(foresight.leaves)
    key, identity = key_of(stage, spec, digests), identity_of(stage, spec, digests)
    found = store.find(stage.name, key)
    lacking = [item for item in foresight.items if not store.has_item(stage.name, item)]
    if isinstance(found, Artifact) and not lacking:
        action, count = Action.REUSE, None
        reasons: tuple[str, ...] = ("made before",)
    else:
        came = stage.progress(spec, store.shared(stage.name, identity))
        action, count = _action(foresight, lacking, came)
        reasons = _reasons(stage, spec, digests, foresight, found, resolved, store, longer=came is not None)
    outputs = found.parts if isinstance(found, Artifact) else dict(foresight.outputs) or None
    step = Step(
        stage, spec, runtime, action, reasons, key, identity, digests, outputs, tuple(lacking),
        foresight.files, count, _bytes(foresight, count), tuple(foresight.notes),
    )  # fmt: skip
    return step, foresight.troubles


def _inputs(stage: Stage, known: Known) -> dict[str, Part]:
    """Return the parts that a stage needs; those of a stage that the recipe does not have are left out."""
    parts = dict[str, Part]()
    for need in stage.needs:
        maker, _, part = need.partition("/")
        if maker in known.outputs:
            parts[need] = (known.outputs[maker] or {}).get(part, Unmade())
    return parts


def _later(stage: Stage, view: View, missing: Sequence[str]) -> tuple[Step, Sequence[Trouble]]:
    """A step that waits for its inputs: its key is open, but items and disk can often be counted all the same."""
    try:
        foresight = stage.foresee(view)
    except NotMade:
        foresight = Foresight()
    reason = f"waits for {', '.join(missing)}"  # and is kept after all where that comes out as it was
    step = Step(
        stage, view.spec, view.runtime, Action.RUN, (reason,), count=_all_of(foresight), bytes=foresight.bytes,
        notes=tuple(foresight.notes),
    )  # fmt: skip
    return step, foresight.troubles


def _action(foresight: Foresight, lacking: Sequence[str], came: int | None) -> tuple[Action, Count | None]:
    total = foresight.amount
    if foresight.items and total is not None:
        return (Action.PARTIAL if len(lacking) < total else Action.RUN), Count(
            len(lacking), total, foresight.unit
        )
    if came is not None and total is not None:
        return Action.RESUME, Count(total - came, total, foresight.unit)
    return Action.RUN, _all_of(foresight)


def _bytes(foresight: Foresight, count: Count | None) -> int | None:
    """Disk of what is still to be made: of items, their share."""
    if foresight.bytes is None or count is None or not foresight.items:
        return foresight.bytes
    return -(-foresight.bytes * count.missing // count.total)


def _all_of(foresight: Foresight) -> Count | None:
    amount = foresight.amount
    return Count(amount, amount, foresight.unit) if amount is not None else None


def _reasons(
    stage: Stage, spec: object, digests: Mapping[str, str], foresight: Foresight, found: object, resolved: Resolved,
    store: Store, *, longer: bool,
) -> tuple[str, ...]:  # fmt: skip
    """Say why a step is not reused; ``longer`` where it goes on with what is there."""
    if isinstance(found, Damaged):
        return (f"its output is damaged: {found.reason}",)
    if isinstance(found, Artifact):
        return ("some of its items are gone",)
    last = store.last_time(resolved.file).get(stage.name)
    if last is None:
        return ("not made yet",)
    changed = what_changed(stage, spec, digests, last, resolved)
    older = store.find(stage.name, str(last["key"]))
    if isinstance(older, Artifact):
        changed += tuple(what_moved(older.parts, foresight.outputs))
    if changed and store.shared(stage.name, str(last.get("identity"))).is_dir() and not longer:
        return (*changed, "so this is a new training; the one before is kept")
    return changed or ("not finished last time, or its output is gone",)


def located(trouble: Trouble, resolved: Resolved) -> Diagnostic:
    """Give a trouble the place of the word that leads to it."""
    severity: Severity = "warning" if trouble.warning else "error"
    span = resolved.span(trouble.word)
    related = ((f"`{trouble.rule}` is set at", resolved.span(trouble.rule)),) if trouble.rule else ()
    return Diagnostic(trouble.code, trouble.message, span, trouble.word, trouble.help, severity, related)
