"""Clips become latents: each by itself, whatever happens to the others, in memory that does not grow with a clip."""

import json
import os
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan

from engine.clips.decode import frames_of
from engine.clips.files import UnreadableClip
from engine.clips.sizes import Bucket, Cut
from engine.clips.write import write_video
from engine.endings import Interrupted, StageError
from engine.execute.runner import _StageItems
from engine.seam import Work
from engine.stages.encode_video import run
from engine.stages.encode_video.run import encode_video
from engine.stages.encode_video.spec import EncodeVideoRuntime, EncodeVideoSpec
from engine.store import Store, digest_file
from engine.tensors import load_tensors
from engine.wan.conditioning import first_frame_condition
from engine.wan.load import load_codec
from engine.wan.video import grouped
from engine.words.model import VideoCodec

NUMBERS = VideoCodec(
    base_width=4, latent_channels=16, width_factors=[1, 1, 1, 1], residual_blocks=1,
    halve_time=[False, True, True], space_stride=8, time_stride=4,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    AutoencoderKLWan(base_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1).save_pretrained(made / "vae")
    return made


@pytest.fixture(scope="module")
def codec(model: Path) -> AutoencoderKLWan:
    return load_codec(model, CPU)


@dataclass
class Place:
    """A model, some clips, a store, and what the stage says."""

    root: Path
    model: Path
    clips: dict[str, Path] = field(default_factory=dict)
    cuts: dict[str, Cut] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    said: list[dict[str, object]] = field(default_factory=list)
    threads: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))

    def add(self, name: str, cut: Cut, content: bytes | None = None) -> Path:
        """Add a clip; where no content is given, the file is there already."""
        path = self.root / "clips" / name
        if content is not None:
            path.write_bytes(content)
        self.clips[name], self.cuts[name], self.media[name] = path, cut, digest_file(path)
        return path

    def work(self, stopping=lambda: False, workers: int = 2, compress: bool = False, **spec: object) -> Work:
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
        words = {"codec": NUMBERS, "fps": 16, "conditioning": "none", "precision": "fp32"} | spec
        return Work(
            spec=EncodeVideoSpec(**words),
            runtime=EncodeVideoRuntime(
                workers=workers, compress=compress, device="cpu", devices=1, threads=0
            ),
            inputs={"survey/clips": survey, "fetch_model/vae": self.model / "vae"},
            digests={"fetch_model/vae": "the codec's digest"},
            output=output,
            shared=self.root / "shared",
            identity="identity",
            files={self.media[name]: str(path) for name, path in self.clips.items()},
            memo=self.root / "memo",
            items=_StageItems(Store(self.root / "store"), "encode_video"),
            tell=lambda type_, **said: self.said.append({"type": type_, **said}),
            stopping=stopping,
        )

    def run(self, **settings: object) -> dict[str, dict[str, torch.Tensor]]:
        """Do the stage's work; returns what is kept of each clip."""
        work = self.work(**settings)
        encode_video(work)
        found = json.loads((work.output / "latents" / "latents.json").read_text())
        return {
            name.removesuffix("-id"): load_tensors(work.items.open(said["item"]), "latent")
            for name, said in found.items()
        }

    def items(self) -> int:
        return len(list((self.root / "store").glob("v1/items/encode_video/*/*/manifest.json")))

    def progress(self) -> list[tuple[object, ...]]:
        return [
            (said["done"], said["total"], said["note"]) for said in self.said if said["type"] == "progress"
        ]

    def messages(self) -> list[str]:
        return [str(said["message"]) for said in self.said if said["type"] == "message"]

    def left(self) -> list[str]:
        """What an attempt left behind: threads at work, and half-made items."""
        threads = set(threading.enumerate()) - self.threads
        for thread in threads:
            thread.join(5)  # one that has said its last word may not have ended yet
        return [thread.name for thread in threads if thread.is_alive()] + [
            path.name for path in (self.root / "store").glob("v1/tmp/*")
        ]


@pytest.fixture
def place(tmp_path: Path, model: Path) -> Place:
    (tmp_path / "clips").mkdir()
    return Place(tmp_path, model)


def cut_to(frames: int, width: int = 32, height: int = 32) -> Cut:
    return Cut(0, frames, (width, height), (0, 0), Bucket(width, height, frames))


def noise(path: Path, cut: Cut, fps: float = 16) -> Iterator[np.ndarray]:
    """Frames that depend on the file's content and the rate, in the place of a decoder."""
    rng = np.random.default_rng([int(fps), *path.read_bytes()])
    for _ in range(cut.bucket.frames):
        yield rng.integers(0, 256, (cut.bucket.height, cut.bucket.width, 3), dtype=np.uint8)


