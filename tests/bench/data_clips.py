"""What the benchmarks of the data path share: clips that are drawn, a recipe, and what it costs to survey and plan. Free of torch.

The processes that look at clips import the main module of who asks: were torch in it, its start would be what is measured.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from engine import pipeline
from engine.clips.write import write_video
from engine.execute.runner import _StageItems
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.seam import Work
from engine.stages.encode_video.spec import EncodeVideoRuntime, EncodeVideoSpec
from engine.stages.survey.look import Survey, look
from engine.stages.survey.wanted import SurveySpec
from engine.store import Store

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data:
  source: {kind: folder, path: clips}
  captions: {kind: one, text: a clip}
  short_clips: fewer
sample: {prompts: {cat: a cat}}
"""


@dataclass
class Place:
    """A folder with a recipe, its clips, and a store."""

    root: Path

    def __post_init__(self) -> None:
        self.clips.mkdir(parents=True)
        (self.root / "x.yaml").write_text(RECIPE)

    @property
    def clips(self) -> Path:
        return self.root / "clips"

    @property
    def memo(self) -> Path:
        return Store(self.root / "store").root / "memo"

    def files(self) -> list[Path]:
        return sorted(self.clips.iterdir())

    def survey(self, *sets: str) -> Survey:
        spec = project(SurveySpec, resolve(self.root / "x.yaml", sets_of(*sets)).recipe)
        return look(spec, None, self.memo, keep=True)

    def work(self, *sets: str) -> Work:
        """What the stage is given to encode all clips, nothing of them being in the store."""
        recipe, seen = resolve(self.root / "x.yaml", sets_of(*sets)).recipe, self.survey(*sets)
        here = Path(tempfile.mkdtemp(dir=self.root))
        for name in ("survey", "output"):
            (here / name).mkdir()
        (here / "survey/clips.json").write_bytes(seen.outputs["clips"].files["clips.json"])
        return Work(
            spec=project(EncodeVideoSpec, recipe), runtime=project(EncodeVideoRuntime, recipe),
            inputs={"survey/clips": here / "survey", "fetch_model/vae": self.root / "model/vae"},
            digests={"fetch_model/vae": "the codec's digest"}, output=here / "output", shared=here, identity="bench",
            files={clip.seen.digest: str(clip.path) for clip in seen.clips}, memo=self.memo,
            items=_StageItems(Store(here / "store"), "encode_video"), tell=lambda *_, **__: None, stopping=lambda: False,
        )  # fmt: skip


def draw(path: Path, fps: int, frames: int, seed: int, size: tuple[int, int], grain: int = 0) -> None:
    """Write a clip of coloured clouds that drift; with grain it is as hard to decode as film."""
    width, height = size
    chance = np.random.default_rng(seed)
    coarse_HWC = chance.integers(0, 255, (height // 16 + 1, width // 16 + 1, 3)).astype(np.uint8)
    cloud_HWC = np.asarray(
        av.VideoFrame.from_ndarray(coarse_HWC, format="rgb24")
        .reformat(width=width, height=height, interpolation="BICUBIC").to_ndarray(format="rgb24"))  # fmt: skip
    film_FHWC = np.stack([np.roll(cloud_HWC, (n, 3 * n), (0, 1)) // 2 for n in range(frames)])
    film_FHWC += chance.integers(0, 1 + grain, (frames, height, width, 1), np.uint8)
    write_video(path, film_FHWC, fps)


def copies(folder: Path, number: int) -> None:
    """Fill a folder with small clips, each of another content: a box that every reader skips ends with its number."""
    for kind in range(8):
        draw(folder / f"{kind:05}.mp4", fps=16, frames=17, seed=kind, size=(64, 64))
    kinds = [path.read_bytes() for path in sorted(folder.iterdir())]
    for copy in range(8, number):
        box = (16).to_bytes(4, "big") + b"free" + copy.to_bytes(8, "big")
        (folder / f"{copy:05}.mp4").write_bytes(kinds[copy % 8] + box)


def cost(doing: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds and the processor seconds of something."""
    began, worked = time.perf_counter(), time.process_time()
    doing()
    return time.perf_counter() - began, time.process_time() - worked


def peak() -> float:
    """Return the largest memory that this program ever had resident, in MB; getrusage would count who started it, too."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def survey_growth(number: int) -> None:
    """Print what it costs to survey so many small clips, to survey them again, and to plan with them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        copies(place.clips, number)
        time.sleep(3)  # a file that was just written is looked at again, in case
        cold, _ = cost(place.survey)
        warm, _ = cost(place.survey)
        planned, _ = cost(lambda: pipeline.plan(place.root / "x.yaml", {}, place.root / "store"))
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the largest of them
    print(
        f"{number:>6} {cold:>9.2f} {number / cold:>8.0f} {warm:>8.3f} {planned:>8.3f} {peak():>6.0f} {child:>9.0f}"
    )
