"""Plans and outcomes as text for people."""

from pathlib import Path
from typing import TYPE_CHECKING

from engine.language.files import shown
from engine.plan.steps import Action, Plan, Step

if TYPE_CHECKING:
    from engine.execute.run_plan import Outcome

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show_plan(plan: Plan) -> str:
    """Write a plan as a table: action, stage, how much of it, disk, and why."""
    lines = [f"{plan.title or Path(plan.recipe).stem}", f"  from {' → '.join(plan.layers)}", ""]
    for step in plan.steps:
        first, *more = (*step.reasons, *step.notes)
        lines.append(
            f"  {step.action.value:<8} {step.stage.name:<15} {_amount(step):<22} {_disk(step):<10} {first}"
        )
        lines += [f"{'':<58} {line}" for line in more]
    return "\n".join([*lines, "", f"  {_summary(plan)}"])


def show_outcome(outcome: "Outcome") -> str:
    """Name what was done and the files that it made."""
    did = f"done: {', '.join(outcome.ran)}" if outcome.ran else "nothing to do: everything was made before"
    return "\n".join([did, "", *(f"  {shown(file)}" for file in outcome.files)])


def size(count: int) -> str:
    """Write a number of bytes for people."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 10 else f"{value:.1f} {_UNITS[unit]}"


def _amount(step: Step) -> str:
    """How much is to be done."""
    if step.action is Action.REUSE:
        return ""
    if step.count is None:
        return "from the network" if step.stage.network(step.spec) else ""
    missing, total, unit = step.count.missing, step.count.total, step.count.unit
    return f"{total} {unit}" if missing == total else f"{missing} left of {total} {unit}"


def _disk(step: Step) -> str:
    return f"≤ {size(step.bytes)}" if step.bytes is not None and step.action is not Action.REUSE else ""


def _summary(plan: Plan) -> str:
    if not plan.work:
        return "Nothing to do: everything was made before."
    counts = [f"{sum(step.action is action for step in plan.steps)} {action.value}"
              for action in Action if any(step.action is action for step in plan.steps)]  # fmt: skip
    known = sum(step.bytes or 0 for step in plan.work)
    unknown = [step.stage.name for step in plan.work if step.bytes is None]
    rest = f" Not known before they run: the disk of {', '.join(unknown)}." if unknown else ""
    return (
        f"{', '.join(counts)}. Disk: at most {size(known)}.{rest}" if known else f"{', '.join(counts)}.{rest}"
    )
