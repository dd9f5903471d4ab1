"""Turn frames of each clip into features of the teacher, once, so that training needs no teacher.

The video codec makes one latent of the first frame and then one of each group; a latent is aligned with the last frame of
its group, which is the only one that it has seen all of: frames 0, 4, 8 and so on.
"""

import json
from collections.abc import Iterator, Mapping
from math import lcm
from pathlib import Path

from engine.seam import (
    Foreseen,
    Foresight,
    NotMade,
    Runtime,
    Spec,
    Stage,
    Trouble,
    View,
    at,
    canonical,
    digest_of,
)
from engine.stages.fetch_teacher.spec import BUILT, GIANT, NoTeacher, Teacher, teacher_at
from engine.words.methods import TeacherFolder
from engine.words.model import BuiltModel, HubModel
from engine.words.recipe import Recipe

VERSION = 1
TEACHER = "fetch_teacher/teacher"
BFLOAT16 = 2  # bytes


class EncodeFeaturesSpec(Spec):
    """The teacher, the size at which it is shown frames, and which frames these are."""

    encoder: TeacherFolder | HubModel | BuiltModel = at("train.crepa.encoder")
    image_size: int = at("train.crepa.image_size")
    fps: int = at("model.fps")
    time_stride: int = at("model.codec.time_stride")


class EncodeFeaturesRuntime(Runtime):
    """Where the teacher works, and how many devices training will want: better missed before hours of encoding."""

    device: str = at("hardware.device")
    devices: int = at("hardware.devices")
    threads: int = at("hardware.threads")


def features(spec: EncodeFeaturesSpec, clips: str | bytes, digests: Mapping[str, str]) -> dict[str, str]:
    """Return, for each clip of the survey's ``clips.json``, the key of its item.

    An item is the clip's content, how it is cut, the rate, the codec's stride, the teacher's weights and its size. Where
    the weights come from does not count.
    """
    about = [VERSION, spec.image_size, spec.fps, spec.time_stride, digests[TEACHER]]
    return {clip["id"]: digest_of(["encode_features", clip["id"], *about]) for clip in json.loads(clips)}


def _applies(recipe: Recipe) -> bool:
    return recipe.train.crepa.kind != "none"


def _foresee(view: View) -> Foresight:
    spec, teacher = view.spec, _teacher(view)
    troubles = tuple(_cut_off(spec.image_size, teacher))
    try:
        clips = view.inputs["survey/clips"].read("clips.json")
    except NotMade:
        return Foresight(troubles=troubles)
    found = features(spec, clips, {need: part.digest for need, part in view.inputs.items()})
    frames = sum((clip["cut"]["bucket"][2] - 1) // spec.time_stride + 1 for clip in json.loads(clips))
    return Foresight(
        outputs={"features": Foreseen({"features.json": canonical(found)})},
        items=sorted(found.values()),
        amount=len(found),
        unit="clips",
        bytes=frames * (spec.image_size // teacher.patch) ** 2 * teacher.width * BFLOAT16,
        troubles=troubles,
    )


def _teacher(view: View) -> Teacher:
    """Return the numbers of the teacher; of one that is not fetched yet, those of the largest that there is."""
    encoder, folder = view.spec.encoder, view.folders.get(TEACHER)
    if isinstance(encoder, BuiltModel):
        return BUILT
    if isinstance(encoder, TeacherFolder):
        folder = Path(encoder.path)
    try:
        return teacher_at(folder) if folder else GIANT
    except NoTeacher:  # said where it is fetched
        return GIANT


def _cut_off(image_size: int, teacher: Teacher) -> Iterator[Trouble]:
    """A rule knows the patch of 14 that every DINOv2 has; a folder may hold one with another."""
    if image_size % teacher.patch and teacher.patch != GIANT.patch:
        both = lcm(teacher.patch, GIANT.patch)
        yield Trouble(
            "RCP4060", "train.crepa.image_size", f"{image_size} px are not a multiple of the patch of this teacher, {teacher.patch} px",
            f"the rest would be cut off: write {both}, or a multiple of it; or take a teacher with a patch of {GIANT.patch} px",
            rule="train.crepa.encoder.kind",
        )  # fmt: skip


ENCODE_FEATURES = Stage(
    name="encode_features",
    version=VERSION,
    spec=EncodeFeaturesSpec,
    runtime=EncodeFeaturesRuntime,
    needs=(TEACHER, "survey/clips"),
    entry="engine.stages.encode_features.run:encode_features",
    does="turn frames into features of the teacher",
    applies=_applies,
    foresee=_foresee,
)
