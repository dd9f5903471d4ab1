"""A folder in which recipes run with the real stages, in this very process: a whole run in a second or two."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from engine import pipeline
from engine.execute.events import Event
from engine.execute.run_plan import Outcome
from engine.execute.runner import Order, Runner, make_work, work_of
from engine.language.overrides import sets as sets_of
from engine.seam import Stage
from engine.store import Store


@dataclass
class Here:
    """Runs the real stages, without a process for each.

    Attributes:
        stops_at: a step of training after which someone asks to stop, once.
    """

    stops_at: int | None = None
    _seen: int = 0

    def stopping(self) -> bool:
        return self.stops_at is not None and self._seen >= self.stops_at

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Event], None]) -> None:
        def tell(type_: str, **said: Any) -> None:
            if stage.name == "train" and type_ == "progress":
                self._seen = said["done"]
            notify({"type": type_, **said})

        work_of(stage)(make_work(stage, order, tell, self.stopping))


@dataclass(frozen=True, slots=True)
class Trained:
    """What the stage train handed on, and where it keeps its checkpoints."""

    folder: Path
    shared: Path

    @property
    def steps(self) -> list[dict[str, Any]]:
        return _lines(self.folder / "log/steps.jsonl")

    @property
    def losses(self) -> list[float]:
        return [step["loss"] for step in self.steps]

    @property
    def evaluations(self) -> dict[int, dict[str, Any]]:
        """Those of the weights, by step."""
        lines = _lines(self.folder / "log/evaluations.jsonl")
        return {line["step"]: line for line in lines if line["weights"] == "last"}

    @property
    def file(self) -> Path:
        return self.folder / "adapter/adapter.safetensors"

    @property
    def tensors(self) -> dict[str, Tensor]:
        return load_file(self.file)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass
class Room:
    """A recipe ``x.yaml`` with a store beside it.

    Attributes:
        said: messages of all runs, in their order.
    """

    root: Path
    said: list[str] = field(default_factory=list)

    def run(self, *sets: str, until: str = "", runner: Runner | None = None) -> Outcome:
        made, resolved, _ = pipeline.plan(self.root / "x.yaml", sets_of(*sets), self._store, until=until)
        return pipeline.run(made, resolved, self._store, self.root / "out", self._hear, runner or Here())

    def train(self, *sets: str, runner: Runner | None = None) -> Trained:
        self.run(*sets, until="train", runner=runner)
        return self.trained(*sets)

    def trained(self, *sets: str) -> Trained:
        """Return what an earlier run trained."""
        made, _, _ = pipeline.plan(self.root / "x.yaml", sets_of(*sets), self._store, until="train")
        step = made.steps[-1]
        assert step.identity is not None
        return Trained(self.made("train", *sets), Store(self._store).shared("train", step.identity))

    def made(self, stage: str, *sets: str) -> Path:
        """Return the folder of what an earlier run made in a stage."""
        made, _, _ = pipeline.plan(self.root / "x.yaml", sets_of(*sets), self._store)
        (key,) = (step.key for step in made.steps if step.stage.name == stage)
        assert key is not None
        return Store(self._store).artifact_folder(stage, key)

    def item(self, stage: str, key: str) -> Path:
        """Return the folder of an item of a stage."""
        return Store(self._store).open_item(stage, key)

    def copy(self, to: Path) -> "Room":
        """Return a room with all that was made in this one."""
        shutil.copytree(self.root, to, copy_function=shutil.copy2, symlinks=True)
        return Room(to)

    @property
    def _store(self) -> Path:
        return self.root / "store"

    def _hear(self, event: Event) -> None:
        if event["type"] == "message":
            self.said.append(event["message"])


def make_room(root: Path, recipe: str) -> Room:
    root.mkdir(parents=True, exist_ok=True)
    (root / "x.yaml").write_text(recipe)
    return Room(root)
