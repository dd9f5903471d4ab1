"""A set that is smaller than a batch is told so by shape, before anything runs."""

from pathlib import Path

import numpy as np
import pytest

from engine import pipeline
from engine.clips.write import write_video
from engine.language.diagnostics import Diagnostic
from engine.language.overrides import sets as sets_of

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: folder, path: clips}, size: {kind: pixel_area, edge: 64}}
sample: {prompts: {cat: a cat}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two wide clips and a tall one."""
    (tmp_path / "x.yaml").write_text(RECIPE)
    (tmp_path / "clips").mkdir()
    for name, width, height in (("a", 128, 64), ("b", 128, 64), ("c", 64, 128)):
        shade = np.full((17, height, width, 3), 60 + ord(name) % 7 * 20, np.uint8)
        write_video(tmp_path / "clips" / f"{name}.mp4", shade, 16)
        (tmp_path / "clips" / f"{name}.txt").write_text(f"about {name}")
    return tmp_path


def warned(place: Path, *sets: str) -> list[Diagnostic]:
    _, _, warnings = pipeline.plan(place / "x.yaml", sets_of(*sets), place / "store")
    return [found for found in warnings if found.code == "RCP4107"]


def test_a_bucket_with_fewer_clips_than_a_batch_is_named_with_the_remedy(place: Path) -> None:
    (found,) = warned(place, "train.batch_size=2")
    assert "1 of 2 buckets have fewer samples in an epoch than a batch of 2: 1 at 48x96x17" in found.message
    assert (found.path, found.severity, found.span.source.name) == ("train.batch_size", "warning", "--set #1")
    assert "smallest count" in found.help
    assert found.related[0][1].source.name == str(place / "x.yaml")


def test_all_buckets_may_be_small(place: Path) -> None:
    (found,) = warned(place, "train.batch_size=4")
    assert "2 of 2 buckets" in found.message
    assert "2 at 96x48x17" in found.message


@pytest.mark.parametrize(
    "sets",
    [("train.batch_size=1",), ("train.batch_size=3", "data.size={kind: exact, width: 64, height: 64}")],
    ids=["a batch of one", "one shape for all"],
)
def test_the_remedies_work(place: Path, sets: tuple[str, ...]) -> None:
    assert warned(place, *sets) == []
