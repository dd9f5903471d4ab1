"""The plan as data: steps in order, each with its action, its reasons and its counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.seam import Part, Runtime, Spec, Stage


class Action(StrEnum):
    """What will be done about a step."""

    REUSE = "reuse"  # the store has its output
    PARTIAL = "partial"  # some of its items are there
    RESUME = "resume"  # an earlier attempt left a checkpoint
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Count:
    """Items, or steps of training: how many are missing of how many."""

    missing: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        key: key of its output; None while an input that must be made first is unknown.
        identity: see ``Work.identity``.
        digests: digests of its inputs and leaves.
        outputs: the parts of its output, as far as they exist or are foreseen.
        files: where content that later steps read lies.
    """

    stage: Stage
    spec: Spec
    runtime: Runtime
    action: Action
    reasons: tuple[str, ...]
    key: str | None = None
    identity: str | None = None
    digests: Mapping[str, str] | None = None
    outputs: Mapping[str, Part] | None = None
    items: tuple[str, ...] = ()
    files: Mapping[str, str] | None = None
    count: Count | None = None
    bytes: int | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain data for machines."""
        count = self.count
        return {
            "stage": self.stage.name,
            "does": self.stage.does,
            "action": self.action.value,
            "reasons": list(self.reasons),
            "key": self.key,
            "inputs": dict(self.digests) if self.digests is not None else None,
            "spec": self.spec.model_dump(mode="json"),
            "count": {"missing": count.missing, "total": count.total, "unit": count.unit} if count else None,
            "bytes": self.bytes,
            "network": self.stage.network(self.spec),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do; ``run`` executes this very object."""

    recipe: str
    title: str
    layers: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def work(self) -> tuple[Step, ...]:
        """The steps that are not reused."""
        return tuple(step for step in self.steps if step.action is not Action.REUSE)

    def as_json(self) -> dict[str, Any]:
        """Return plain data for machines."""
        return {
            "format": "wan-recipe-plan/v1",
            "recipe": self.recipe,
            "title": self.title,
            "layers": list(self.layers),
            "steps": [step.as_json() for step in self.steps],
        }
