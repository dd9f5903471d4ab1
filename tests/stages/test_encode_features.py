"""Frames become the teacher's features: the right frames, the right patches, each clip once."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from place import Place, make_place

from engine.clips.decode import read_frames
from engine.clips.sizes import Bucket, Cut
from engine.clips.write import write_video
from engine.endings import Interrupted, StageError
from engine.execute.runner import _StageItems
from engine.language.diagnostics import RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.plan.compile import applying
from engine.plan.keys import project
from engine.plan.steps import Step
from engine.seam import Work
from engine.stages import STAGES
from engine.stages.encode_features import run
from engine.stages.encode_features.run import encode_features
from engine.stages.encode_features.spec import EncodeFeaturesRuntime, EncodeFeaturesSpec, features
from engine.store import Store, digest_file
from engine.tensors import load_tensors
from engine.training.teacher import build_teacher, load_teacher, patch_tokens
from engine.words.model import BuiltModel

SIZE = 28
DIGESTS = {"fetch_teacher/teacher": "the teacher's digest"}
SPEC = EncodeFeaturesSpec(encoder=BuiltModel(kind="built", seed=0), image_size=SIZE, fps=16, time_stride=4)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("teacher")
    build_teacher(made, width=32, patch=14, seed=0)
    return made


@dataclass
class Clips:
    """A teacher, some clips, a store, and what the stage says."""

    root: Path
    teacher: Path
    cuts: dict[str, Cut] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    said: list[dict[str, object]] = field(default_factory=list)

    def path(self, name: str) -> Path:
        return self.root / "clips" / f"{name.partition('@')[0]}.mp4"

    def add(self, name: str, cut: Cut) -> None:
        """Add a training clip; what follows an ``@`` tells it from others of the same file."""
        self.cuts[name], self.media[name] = cut, digest_file(self.path(name))

    def work(self, stopping=lambda: False, **spec: object) -> Work:
        entries = [
            {"id": f"{name}-id", "media": self.media[name], "cut": {
                "start": cut.start, "period": cut.period, "scaled": list(cut.scaled), "corner": list(cut.corner),
                "bucket": [cut.bucket.width, cut.bucket.height, cut.bucket.frames]}}
            for name, cut in self.cuts.items()
        ]  # fmt: skip
        survey, output = self.root / "survey", self.root / f"output-{time.monotonic_ns()}"
        for folder in (survey, output):
            folder.mkdir(exist_ok=True)
        (survey / "clips.json").write_text(json.dumps(entries))
        return Work(
            spec=SPEC.model_copy(update=spec),
            runtime=EncodeFeaturesRuntime(device="cpu", devices=1, threads=0),
            inputs={"survey/clips": survey, "fetch_teacher/teacher": self.teacher},
            digests=DIGESTS,
            output=output,
            shared=self.root / "shared",
            identity="identity",
            files={self.media[name]: str(self.path(name)) for name in self.cuts},
            memo=self.root / "memo",
            items=_StageItems(Store(self.root / "store"), "encode_features"),
            tell=lambda type_, **said: self.said.append({"type": type_, **said}),
            stopping=stopping,
        )

    def run(self, **settings: object) -> dict[str, torch.Tensor]:
        """Do the stage's work; returns the features of each clip."""
        work = self.work(**settings)
        encode_features(work)
        found = json.loads((work.output / "features" / "features.json").read_text())
        kept = {
            name.removesuffix("-id"): load_tensors(work.items.open(key), "feature")
            for name, key in found.items()
        }
        assert all(tensors.keys() == {"feature_TPD"} for tensors in kept.values())
        return {name: tensors["feature_TPD"] for name, tensors in kept.items()}

    def expected(self, name: str, size: int = SIZE, stride: int = 4) -> torch.Tensor:
        """The teacher's own answer to the frames that end a group of the codec."""
        seen, frames_FHWC = (
            load_teacher(self.teacher, torch.device("cpu")),
            read_frames(self.path(name), self.cuts[name], 16),
        )
        ends = [0, *range(stride, len(frames_FHWC), stride)]
        return torch.stack([patch_tokens(seen, frames_FHWC[end], size).bfloat16() for end in ends])

    def items(self) -> int:
        return len(list((self.root / "store").glob("v1/items/encode_features/*/*/manifest.json")))

    def left(self) -> list[Path]:
        return list((self.root / "store").glob("v1/tmp/*"))

    def progress(self) -> list[tuple[object, ...]]:
        return [
            (said["done"], said["total"], said["note"]) for said in self.said if said["type"] == "progress"
        ]


def cut_to(frames: int, start: int = 0, period: int = 0) -> Cut:
    """The middle of a picture of 96x64."""
    return Cut(start, period or frames, (72, 48), (8, 0), Bucket(48, 32, frames))


