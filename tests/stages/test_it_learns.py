"""It learns: from two sets of clips that nobody would confuse, each model knows its own better, on clips it never saw.

The micro model's weights are random, and so are its codec's: it answers almost the same to every picture. Real codecs
bring the mean and the deviation of their latents along; here they are measured on the clips, as those once were.
"""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from room import Room, Trained, make_room

from engine.clips.write import write_video
from engine.stages.fetch_data.cartoon import draw_cartoons
from engine.stages.fetch_model import run as fetch_model
from engine.wan.build import build
from engine.wan.load import load_codec
from engine.wan.video import encode_video, grouped, statistics

FRAMES, EDGE = 9, 64
SETS = ("ink", "paint")

RECIPE = rf"""
apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data:
  source: {{kind: folder, path: ink}}
  frames: {FRAMES}
  more: {{held: {{source: {{kind: folder, path: ink-held}}, role: evaluate}}}}
train:
  steps: 100
  batch_size: 4
  micro_batch: 4
  learning_rate: 1e-2
  adapter: {{rank: 16, alpha: 16, targets: ['blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)', 'blocks\.\d+\.ffn\..*']}}
  evaluation: {{kind: held_out, every: 50, samples: 4, levels: 8}}
  checkpoints: {{every: 10, keep: 1}}
sample: {{prompts: {{cat: a black cat}}}}
hardware: {{threads: 1}}
"""


def frames_of(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def paint(drawn: Path, folder: Path) -> None:
    """The same figures with the same words, as light on dark, in orange."""
    folder.mkdir()
    for path in sorted(drawn.glob("*.mp4")):
        negative_FHWC = 255.0 - frames_of(path)
        write_video(folder / path.name, (negative_FHWC * [1, 0.6, 0.2]).round().astype(np.uint8), 16)
        shutil.copy(path.with_suffix(".txt"), folder)


def calibrate(model: Path, clips: list[Path]) -> None:
    """Write into a codec's config by how much its latents of some clips lie apart, channel by channel."""
    codec = load_codec(model, torch.device("cpu"))
    mean_C111, deviation_C111 = statistics(codec)
    small = [frames_of(path)[:FRAMES, ::2, ::2] for path in clips]  # drawn twice as large
    raw_BCFHW = torch.stack([
        encode_video(codec, grouped(iter(frames_FHWC)), FRAMES) * deviation_C111 + mean_C111 for frames_FHWC in small
    ])  # fmt: skip
    config = json.loads((model / "vae/config.json").read_text())
    config["latents_mean"] = raw_BCFHW.mean((0, 2, 3, 4)).tolist()
    config["latents_std"] = raw_BCFHW.std((0, 2, 3, 4)).tolist()
    (model / "vae/config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    made = make_room(tmp_path_factory.mktemp("learns"), RECIPE)
    for name, clips, seed in (("", 12, 1), ("-held", 4, 2)):
        draw_cartoons(made.root / f"ink{name}", clips, seed)
        paint(made.root / f"ink{name}", made.root / f"paint{name}")
    clips = [path for name in SETS for path in sorted((made.root / name).glob("*.mp4"))]

    def build_calibrated(folder: Path, *numbers: object) -> None:
        build(folder, *numbers)
        calibrate(folder, clips)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch_model, "build", build_calibrated)
        made.run(until="fetch_model")
    return made


@pytest.fixture(scope="module")
def learnt(room: Room) -> dict[tuple[str, str], Trained]:
    """What was trained on one set and evaluated on held-out clips of one set."""
    return {
        (own, held): room.train(
            f"data.source.path={room.root / own}", f"data.more.held.source.path={room.root / held}-held"
        )
        for own in SETS
        for held in SETS
    }


def course(trained: Trained) -> list[float]:
    return [line["loss"] for line in trained.evaluations.values()]


def test_what_it_learns_holds_for_clips_that_it_never_saw(
    learnt: dict[tuple[str, str], Trained],
) -> None:
    for own in SETS:
        first, middle, last = course(learnt[own, own])
        assert first > middle > last
        assert last < 0.75 * first


def test_each_set_is_learnt_from_itself_and_not_from_the_other(
    learnt: dict[tuple[str, str], Trained],
) -> None:
    for own, other in (SETS, SETS[::-1]):
        matching, foreign = (learnt[taught, own].evaluations for taught in (own, other))
        assert matching[0]["losses"] == foreign[0]["losses"]  # the same model, asked the same
        assert matching[100]["loss"] < foreign[100]["loss"] - 0.04
        # at each noise level
        assert all(np.less(matching[100]["losses"], foreign[100]["losses"]))


def test_who_is_watched_does_not_matter_to_what_is_learnt(learnt: dict[tuple[str, str], Trained]) -> None:
    for own in SETS:
        one, other = (learnt[own, held] for held in SETS)
        assert one.losses == other.losses
        assert one.file.read_bytes() == other.file.read_bytes()


def test_without_a_learning_rate_nothing_is_learnt(
    room: Room, learnt: dict[tuple[str, str], Trained]
) -> None:
    idle = room.train("train.learning_rate=0", "train.steps=20", "train.evaluation.every=10")
    assert list(idle.evaluations) == [0, 10, 20]
    (curve,) = {tuple(line["losses"]) for line in idle.evaluations.values()}
    assert list(curve) == learnt["ink", "ink"].evaluations[0]["losses"]