@pytest.fixture
def noisy(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Four clips; the last one is long."""
    monkeypatch.setattr(run, "frames_of", noise)
    for name, frames in (("a", 5), ("b", 9), ("c", 1), ("long", 41)):
        place.add(name, cut_to(frames), name.encode())
    return place


def direct(codec: AutoencoderKLWan, path: Path, cut: Cut) -> torch.Tensor:
    """The whole clip at once, by the codec's own hand."""
    frames = np.stack(list(noise(path, cut)))
    video = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255 * 2 - 1
    with torch.no_grad():
        mode = codec.encode(video).latent_dist.mode()[0]
    mean, deviation = (torch.tensor(said).view(16, 1, 1, 1)
                       for said in (codec.config.latents_mean, codec.config.latents_std))  # fmt: skip
    return (mode - mean) * (1 / deviation)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("workers", [1, 3])
def test_each_item_holds_the_latents_of_its_clip(
    noisy: Place, codec: AutoencoderKLWan, workers: int, compress: bool
) -> None:
    kept = noisy.run(workers=workers, compress=compress)
    assert kept.keys() == noisy.clips.keys()
    for name, tensors in kept.items():
        assert tensors.keys() == {"latent_CFHW"}
        assert torch.equal(tensors["latent_CFHW"], direct(codec, noisy.clips[name], noisy.cuts[name]))
    suffix = ".gz" if compress else ".safetensors"
    files = [path for path in (noisy.root / "store").rglob("latent.*") if path.suffix == suffix]
    assert len(files) == 4
    assert noisy.progress() == [(1, 4, "a"), (2, 4, "b"), (3, 4, "c"), (4, 4, "long")]
    assert noisy.left() == []


def test_a_real_video_is_cut_as_the_survey_said(place: Place, codec: AutoencoderKLWan) -> None:
    across = np.linspace(0, 255, 96).astype(np.uint8)
    frames = np.stack(
        [np.broadcast_to(np.roll(across, 5 * k)[None, :, None], (64, 96, 3)) for k in range(30)]
    )
    write_video(place.root / "clips" / "ball.mp4", frames, 16)
    cut = Cut(3, 9, (48, 32), (16, 0), Bucket(32, 32, 9))
    path = place.add("ball.mp4", cut)
    before = path.read_bytes(), path.stat().st_mtime_ns
    [tensors] = place.run().values()
    expected = run.encode(codec, grouped(frames_of(path, cut, 16)), 9)
    assert torch.equal(tensors["latent_CFHW"], expected)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_in_bfloat16_latents_are_rounded_and_nothing_else(noisy: Place, codec: AutoencoderKLWan) -> None:
    for name, tensors in noisy.run(precision="bf16").items():
        expected = direct(codec, noisy.clips[name], noisy.cuts[name]).to(torch.bfloat16)
        assert torch.equal(tensors["latent_CFHW"], expected)


@pytest.mark.parametrize("conditioning", ["first_frame", "first_and_last_frame"])
def test_a_conditioned_clip_keeps_the_condition_of_its_own_frames(
    noisy: Place, codec: AutoencoderKLWan, conditioning: str
) -> None:
    del noisy.cuts["c"]  # of one frame, which cannot be both first and last
    for name, tensors in noisy.run(conditioning=conditioning).items():
        frames = list(noise(noisy.clips[name], noisy.cuts[name]))
        last = frames[-1] if conditioning == "first_and_last_frame" else None
        expected = first_frame_condition(codec, frames[0], last, len(frames))
        assert torch.equal(tensors["condition_CFHW"], expected)
        assert torch.equal(tensors["latent_CFHW"], direct(codec, noisy.clips[name], noisy.cuts[name]))


def test_a_clip_of_one_frame_is_refused_by_name_where_its_last_is_wanted_too(noisy: Place) -> None:
    with pytest.raises(StageError, match=r"clips/c: a clip of 1 frame has no last frame"):
        noisy.run(conditioning="first_and_last_frame")


def test_what_is_there_is_not_encoded_again(noisy: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy.run()
    noisy.add("new", cut_to(5), b"new")
    asked = []
    monkeypatch.setattr(run, "frames_of", lambda path, *rest: asked.append(path.name) or noise(path, *rest))
    assert len(noisy.run()) == 5
    assert asked == ["new"]
    monkeypatch.setattr(run, "load_codec", None)
    assert len(noisy.run()) == 5  # and where nothing is missing, not even the codec is loaded


def test_two_clips_with_one_key_are_encoded_once(noisy: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(run, "frames_of", lambda path, *rest: asked.append(path.name) or noise(path, *rest))
    work = noisy.work()
    survey = work.inputs["survey/clips"] / "clips.json"
    survey.write_text(json.dumps(json.loads(survey.read_text()) * 2))
    encode_video(work)
    assert sorted(asked) == ["a", "b", "c", "long"]


def fails(path: Path, cut: Cut, fps: float) -> Iterator[np.ndarray]:
    """Decodes all but ``c`` and ``e``, which break off."""
    for number, frame_HWC in enumerate(noise(path, cut, fps)):
        if path.name in "ce" and number == cut.bucket.frames // 2:
            raise TROUBLES[path.read_text().split()[0]]
        yield frame_HWC


TROUBLES: dict[str, Exception] = {
    "short": UnreadableClip(Path("c"), "could be decoded to only 4 of the 9 frames asked for"),
    "drive": OSError(5, "Input/output error"),
    "bug": ZeroDivisionError("division by zero"),
}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("short", "clips/c: could be decoded to only 4 of the 9 frames asked for"),
        ("drive", r"clips/c: cannot be decoded: OSError: \[Errno 5\] Input/output error"),
        ("bug", "clips/c: cannot be decoded: ZeroDivisionError: division by zero"),
    ],
)
def test_clips_that_break_off_are_named_together_and_all_others_are_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch, trouble: str, reason: str, workers: int
) -> None:
    monkeypatch.setattr(run, "frames_of", fails)
    monkeypatch.setattr(run, "AHEAD", 0)  # so that the decoders of the clips after it wait for room
    for name in "abcdef":
        place.add(name, cut_to(41 if name == "f" else 9), f"{trouble} {name}".encode())
    with pytest.raises(StageError, match=reason) as caught:
        place.run(workers=workers)
    assert [Path(line.split(":")[0]).name for line in str(caught.value).splitlines()[:-1]] == ["c", "e"]
    assert (place.items(), place.left()) == (4, [])