@pytest.fixture
def clips(tmp_path: Path, teacher: Path) -> Clips:
    """A band that moves a little with each frame, in four training clips of three files."""
    (tmp_path / "clips").mkdir()
    across = np.linspace(0, 255, 96).astype(np.uint8)
    for name, frames, step in (("band", 40, 3), ("fast", 17, 7), ("short", 6, 5)):
        rolled = [np.roll(across, step * frame)[None, :, None] for frame in range(frames)]
        frames_FHWC = np.stack([np.broadcast_to(row, (64, 96, 3)) for row in rolled])
        write_video(tmp_path / "clips" / f"{name}.mp4", frames_FHWC, 16)
    made = Clips(tmp_path, teacher)
    made.add("band", cut_to(17))
    made.add("band@20", cut_to(17, start=20))
    made.add("fast", cut_to(9))
    made.add("short", cut_to(17, period=6))
    return made


# which frames, and what of them


def test_a_latent_frame_has_the_features_of_the_last_frame_that_it_is_made_of(clips: Clips) -> None:
    kept = clips.run()
    assert kept.keys() == clips.cuts.keys()
    for name, feature_TPD in kept.items():
        frames = clips.cuts[name].bucket.frames
        assert feature_TPD.shape == ((frames - 1) // 4 + 1, (SIZE // 14) ** 2, 32)
        assert feature_TPD.dtype == torch.bfloat16
        assert torch.equal(feature_TPD, clips.expected(name))
        assert len({tuple(frame_PD.flatten().tolist()) for frame_PD in feature_TPD}) > 1, "the picture moves"


def test_another_codec_and_another_size_take_other_frames_and_patches(clips: Clips) -> None:
    clips.cuts = {"band": cut_to(17)}
    kept = clips.run(time_stride=8, image_size=42)
    assert kept["band"].shape == (3, 9, 32)
    assert torch.equal(kept["band"], clips.expected("band", 42, 8))


def test_a_clip_of_one_frame_has_one(clips: Clips) -> None:
    clips.cuts = {"band": cut_to(1, start=7)}
    kept = clips.run()
    assert kept["band"].shape == (1, 4, 32)
    assert torch.equal(kept["band"], clips.expected("band"))


# one by one


def test_who_stops_keeps_the_clips_that_are_done(clips: Clips) -> None:
    with pytest.raises(Interrupted):
        clips.run(stopping=lambda: len(clips.progress()) == 2)
    assert (clips.items(), clips.left()) == (2, [])
    clips.said.clear()
    assert len(clips.run()) == 4
    assert clips.progress() == [(1, 2, "fast.mp4"), (2, 2, "short.mp4")]


def test_a_second_run_makes_nothing(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    before = clips.run()
    monkeypatch.setattr(run, "load_teacher", None)  # not even this is loaded
    after = clips.run()
    assert all(torch.equal(feature_TPD, after[name]) for name, feature_TPD in before.items())
    assert len(clips.progress()) == 4


def test_a_renamed_file_is_not_encoded_again_and_a_new_clip_alone_is(clips: Clips) -> None:
    clips.run()
    clips.said.clear()
    work = clips.work()
    moved = clips.path("fast").rename(clips.root / "clips" / "quick.mp4")
    work.files[clips.media["fast"]] = str(moved)  # type: ignore[index]
    encode_features(work)
    assert clips.progress() == []
    moved.rename(clips.path("fast"))
    clips.add("fast@3", cut_to(9, start=3))
    clips.run()
    assert clips.progress() == [(1, 1, "fast.mp4")]


def test_a_file_that_changed_since_the_plan_is_refused(clips: Clips) -> None:
    path, before = clips.path("fast"), clips.path("fast").stat()
    path.write_bytes(bytes(before.st_size))  # as long as before
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StageError, match=r"clips/fast\.mp4 changed since the plan was made; run again"):
        clips.run()
    assert (clips.items(), clips.left()) == (2, []), "those before it are kept"


def test_a_clip_without_the_frames_that_are_wanted_is_refused_by_name(clips: Clips) -> None:
    clips.add("short", cut_to(17, start=2))
    with pytest.raises(StageError, match=r"clips/short\.mp4: .*Mend the file, or move it out of the folder"):
        clips.run()
    assert (clips.items(), clips.left()) == (3, [])


def test_a_teacher_without_weights_is_refused_in_words(clips: Clips, tmp_path: Path) -> None:
    clips.teacher = tmp_path / "empty"
    clips.teacher.mkdir()
    with pytest.raises(StageError, match=r"train\.crepa\.encoder: the weights of DINOv2 cannot be loaded"):
        clips.run()


def test_the_clips_are_only_read(clips: Clips) -> None:
    def snapshot() -> dict[Path, tuple[bytes, int, int]]:
        found = {path: path.stat() for path in (clips.root / "clips").iterdir()}
        return {path: (path.read_bytes(), stat.st_mtime_ns, stat.st_ino) for path, stat in found.items()}

    before = snapshot()
    clips.run()
    assert snapshot() == before


# keys

CLIP = json.dumps([{"id": "one", "media": "a", "cut": {}}])


def key(clips: str = CLIP, digest: str = "", **spec: object) -> str:
    digests = DIGESTS | ({"fetch_teacher/teacher": digest} if digest else {"survey/clips": "another survey"})
    return features(SPEC.model_copy(update=spec), clips, digests)["one"]


def test_the_key_changes_with_what_is_seen_and_by_whom() -> None:
    keys = {key(), key(image_size=42), key(fps=24), key(time_stride=8), key(digest="other weights")}
    assert len(keys) == 5


def test_the_key_does_not_change_with_other_clips_or_the_place_of_the_weights() -> None:
    beside = json.dumps([{"id": "two", "media": "b", "cut": {}}, *json.loads(CLIP)])
    assert key(beside) == key() == key(encoder=BuiltModel(kind="built", seed=1))
    both = features(SPEC, beside, DIGESTS)
    assert both["two"] != both["one"]


# the plan

BUILT = "{kind: built, seed: 0}"
ALIGNED = "block: 2, weight: 0.5, falls: constant, distance: 1, neighbours: nearest, decay: 1"
CREPA = (f"train.crepa={{kind: dinov2, encoder: {BUILT}, image_size: 28, {ALIGNED}}}",)


def folder_of(path: Path, size: int = 28) -> tuple[str, ...]:
    return (CREPA[0].replace(BUILT, f"{{kind: folder, path: {path}}}").replace("28", str(size)),)


def step(place: Place, *sets: str) -> Step:
    (found,) = [step for step in place.plan(*sets).steps if step.stage.name == "encode_features"]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.mark.parametrize(("sets", "has"), [(CREPA, True), ((), False)], ids=["CREPA", "none"])
def test_only_a_recipe_with_crepa_has_a_teacher(place: Place, sets: tuple[str, ...], has: bool) -> None:
    names = [stage.name for stage in applying(STAGES, resolve(place.recipe, sets_of(*sets)))]
    assert [name in names for name in ("fetch_teacher", "encode_features")] == [has, has]
    if has:
        assert names.index("fetch_teacher") == names.index("fetch_model") + 1
        assert names.index("encode_video") < names.index("encode_features") < names.index("train")


def test_the_disk_for_features_is_told_before_there_is_a_teacher(place: Place, teacher: Path) -> None:
    frames, patches = 3 * 5, 2 * 2  # three clips of 17 frames, and 28 px
    assert step(place, *CREPA).bytes == frames * patches * 32 * 2
    assert step(place, *folder_of(teacher, 518)).bytes == frames * 37**2 * 32 * 2
    hub = CREPA[0].replace(BUILT, f"{{kind: hub, repository: a/b, revision: {'0a' * 20}}}")
    assert step(place, hub).bytes == frames * patches * 1536 * 2, "at most that of the largest"


def test_a_change_of_the_alignment_alone_encodes_nothing(place: Place) -> None:
    place.run(*CREPA)
    for change, encoded in (
        ("train.crepa.block=1", None), ("train.crepa.weight=1", None), ("train.crepa.neighbours=all", None),
        ("data.workers=1", None), ("train.crepa.image_size=42", 3), ("train.crepa.encoder.seed=1", 3),
    ):  # fmt: skip
        assert place.run(*CREPA, change).made.get("encode_features") == encoded, change


def test_a_new_clip_is_the_only_one_that_is_encoded(place: Place) -> None:
    assert place.run(*CREPA).made["encode_features"] == 3
    (place.clips / "clip0.mp4").rename(place.clips / "other.mp4")
    (place.clips / "clip0.txt").rename(place.clips / "other.txt")
    assert "encode_features" not in place.run(*CREPA).made
    make_place(place.root / "more", 4)
    for path in (place.root / "more" / "clips").glob("clip3.*"):
        path.rename(place.clips / path.name)
    assert place.run(*CREPA).made["encode_features"] == 1


def test_a_patch_that_does_not_divide_the_size_is_told_in_the_plan(place: Place, tmp_path: Path) -> None:
    build_teacher(tmp_path / "sixteen", width=32, patch=16, seed=0)
    with pytest.raises(RecipeError) as caught:
        place.plan(*folder_of(tmp_path / "sixteen", 98))
    (found,) = caught.value.findings
    assert (found.code, found.path) == ("RCP4060", "train.crepa.image_size")
    assert "98 px are not a multiple of the patch of this teacher, 16 px" in found.message
    assert "write 112" in found.help
    assert step(place, *folder_of(tmp_path / "sixteen", 112)).bytes == 3 * 5 * 7**2 * 32 * 2


@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        ("train.crepa.image_size=42", True),
        ("model.fps=24", True),
        ("train.crepa.encoder.seed=1", True),
        ("train.crepa.block=1", False),
        ("train.crepa.weight=1", False),
        ("data.frames=13", False),
        ("train.learning_rate=1e-3", False),
        ("data.latents.precision=bf16", False),
        ("hardware.threads=1", False),
    ],
)
def test_the_stage_reads_nothing_of_a_recipe_but_the_frames_and_the_teacher(
    place: Place, change: str, is_read: bool
) -> None:
    before, after = (
        project(EncodeFeaturesSpec, resolve(place.recipe, sets_of(*CREPA, *sets)).recipe)
        for sets in ((), (change,))
    )
    assert (before != after) == is_read
