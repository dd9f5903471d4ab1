"""Every recipe that comes with the program is valid and can be planned without network."""

from pathlib import Path

import pytest

from engine import pipeline
from engine.language.builtin import builtin_names, data_folder

NAMES = builtin_names()


def test_none_is_overlooked(root: Path) -> None:
    assert len(NAMES) == len(list((root / "recipes").rglob("*.yaml"))) == 7
    assert data_folder("recipes") == root / "recipes"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid(name: str, root: Path) -> None:
    assert all(found.severity == "warning" for found in pipeline.validate(root / "recipes" / f"{name}.yaml"))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("examples/")])
def test_it_can_be_planned_where_nothing_was_made(name: str, root: Path, tmp_path: Path) -> None:
    made, _, _ = pipeline.plan(root / "recipes" / f"{name}.yaml", (), tmp_path / "store")
    assert [step.stage.name for step in made.steps] == [
        "fetch_model", "rehearse", "fetch_data", "survey", "encode_text", "encode_video", "train", "export", "sample",
    ]  # fmt: skip
    assert not (tmp_path / "store").exists()
