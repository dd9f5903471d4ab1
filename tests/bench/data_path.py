"""What the way from a folder of clips to latents costs, beside a program that does nothing but decode the same files.

    python tests/bench/data_path.py             on clips that it draws: eight minutes
    python tests/bench/data_path.py FOLDER      also on the videos of a folder, which are only read

Three tables. *Decoding*: every way goes through the same files in turn, round after round; where a ratio stands, it is
the median of the ratios within a round. The window is the whole file, so that nearly each frame that a bare loop
decodes is needed. *Encoding*: the stage with the micro model's codec. *Growth*: survey, plan and the stage with nothing
for a codec, over 100, 1,000 and 10,000 small clips, each number of clips in a process of its own.

Where others use the machine too, look at the column *CPU*: what is ours divided by what is theirs, in processor time.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median

import av
import torch
from data_clips import Place, copies, cost, draw, peak
from diffusers import AutoencoderKLWan

from engine.clips.ahead import DEADLINE, Ahead
from engine.clips.files import VIDEO_SUFFIXES
from engine.clips.probe import probe
from engine.seam import Work
from engine.stages.encode_video import run
from engine.stages.encode_video.spec import latents

ROUNDS = 5
NUMBERS = (100, 1_000, 10_000)
KEPT = ("data.size={kind: pixel_area, edge: 632}", "data.frames=961")
SMALLER = ("data.size={kind: pixel_area, edge: 480}", "data.frames=961")


def bare(paths: Iterable[Path], at_once: int, packed: bool) -> None:
    """Decode files as PyAV's own documentation does it: one after the other, or several with one thread each."""

    def read(path: Path) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if at_once == 1:
                stream.thread_type = "AUTO"
            else:
                stream.thread_count = 1
            for frame in container.decode(stream):
                if packed:
                    frame.to_ndarray(format="rgb24")

    with ThreadPoolExecutor(at_once) as threads:
        for _ in threads.map(read, paths):
            pass


def decoded(work: Work) -> None:
    """Take the way of the stage from files to groups of frames, and let them fall."""
    said = (work.inputs["survey/clips"] / "clips.json").read_bytes()
    clips = run._missing(work, json.loads(said), latents(work.spec, said, work.digests))
    with closing(run._decoded(work, clips)) as streams:
        for _, stream in streams:
            for _ in stream.values(DEADLINE, work.stopping):
                pass


def encode_nothing(_: object, groups_FHWC: Iterable[run.Pixels], __: int) -> torch.Tensor:
    """Stand in for the codec: look at no frame, and answer with a small latent."""
    for _ in groups_FHWC:
        pass
    return torch.zeros(16, 5, 8, 8)


def table_of_decoding(name: str, place: Place) -> None:
    """Print frames a second of every way through the files of a place, and what ours are of the bare ones."""
    paths = place.files()
    frames = sum(probe(path).frames for path in paths)
    kept, smaller = place.work(*KEPT), place.work(*SMALLER)

    ways: dict[str, Callable[[], None]] = {
        "bare, one after the other": partial(bare, paths, 1, packed=False),
        "bare, two at once": partial(bare, paths, 2, packed=False),
        "bare to rgb24, one after the other": partial(bare, paths, 1, packed=True),
        "bare to rgb24, two at once": partial(bare, paths, 2, packed=True),
        "ours, edge 632": partial(decoded, kept),
        "ours, edge 480": partial(decoded, smaller),
    }
    rounds = [{way: cost(doing) for way, doing in ways.items()} for _ in range(1 + ROUNDS)][1:]
    print(f"\n{name}: {frames} frames a round; load {os.getloadavg()[0]:.1f}")
    print(f"{'':<36} frames/s   CPU ms/frame   of bare   of bare, CPU   of bare to rgb24")
    for way in ways:
        took, worked = (median(each[way][part] for each in rounds) for part in (0, 1))
        decode = of_the_quicker(rounds, way, list(ways)[:2], 0)
        cpu = of_the_quicker(rounds, way, list(ways)[:2], 1)
        colours = of_the_quicker(rounds, way, list(ways)[2:4], 0)
        print(
            f"{way:<36} {frames / took:>8.0f} {worked / frames * 1e3:>14.2f} {decode:>9.2f} {cpu:>14.2f} {colours:>18.2f}",
            flush=True,
        )


