"""What training reads of the stages before it: samples in groups, and which caption a sample shows where."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from engine.stages.train.samples import Reader, Samples, load_samples

SAMPLES = [
    {"clip": "a", "captions": ["red", "blue"], "role": "train"},
    {"clip": "b", "captions": ["red"], "role": "regularise"},
    {"clip": "c", "captions": ["green", "", "red"], "role": "train"},
    {"clip": "d", "captions": ["blue", "red"], "role": "evaluate"},
]
GROUPS = [
    {"bucket": [64, 64, 17], "take": 2, "samples": [0]},
    {"bucket": [64, 32, 17], "take": 4, "samples": [1]},
    {"bucket": [64, 64, 17], "take": 1, "samples": [2, 0]},
]
TEXTS = {"red": "t-red", "blue": "t-blue", "green": "t-green", "": "t-empty"}


class FakeItems:
    """A store of items in which every item is a folder of that name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, key: str) -> Path:
        return self.folder / key


def work(place: Path, groups: list[dict[str, object]] = GROUPS, **spec: object) -> SimpleNamespace:
    latents = {
        sample["clip"]: {"item": f"v-{sample['clip']}", "media": f"m-{sample['clip']}"} for sample in SAMPLES
    }
    files = {
        "survey/samples/samples.json": SAMPLES,
        "survey/samples/groups.json": groups,
        "survey/samples/evaluation.json": [3],
        "encode_video/latents/latents.json": latents,
        "encode_text/captions/captions.json": TEXTS,
    }
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(json.dumps(content))
    for number, key in enumerate(TEXTS.values()):
        (place / "encode_text" / key).mkdir()
        text = torch.full((2, 3), float(number), dtype=torch.bfloat16)
        save_file({"text_LD": text}, place / "encode_text" / key / "text.safetensors")
    inputs = {
        part: place / part for part in ("survey/samples", "encode_video/latents", "encode_text/captions")
    }
    said = {"batch_size": 2, "seed": 5, "caption_dropout": 0.0, "max_tokens": 4} | spec
    return SimpleNamespace(
        inputs=inputs, spec=SimpleNamespace(**said), files={"m-b": "/clips/b.mp4"}, items=FakeItems(place)
    )


def shown(work: SimpleNamespace, index: int, positions: range) -> list[int]:
    """Which text, by its number in TEXTS, a sample shows at some positions."""
    reader = Reader(work, load_samples(work))
    return [int(reader.text(index, position)[0, 0]) for position in positions]


def test_samples_pair_latents_with_all_variants_of_a_caption(tmp_path: Path) -> None:
    samples = load_samples(work(tmp_path))
    assert samples.latents == ("v-a", "v-b", "v-c", "v-d")
    assert samples.captions[:3] == (("t-red", "t-blue"), ("t-red",), ("t-green", "t-empty", "t-red"))
    assert (samples.empty, samples.clips) == ("t-empty", ("a", "/clips/b.mp4", "c", "d"))
    assert (samples.ids, samples.features) == (("a", "b", "c", "d"), ())


def test_samples_know_what_they_are_for(tmp_path: Path) -> None:
    samples = load_samples(work(tmp_path))
    assert (samples.regularised, samples.held_out) == ((False, True, False, False), (3,))


def test_who_is_evaluated_reads_the_first_caption_whatever_is_dropped(tmp_path: Path) -> None:
    place = work(tmp_path, caption_dropout=1.0)
    assert int(Reader(place, load_samples(place)).first_text(3)[0, 0]) == 1  # blue


def test_buckets_stand_by_their_shape_and_groups_as_they_were_given(tmp_path: Path) -> None:
    order = load_samples(work(tmp_path)).order
    assert [[(group.samples, group.take) for group in bucket] for bucket in order.buckets] == [
        [((1,), 4)],
        [((0,), 2), ((2, 0), 1)],
    ]
    assert (order.batch_size, order.seed) == (2, 5)


def test_it_does_not_matter_which_bucket_was_met_first(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir(), (tmp_path / "other").mkdir()
    one = load_samples(work(tmp_path / "one")).order
    other = load_samples(work(tmp_path / "other", [GROUPS[1], GROUPS[0], GROUPS[2]])).order
    assert [one.batch(step) for step in range(20)] == [other.batch(step) for step in range(20)]


def test_variants_are_shown_equally_often_and_follow_from_the_position(tmp_path: Path) -> None:
    place = work(tmp_path)
    first = shown(place, 2, range(900))
    counts = Counter(first)
    assert counts.keys() == {2, 3, 0}  # green, empty, red
    assert all(abs(count - 300) < 4 * (900 * 1 / 3 * 2 / 3) ** 0.5 for count in counts.values())
    assert shown(place, 2, range(500, 510)) == first[500:510]


def test_another_seed_shows_other_variants(tmp_path: Path) -> None:
    place = work(tmp_path)
    first = shown(place, 0, range(50))
    place.spec.seed = 6
    assert shown(place, 0, range(50)) != first


@pytest.mark.parametrize(("dropout", "expected"), [(1.0, {3}), (0.0, {0, 1})])
def test_a_dropped_caption_is_the_empty_one(tmp_path: Path, dropout: float, expected: set[int]) -> None:
    assert set(shown(work(tmp_path, caption_dropout=dropout), 0, range(60))) == expected


def test_a_single_caption_is_always_shown(tmp_path: Path) -> None:
    assert set(shown(work(tmp_path), 1, range(40))) == {0}


def test_clips_of_samples_are_named_once() -> None:
    samples = Samples(("b", "a", "b"), *((),) * 6, "", None)
    assert samples.names([0, 2, 1]) == ["a", "b"]
