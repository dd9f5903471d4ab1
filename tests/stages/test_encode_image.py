"""The frames that a denoiser is shown become tokens of CLIP, as the stock pipeline makes them, each clip by itself."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanImageToVideoPipeline
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from engine import pipeline
from engine.clips.decode import read_frames
from engine.clips.sizes import Bucket, Cut
from engine.clips.write import write_video
from engine.endings import Interrupted, StageError
from engine.execute.runner import _StageItems
from engine.language.diagnostics import RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import Resolved, resolve
from engine.plan.compile import applying
from engine.plan.keys import project
from engine.seam import Work
from engine.stages import STAGES
from engine.stages.encode_image import run
from engine.stages.encode_image.run import encode_image
from engine.stages.encode_image.spec import EncodeImageRuntime, EncodeImageSpec, tokens
from engine.store import Store, digest_file
from engine.tensors import load_tensors

FIRST, BOTH = "first_frame", "first_and_last_frame"
DIGESTS = {
    "fetch_model/image_encoder": "the encoder's digest",
    "fetch_model/image_processor": "the processor's",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of next to no numbers, in diffusers layout."""
    made = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
                              image_size=32, patch_size=8)  # fmt: skip
    CLIPVisionModel(config).save_pretrained(made / "image_encoder")
    size = {"shortest_edge": 32}
    CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(
        made / "image_processor"
    )
    return made


