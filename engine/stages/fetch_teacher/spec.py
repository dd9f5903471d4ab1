"""Bring the weights of the teacher into the store: those of DINOv2, where hidden frames are aligned with it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.seam import Foresight, Runtime, Spec, Stage, Trouble, View, at, digest_of
from engine.stages.digests import digests_of
from engine.words.methods import TeacherFolder
from engine.words.model import BuiltModel, HubModel
from engine.words.recipe import Recipe

# what is read of a teacher: no second copy of the weights in another format, no pickles
FILES = ("config.json", "*.safetensors", "*.safetensors.index.json")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # one of them must be there
LEAF = "teacher"  # digest of the files in the user's folder


class FetchTeacherSpec(Spec):
    """Which weights."""

    encoder: TeacherFolder | HubModel | BuiltModel = at("train.crepa.encoder")


class FetchTeacherRuntime(Runtime):
    """Nothing but the weights matters."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """The numbers of a teacher: width of its features, and side of a patch in pixels."""

    width: int
    patch: int


GIANT = Teacher(1536, 14)  # the largest DINOv2
BUILT = Teacher(32, 14)


class NoTeacher(Exception):
    """A folder holds no DINOv2; the message says why and what to do."""


def teacher_at(folder: Path) -> Teacher:
    """Return the numbers of the teacher in a folder, without reading its weights.

    Raises:
        NoTeacher: it holds none that can be used.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError as error:
        wrong = "has no config.json" if folder.is_dir() else "is no folder"
        raise NoTeacher(f"{folder} {wrong}") from error
    except (OSError, ValueError) as error:
        raise NoTeacher(f"{folder / 'config.json'} cannot be read: {error}") from error
    match config:
        case {"model_type": "dinov2", "hidden_size": int(width), "patch_size": int(patch)} if (
            min(width, patch) > 0
        ):
            if not any((folder / name).is_file() for name in WEIGHTS):
                raise NoTeacher(f"{folder} has no {WEIGHTS[0]}; weights in other formats are not read")
            return Teacher(width, patch)
        case {"model_type": str(kind)} if kind != "dinov2":
            raise NoTeacher(f"{folder} holds a model of type `{kind}`, not `dinov2`")
    raise NoTeacher(
        f"{folder / 'config.json'} says no `model_type`, `hidden_size` or `patch_size` of a DINOv2"
    )


def files_at(folder: Path) -> list[Path]:
    """Return the files of a teacher in a folder, sorted by name."""
    return sorted({path for pattern in FILES for path in folder.glob(pattern) if path.is_file()})


def _applies(recipe: Recipe) -> bool:
    return recipe.train.crepa.kind != "none"


def _foresee(view: View) -> Foresight:
    """A folder counts by what it holds. Nothing is copied: what is made of it are links."""
    encoder = view.spec.encoder
    if not isinstance(encoder, TeacherFolder):
        return Foresight()
    folder = Path(encoder.path)
    try:
        teacher_at(folder)
        digests = digests_of(files_at(folder), view.memo, view.tell, keep=view.keep)
    except (NoTeacher, OSError) as error:
        return Foresight(troubles=tuple(_trouble(error)))
    leaf = digest_of({path.name: digest for path, digest in digests.items()})
    return Foresight(leaves={LEAF: leaf}, amount=len(digests), unit="files", bytes=0)


def _trouble(error: Exception) -> Iterator[Trouble]:
    yield Trouble(
        "RCP4060", "train.crepa.encoder.path", str(error),
        "give a folder with the `config.json` and `model.safetensors` of a DINOv2 without registers, such as a download of "
        "facebook/dinov2-giant",
    )  # fmt: skip


FETCH_TEACHER = Stage(
    name="fetch_teacher",
    version=1,
    spec=FetchTeacherSpec,
    runtime=FetchTeacherRuntime,
    needs=(),
    entry="engine.stages.fetch_teacher.run:fetch_teacher",
    does="bring the teacher's weights into the store",
    applies=_applies,
    foresee=_foresee,
    network=lambda spec: isinstance(spec.encoder, HubModel),
)
