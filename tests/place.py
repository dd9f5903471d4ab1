"""A folder in which a recipe is planned and run: three clips with their words, and a store."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from scripted import Scripted

from engine import pipeline
from engine.language.overrides import sets as sets_of
from engine.plan.steps import Plan

RECIPE = """
apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
title: A test
data:
  source: {kind: folder, path: clips}
train: {steps: 20, checkpoints: {every: 10, keep: 2}}
sample: {prompts: {cat: a cat}}
"""


def write_clip(path: Path, shade: int, frames: int = 17) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.full((64, 64, 3), (shade + number) % 256, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@dataclass
class Place:
    """A folder with a recipe, clips and a store."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "x.yaml"

    @property
    def clips(self) -> Path:
        return self.root / "clips"

    def plan(self, *sets: str) -> Plan:
        return pipeline.plan(self.recipe, sets_of(*sets), self.root / "store")[0]

    def actions(self, *sets: str) -> dict[str, str]:
        return {step.stage.name: step.action.value for step in self.plan(*sets).steps}

    def run(self, *sets: str, runner: Scripted | None = None) -> Scripted:
        runner = runner or Scripted()
        made, resolved, _ = pipeline.plan(self.recipe, sets_of(*sets), self.root / "store")
        pipeline.run(made, resolved, self.root / "store", self.root / "out", lambda _: None, runner)
        announced = [step.stage.name for step in made.work]
        settled = [step.stage.name for step in made.work if step.key is not None]
        assert [name for name in runner.ran if name in settled] == settled, "a run does what its plan says"
        # a step that waits for an input is kept after all where that input comes out as it was
        assert set(runner.ran) <= set(announced), "and nothing else"
        return runner


def make_place(root: Path, clips: int = 3) -> Place:
    place = Place(root)
    place.clips.mkdir(parents=True)
    place.recipe.write_text(RECIPE)
    for number in range(clips):
        write_clip(place.clips / f"clip{number}.mp4", 40 * number)
        (place.clips / f"clip{number}.txt").write_text(f"caption {number}")
    return place