@pytest.fixture(scope="module")
def pipe(model: Path) -> WanImageToVideoPipeline:
    """The stock pipeline, around the same CLIP."""
    return WanImageToVideoPipeline(
        tokenizer=None, text_encoder=None, scheduler=UniPCMultistepScheduler(),
        vae=AutoencoderKLWan(base_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        image_encoder=CLIPVisionModel.from_pretrained(model / "image_encoder", dtype=torch.float32).eval(),
        image_processor=CLIPImageProcessor.from_pretrained(model / "image_processor"),
    )  # fmt: skip


@torch.no_grad()
def at_inference(pipe: WanImageToVideoPipeline, *frames_HWC: np.ndarray) -> torch.Tensor:
    """What the stock pipeline shows a denoiser of these pictures."""
    return pipe.encode_image([Image.fromarray(frame_HWC) for frame_HWC in frames_HWC]).reshape(-1, 16)


@dataclass
class Place:
    """A model, some clips, a store, and what the stage says."""

    root: Path
    model: Path
    cuts: dict[str, Cut] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    said: list[dict[str, object]] = field(default_factory=list)

    def path(self, name: str) -> Path:
        return self.root / "clips" / f"{name.partition('@')[0]}.mp4"

    def add(self, name: str, cut: Cut) -> None:
        """Add a training clip; what follows an ``@`` tells it from others of the same file."""
        self.cuts[name], self.media[name] = cut, digest_file(self.path(name))

    def frames(self, name: str) -> np.ndarray:
        """The whole training clip, decoded from its beginning to its end."""
        return read_frames(self.path(name), self.cuts[name], 16)

    def work(self, stopping=lambda: False, conditioning: str = FIRST) -> Work:
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
        parts = {f"fetch_model/{part}": self.model / part for part in ("image_encoder", "image_processor")}
        return Work(
            spec=EncodeImageSpec(image_encoder="clip", conditioning=conditioning, fps=16),
            runtime=EncodeImageRuntime(device="cpu", threads=0),
            inputs={"survey/clips": survey, **parts},
            digests=DIGESTS,
            output=output,
            shared=self.root / "shared",
            identity="identity",
            files={self.media[name]: str(self.path(name)) for name in self.cuts},
            memo=self.root / "memo",
            items=_StageItems(Store(self.root / "store"), "encode_image"),
            tell=lambda type_, **said: self.said.append({"type": type_, **said}),
            stopping=stopping,
        )

    def run(self, **settings: object) -> dict[str, torch.Tensor]:
        """Do the stage's work; returns the tokens of each clip."""
        work = self.work(**settings)
        encode_image(work)
        found = json.loads((work.output / "tokens" / "tokens.json").read_text())
        kept = {
            clip.removesuffix("-id"): load_tensors(work.items.open(said["item"]), "image")
            for clip, said in found.items()
        }
        assert all(tensors.keys() == {"tokens_LD"} for tensors in kept.values())
        return {name: tensors["tokens_LD"] for name, tensors in kept.items()}

    def items(self) -> int:
        return len(list((self.root / "store").glob("v1/items/encode_image/*/*/manifest.json")))

    def left(self) -> list[Path]:
        return list((self.root / "store").glob("v1/tmp/*"))

    def progress(self) -> list[tuple[object, ...]]:
        return [
            (said["done"], said["total"], said["note"]) for said in self.said if said["type"] == "progress"
        ]


def cut_to(frames: int, start: int = 0, period: int = 0) -> Cut:
    """The middle of a picture of 96x64."""
    return Cut(start, period or frames, (48, 32), (8, 0), Bucket(32, 32, frames))


@pytest.fixture
def place(tmp_path: Path, model: Path) -> Place:
    """A band that moves a little with each frame, in four training clips of three files."""
    (tmp_path / "clips").mkdir()
    across = np.linspace(0, 255, 96).astype(np.uint8)
    for name, frames, step in (("band", 40, 3), ("fast", 17, 7), ("short", 6, 5)):
        rolled = [np.roll(across, step * frame)[None, :, None] for frame in range(frames)]
        frames_FHWC = np.stack([np.broadcast_to(row, (64, 96, 3)) for row in rolled])
        write_video(tmp_path / "clips" / f"{name}.mp4", frames_FHWC, 16)
    made = Place(tmp_path, model)
    made.add("band", cut_to(17))
    made.add("band@20", cut_to(17, start=20))
    made.add("fast", cut_to(9))
    made.add("short", cut_to(17, period=6))
    return made


# the frames that are shown


def test_the_first_frame_is_shown_as_the_stock_pipeline_shows_it(
    place: Place, pipe: WanImageToVideoPipeline
) -> None:
    kept = place.run()
    assert kept.keys() == place.cuts.keys()
    for name, tokens_LD in kept.items():
        assert tokens_LD.dtype == torch.float32
        assert torch.equal(tokens_LD, at_inference(pipe, place.frames(name)[0]))
    assert not torch.equal(kept["band"], kept["band@20"]), "each window is shown its own first frame"


def test_first_and_last_frame_are_shown_as_the_stock_pipeline_shows_them(
    place: Place, pipe: WanImageToVideoPipeline
) -> None:
    kept = place.run(conditioning=BOTH)
    for name, tokens_LD in kept.items():
        frames_FHWC = place.frames(name)
        assert torch.equal(tokens_LD, at_inference(pipe, frames_FHWC[0], frames_FHWC[-1]))
        assert not torch.equal(tokens_LD[:17], tokens_LD[17:]), "the picture moves"


@pytest.mark.parametrize("frames", [5, 13, 17])
def test_the_last_frame_of_a_looped_clip_is_where_the_loop_has_come_to(
    place: Place, pipe: WanImageToVideoPipeline, frames: int
) -> None:
    place.cuts = {"short": cut_to(frames, start=1, period=3)}
    once_FHWC = read_frames(place.path("short"), cut_to(3, start=1), 16)
    [tokens_LD] = place.run(conditioning=BOTH).values()
    # frames 1 2 3 1 2 3 1 …: the fifth is frame 2, the thirteenth frame 1, the seventeenth frame 2
    last_HWC = once_FHWC[{5: 1, 13: 0, 17: 1}[frames]]
    assert torch.equal(tokens_LD, at_inference(pipe, once_FHWC[0], last_HWC))


def test_an_image_is_its_own_first_frame(place: Place, pipe: WanImageToVideoPipeline) -> None:
    picture_HWC = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(picture_HWC).save(place.path("still"), format="png")
    place.cuts = {}
    place.add("still", Cut(0, 1, (32, 32), (0, 0), Bucket(32, 32, 1)))
    [tokens_LD] = place.run().values()
    assert torch.equal(tokens_LD, at_inference(pipe, picture_HWC))


# one by one


def test_who_stops_keeps_the_clips_that_are_done(place: Place) -> None:
    with pytest.raises(Interrupted):
        place.run(stopping=lambda: len(place.progress()) == 2)
    assert (place.items(), place.left()) == (2, [])
    assert place.progress() == [(1, 4, "band.mp4"), (2, 4, "band.mp4")]
    place.said.clear()
    assert len(place.run()) == 4
    assert place.progress() == [(1, 2, "fast.mp4"), (2, 2, "short.mp4")]


def test_a_second_run_makes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.run()
    monkeypatch.setattr(run, "load_image_encoder", None)  # not even this is loaded
    after = place.run()
    assert all(torch.equal(tokens_LD, after[name]) for name, tokens_LD in before.items())
    assert len(place.progress()) == 4


def test_a_new_clip_is_the_only_one_that_is_made(place: Place) -> None:
    place.run()
    place.said.clear()
    place.add("fast@3", cut_to(9, start=3))
    assert len(place.run()) == 5
    assert place.progress() == [(1, 1, "fast.mp4")]


def test_two_clips_with_one_key_are_made_once(place: Place) -> None:
    work = place.work()
    survey = work.inputs["survey/clips"] / "clips.json"
    survey.write_text(json.dumps(json.loads(survey.read_text()) * 2))
    encode_image(work)
    assert (len(place.progress()), place.items()) == (4, 4)


def test_a_file_that_changed_since_the_plan_is_refused(place: Place) -> None:
    path, before = place.path("fast"), place.path("fast").stat()
    path.write_bytes(bytes(before.st_size))  # as long as before
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StageError, match=r"clips/fast\.mp4 changed since the plan was made; run again"):
        place.run()
    assert (place.items(), place.left()) == (2, []), "those before it are kept"