@pytest.mark.parametrize(
    "frames", [pytest.param(8, id="a frame too few"), pytest.param(13, id="a group too many")]
)
def test_a_decoder_that_gives_other_frames_than_were_asked_for_is_caught(
    noisy: Place, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    monkeypatch.setattr(run, "frames_of", lambda path, cut, fps: noise(path, cut_to(frames)))
    with pytest.raises(StageError, match=r"clips/a: "):
        noisy.run()
    assert (noisy.items(), noisy.left()) == (0, [])


def test_latents_that_are_not_finite_are_refused_by_the_name_of_the_clip(
    noisy: Place, codec: AutoencoderKLWan, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = AutoencoderKLWan.from_config(codec.config)
    broken.quant_conv.bias.data[3] = float("nan")
    monkeypatch.setattr(run, "load_codec", lambda *_: broken.eval())
    with pytest.raises(StageError, match="clips/a: its latents are not finite"):
        noisy.run()
    assert (noisy.items(), noisy.left()) == (0, [])


def test_who_stops_in_the_middle_of_a_long_clip_loses_that_one_only(noisy: Place) -> None:
    looks = iter(range(1000))
    # three clips are done; then it is asked before each group and after the last
    with pytest.raises(Interrupted):
        noisy.run(stopping=lambda: len(noisy.progress()) == 3 and next(looks) > 4)
    assert (noisy.items(), noisy.left()) == (3, [])
    assert next(looks) < 12  # groups of a clip of 41 frames: it was in the middle
    assert len(noisy.run()) == 4
    assert noisy.progress()[-1] == (1, 1, "long")


def test_a_clip_that_was_exchanged_after_the_plan_is_refused(noisy: Place) -> None:
    before = noisy.clips["b"].stat()
    noisy.clips["b"].write_bytes(b"B")  # as long as before
    os.utime(noisy.clips["b"], ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StageError, match="clips/b changed since the plan was made; run again"):
        noisy.run()
    assert (noisy.items(), noisy.left()) == (1, [])


def test_a_clip_that_is_gone_is_refused(noisy: Place) -> None:
    noisy.clips["b"].unlink()
    with pytest.raises(StageError, match="clips/b changed since the plan was made; run again"):
        noisy.run()


def over(path: Path) -> None:
    path.write_bytes(b"other")


def instead(path: Path) -> None:
    """Put another file of the same length and time in its place."""
    other, before = path.with_suffix(".tmp"), path.stat()
    other.write_bytes(path.read_bytes().upper())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("exchange", [over, instead, Path.unlink])
@pytest.mark.parametrize("breaks", [False, True], ids=["is decoded to its end", "breaks the decoder"])
def test_a_clip_that_is_exchanged_while_it_is_read_is_refused(
    noisy: Place, monkeypatch: pytest.MonkeyPatch, exchange, breaks: bool
) -> None:
    def exchanged(path: Path, cut: Cut, fps: float) -> Iterator[np.ndarray]:
        for number, frame_HWC in enumerate(noise(path, cut, fps)):
            if path.name == "b" and number == 6:
                exchange(path)
                if breaks:
                    raise UnreadableClip(path, "is damaged")
            yield frame_HWC

    monkeypatch.setattr(run, "frames_of", exchanged)
    with pytest.raises(StageError, match="clips/b changed while it was read; run again"):
        noisy.run()
    assert (noisy.items(), noisy.left()) == (1, [])


def test_a_file_that_several_clips_are_cut_from_is_hashed_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "frames_of", noise)
    path = place.add("film", cut_to(5), b"film")
    for start in (5, 10, 15):
        name = f"film from {start}"
        cut = Cut(start, 5, (32, 32), (0, 0), Bucket(32, 32, 5))
        place.clips[name], place.cuts[name], place.media[name] = path, cut, place.media["film"]
    hashed = []
    monkeypatch.setattr(run, "digest_file", lambda path: hashed.append(path) or digest_file(path))
    work = place.work(workers=1)
    encode_video(work)
    # the first two are opened side by side
    assert 1 <= len(hashed) <= 2


def test_a_decoder_that_hangs_ends_the_stage_with_the_name_of_the_clip(
    noisy: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(path: Path, cut: Cut, fps: float) -> Iterator[np.ndarray]:
        for number, frame_HWC in enumerate(noise(path, cut, fps)):
            if path.name == "b" and number == 6:
                over.wait(20)
            yield frame_HWC

    monkeypatch.setattr(run, "frames_of", hangs)
    monkeypatch.setattr(run, "DEADLINE", 0.3)
    monkeypatch.setattr("engine.clips.ahead._GRACE", 0.01)
    with pytest.raises(StageError, match=r"clips/b: no frame came for 0\.3 s.*mend the file.*run again"):
        noisy.run()
    assert noisy.items() == 1
    over.set()
    assert noisy.left() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_frames_wait_than_there_is_room_for_however_long_the_clips_are(
    place: Place, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    groups: list[weakref.ref[np.ndarray]] = []
    counts, opened, lock = [], [0, 0], threading.Lock()

    def counted(frames: Iterator[np.ndarray], first: int, then: int) -> Iterator[np.ndarray]:
        with lock:
            opened[0] += 1
            opened[1] = max(opened)
        for group_FHWC in grouped(frames, first, then):
            with lock:
                groups.append(weakref.ref(group_FHWC))
                counts.append(sum(group() is not None for group in groups))
            yield group_FHWC
            del group_FHWC
        with lock:
            opened[0] -= 1

    monkeypatch.setattr(run, "frames_of", noise)
    monkeypatch.setattr(run, "grouped", counted)
    monkeypatch.setattr(run, "AHEAD", 3 * 4 * 32 * 32 * 3)  # three groups
    for name in "abcde":
        place.add(name, cut_to(81), name.encode())
    assert len(place.run(workers=workers)) == 5
    assert len(counts) == 5 * 21
    assert opened[1] <= workers + 1  # one that is encoded, and those ahead of it
    # three of each clip that is open; one that the codec has, one that it lets go of, and the first frame
    assert max(counts) <= 3 * (workers + 1) + 3


def test_much_waiting_is_told(noisy: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(path: Path, cut: Cut, fps: float) -> Iterator[np.ndarray]:
        for frame_HWC in noise(path, cut, fps):
            time.sleep(0.02)
            yield frame_HWC

    monkeypatch.setattr(run, "frames_of", slow)
    begun = time.monotonic()
    noisy.run(workers=1)
    took = time.monotonic() - begun
    [message] = noisy.messages()
    before, said = message.split(" s of ")
    assert before.startswith("the encoder waited ")
    assert said.endswith(" s for decoding")
    waited, total = float(before.split()[-1]), float(said.split()[0])
    # 56 frames in two threads take at least 0.56 s
    assert 0.2 * total < waited <= total <= took + 0.05
    assert total > 0.5


def test_little_waiting_is_not(noisy: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = run.encode
    monkeypatch.setattr(run, "encode", lambda *given: time.sleep(0.3) or encode(*given))
    noisy.run()
    assert noisy.messages() == []


def test_an_empty_survey_makes_an_empty_list(place: Place) -> None:
    assert place.run() == {}
    assert place.said == []
