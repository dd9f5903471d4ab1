"""The whole program, one verb after the other. Read this first.

    load → validate → resolve → plan → execute

``validate`` reads a recipe and the files that it extends, and says every problem at once. ``plan`` compiles the
complete recipe and what the store holds into ordered steps, and says what each of them costs and why it runs.
``run`` executes that very plan. Which steps there are stands in ``engine/stages/__init__.py``.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.language.allow import allowed
from engine.language.diagnostics import Diagnostic
from engine.language.files import OFFLINE, Access
from engine.language.overrides import Override
from engine.language.resolve import LAYERS, Resolved, check_layers, kind_of, resolve

if TYPE_CHECKING:
    from engine.execute.events import Event
    from engine.execute.run_plan import Outcome
    from engine.execute.runner import Runner
    from engine.plan.compare import Affected, Change
    from engine.plan.steps import Plan


def validate(
    path: Path, overrides: Sequence[Override] = (), access: Access = OFFLINE
) -> tuple[Diagnostic, ...]:
    """Check a recipe, or a layer for recipes, and return its warnings.

    Raises:
        RecipeError: with every problem of every file.
    """
    if kind_of(path) in LAYERS:
        return check_layers(path, overrides, access)
    return resolve(path, overrides, access).warnings


def plan(
    path: Path,
    overrides: Sequence[Override],
    store: Path,
    access: Access | None = None,
    tell: Callable[[int, int], None] = lambda _, __: None,
    *,
    until: str = "",
    keep: bool = False,
) -> tuple["Plan", Resolved, tuple[Diagnostic, ...]]:
    """Return what would run, what is reused and why. Changes nothing and needs no network.

    Args:
        tell: hears how many files of how many were looked at; with many new clips that takes a while.
        until: name of the last stage that is wanted; empty for all of them.
        keep: whether what is learnt about clips may be written down, as before a run.

    Raises:
        RecipeError: the recipe is wrong, or what it points at cannot be used.
    """
    # a recipe that is only validated needs no stages, no store and no typed models
    from engine.plan.compile import compile_plan, refuse
    from engine.stages import up_to
    from engine.store import Store

    resolved = resolve(path, overrides, access or Access(store=store))
    made, findings = compile_plan(resolved, up_to(until), Store(store), tell, keep=keep)
    refuse(findings)
    return made, resolved, (*resolved.warnings, *allowed(findings, resolved.sources, by_plan=True))


def survey(
    path: Path,
    overrides: Sequence[Override],
    store: Path,
    outputs: Path,
    watch: Callable[["Event"], None],
    access: Access | None = None,
    tell: Callable[[int, int], None] = lambda _, __: None,
) -> tuple["Outcome", tuple[Diagnostic, ...]]:
    """Look at every clip and hand out the report, whatever is wrong with them; returns that as well.

    Raises:
        RecipeError: the recipe is wrong, or there is not one clip to look at.
        StageError: a stage could not do its work.
        Interrupted: someone asked to stop.
    """
    # what plans and executes is not needed to validate
    from engine.execute.run_plan import run_plan
    from engine.execute.runner import InItsOwnProcess
    from engine.plan.compile import compile_plan, refuse
    from engine.stages.fetch_data.spec import FETCH_DATA
    from engine.stages.survey.spec import SURVEY
    from engine.store import Store

    resolved = resolve(path, overrides, access or Access(store=store))
    # what cannot be fetched cannot be looked at
    refuse(compile_plan(resolved, [FETCH_DATA], Store(store), tell, keep=True)[1])
    made, findings = compile_plan(resolved, [FETCH_DATA, SURVEY], Store(store), tell, keep=True)
    if any(step.count is not None and not step.count.total for step in made.steps):
        refuse(findings)
    with InItsOwnProcess() as own:
        # whatever is wrong with the clips: to look at them is what was asked for
        outcome = run_plan(made, resolved, Store(store), own, outputs, watch, judge=lambda _: None)
    return outcome, (
        *resolved.warnings,
        *allowed((*findings, *outcome.findings), resolved.sources, by_plan=True),
    )


def diff(old: Path, new: Path, access: Access = OFFLINE) -> tuple[list["Change"], list["Affected"]]:
    """Return the words in which two recipes differ, and the stages that a change from one to the other touches.

    Raises:
        RecipeError: one of them is wrong.
    """
    from engine.plan.compare import affected, changes
    from engine.stages import STAGES

    before, after = resolve(old, (), access), resolve(new, (), access)
    return changes(before, after), affected(before, after, STAGES)


def run(
    made: "Plan",
    resolved: Resolved,
    store: Path,
    outputs: Path,
    watch: Callable[["Event"], None],
    runner: "Runner | None" = None,
    *,
    strict: bool = False,
) -> "Outcome":
    """Execute a plan, taking up where the last run stopped.

    Args:
        strict: whether warnings about inputs that had to be made first are errors.

    Raises:
        RecipeError: an input that had to be made first is wrong.
        StageError: a stage could not do its work.
        Interrupted: someone asked to stop; run again to go on.
    """
    # what executes is not needed to validate and to plan, and would cost them a tenth of their time
    from engine.execute.run_plan import run_plan
    from engine.execute.runner import InItsOwnProcess
    from engine.plan.compile import refuse
    from engine.store import Store

    def judge(findings: Sequence[Diagnostic]) -> None:
        counted = allowed(findings, resolved.sources, by_plan=True)
        refuse([replace(found, severity="error") for found in counted] if strict else counted)

    with nullcontext(runner) if runner is not None else InItsOwnProcess() as working:
        outcome = run_plan(made, resolved, Store(store), working, outputs, watch, judge)
    return replace(outcome, findings=tuple(allowed(outcome.findings, resolved.sources, by_plan=True)))