def test_a_file_that_is_gone_is_refused_in_the_same_words(place: Place) -> None:
    place.path("fast").unlink()
    with pytest.raises(StageError, match=r"clips/fast\.mp4 changed since the plan was made; run again"):
        place.run()
    assert (place.items(), place.left()) == (2, [])


def test_a_clip_without_the_frame_that_is_wanted_is_refused_by_name(place: Place) -> None:
    place.add("short", cut_to(17, start=20))
    with pytest.raises(StageError, match=r"clips/short\.mp4: .*Mend the file, or move it out of the folder"):
        place.run()
    assert (place.items(), place.left()) == (3, [])


def test_an_encoder_whose_file_lacks_weights_is_refused_in_words(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object) -> None:
        raise ValueError("the image encoder's file lacks q_proj.weight")

    monkeypatch.setattr(run, "load_image_encoder", lacking)
    with pytest.raises(StageError, match=r"the image encoder's file lacks q_proj\.weight"):
        place.run()


def test_the_clips_are_only_read(place: Place) -> None:
    def snapshot() -> dict[Path, tuple[bytes, int, int]]:
        found = {path: path.stat() for path in (place.root / "clips").iterdir()}
        return {path: (path.read_bytes(), stat.st_mtime_ns, stat.st_ino) for path, stat in found.items()}

    before = snapshot()
    place.run(conditioning=BOTH)
    assert snapshot() == before


# keys


SPEC = EncodeImageSpec(image_encoder="clip", conditioning=FIRST, fps=16)
CLIP = json.dumps([{"id": "one", "media": "a", "cut": {}}])


def key(spec: EncodeImageSpec = SPEC, clips: str = CLIP, **digests: str) -> str:
    return tokens(spec, clips, DIGESTS | digests)["one"]["item"]