def of_the_quicker(
    rounds: list[dict[str, tuple[float, float]]], way: str, others: list[str], part: int
) -> float:
    """Return how much of the rate of the quicker of two ways another has, within a round."""
    return median(min(each[other][part] for other in others) / each[way][part] for each in rounds)


def table_of_encoding(place: Place) -> None:
    """Print how long the micro codec takes for the clips of a place, and how long it waits for them."""
    streams: list[Ahead[run.Pixels]] = []
    own = run._decoded

    def watched(work: Work, clips: Iterable[run._Clip]) -> Generator:
        with closing(own(work, clips)) as found:
            for clip, stream in found:
                streams.append(stream)
                yield clip, stream

    run._decoded = watched
    print(f"\nThe stage with the micro codec, {len(place.files())} clips; load {os.getloadavg()[0]:.1f}")
    for name, sets in (("64x64", ("data.frames=17",)), ("edge 480", (*SMALLER[:1], "data.frames=17"))):
        streams.clear()
        work = place.work(*sets)
        took, _ = cost(lambda work=work: run.encode_video(work))
        waited = [stream.waited for stream in streams]
        print(
            f"{name:<9} {len(waited) / took:6.2f} clips/s; waited {waited[0]:.2f} s for the first and {sum(waited[1:]):.2f} s for all others, of {took:.1f} s",
            flush=True,
        )
    run._decoded = own


def encode_growth(number: int) -> None:
    """Print what the stage costs for so many small clips with nothing for a codec."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        copies(place.clips, number)
        work, before = place.work(), peak()
        run.load_codec, run.encode = lambda *_: None, encode_nothing
        took, _ = cost(lambda: run.encode_video(work))
    print(f"{number:>6} {took:>9.2f} {number / took:>8.0f} {before:>9.0f} {peak():>9.0f}")


def places(root: Path, given: str) -> Iterator[tuple[str, Place]]:
    """Make the clips that are decoded; those that are drawn give 97 frames at the model's rate."""
    for fps, grain in ((16, 0), (30, 0), (30, 12)):
        place = Place(root / f"drawn-{fps}-{grain}")
        for number in range(4):
            draw(place.clips / f"{number}.mp4", fps, ceil(97 * fps / 16), number, (832, 480), grain)
        yield f"drawn{' with grain' if grain else ''}, 832x480, H.264, {fps} fps", place
    if given:
        place = Place(root / "given")
        for path in sorted(Path(given).iterdir()):
            if path.suffix in VIDEO_SUFFIXES:
                (place.clips / path.name).symlink_to(path.resolve())
        yield "the given folder", place


def main(given: str) -> None:
    """Print the three tables."""
    with tempfile.TemporaryDirectory() as folder:
        made = list(places(Path(folder), given))
        for name, place in made:
            table_of_decoding(name, place)
        drawn = made[0][1]
        AutoencoderKLWan(
            base_dim=8, dim_mult=[1, 1, 2, 2], num_res_blocks=1, temperal_downsample=[False, True, True]
        ).save_pretrained(drawn.root / "model/vae")
        table_of_encoding(drawn)
    growth("data_clips.survey_growth", " clips  survey, s  clips/s    again     plan     MB  child, MB")
    growth("data_path.encode_growth", " clips   stage, s  clips/s  before, MB  after, MB")


def growth(function: str, heading: str) -> None:
    """Call a function with each number of clips."""
    print(f"\n{function}; load {os.getloadavg()[0]:.1f}\n{heading}", flush=True)
    for number in NUMBERS:
        apart(function, number)


def apart(function: str, argument: object) -> None:
    """Call a function in a process of its own whose main module brings nothing along: see data_clips.py."""
    code = f"import {function.partition('.')[0]}; {function}({argument!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths}, check=True)


if __name__ == "__main__":
    apart("data_path.main", sys.argv[1] if len(sys.argv) > 1 else "")