@pytest.mark.parametrize(
    ("spec", "digests"),
    [
        ({"conditioning": BOTH}, {}),
        ({"fps": 24}, {}),
        ({}, {"fetch_model/image_encoder": "other weights"}),
        ({}, {"fetch_model/image_processor": "another processor"}),
    ],
    ids=["the frames that are shown", "the rate", "the encoder", "the processor"],
)
def test_the_key_changes_with(spec: dict[str, object], digests: dict[str, str]) -> None:
    assert key(EncodeImageSpec(**SPEC.model_dump() | spec), **digests) != key()


def test_the_key_does_not_change_with_other_inputs_or_other_clips() -> None:
    others = {"survey/clips": "another survey", "fetch_model/vae": "another codec"}
    beside = json.dumps([{"id": "two", "media": "b", "cut": {}}, *json.loads(CLIP)])
    assert key(SPEC, beside, **others) == key()
    both = tokens(SPEC, beside, DIGESTS)
    assert both["two"]["item"] != both["one"]["item"]


# the plan


RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: folder, path: clips}, captions: {kind: filename}}
sample: {prompts: {cat: a cat}}
"""
WIDE = "model.transformer.in_channels=36"  # it reads the mask and the condition beside the noise
SHOWN = ("model.conditioning=first_frame", WIDE, "model.image_encoder=clip")
BOTH_SHOWN = ("model.conditioning=first_and_last_frame", *SHOWN[1:])


@pytest.fixture
def recipe(place: Place) -> Path:
    path = place.root / "x.yaml"
    path.write_text(RECIPE)
    place.path("short").unlink()
    return path


def resolved(recipe: Path, *sets: str) -> Resolved:
    return resolve(recipe, sets_of(*sets))


@pytest.mark.parametrize(
    ("sets", "has"),
    [
        (SHOWN, True),
        (BOTH_SHOWN, True),
        ((), False),
        (SHOWN[:2], False),
        (SHOWN[2:], False),
    ],
    ids=["first frame", "both", "text to video", "without CLIP", "nothing to show"],
)
def test_only_a_recipe_that_shows_frames_through_clip_has_the_stage(
    recipe: Path, sets: tuple[str, ...], has: bool
) -> None:
    names = [stage.name for stage in applying(STAGES, resolved(recipe, *sets))]
    assert ("encode_image" in names) == has
    assert "encode_video" in names


@pytest.mark.parametrize("sets", [SHOWN, SHOWN[:2], BOTH_SHOWN])
def test_training_on_what_is_shown_is_refused_in_the_plan(recipe: Path, sets: tuple[str, ...]) -> None:
    with pytest.raises(RecipeError) as caught:
        pipeline.plan(recipe, sets_of(*sets), recipe.parent / "store")
    (found,) = caught.value.findings
    assert (found.code, found.path) == ("RCP4209", "model.conditioning")
    assert not (recipe.parent / "store").exists()


@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        ("model.conditioning=first_and_last_frame", True),
        ("model.fps=24", True),
        ("data.frames=13", False),
        ("data.size.width=96", False),
        ("data.latents.precision=bf16", False),
        ("data.latents.compress=true", False),
        ("data.workers=1", False),
        ("train.precision=bf16", False),
        ("train.learning_rate=1e-3", False),
        ("model.codec.base_width=16", False),
        ("model.name=mine", False),
        ("hardware.threads=1", False),
        ("sample.seed=1", False),
    ],
)
def test_the_stage_reads_nothing_of_a_recipe_but_the_frames_and_the_rate(
    recipe: Path, change: str, is_read: bool
) -> None:
    before, after = (
        project(EncodeImageSpec, resolved(recipe, *SHOWN, *sets).recipe) for sets in ((), (change,))
    )
    assert (before != after) == is_read
    assert (key(before) != key(after)) == is_read
