"""A file that is another trainer's is told so, with the command that was meant."""

import json
import shutil
from pathlib import Path

import pytest

from engine.importing.recipe import from_ai_toolkit, from_musubi, from_simpletuner
from engine.language.builtin import builtin_file, builtin_names
from engine.language.diagnostics import RecipeError
from engine.language.nodes import plain
from engine.language.read import read_file
from engine.language.trainers import looks_like

HERE = Path(__file__).parent
FILES = {"simpletuner": "seed-config.json", "musubi": "musubi-dataset.toml", "ai-toolkit": "ai-toolkit.yaml"}
READERS = {
    "simpletuner": lambda path: from_simpletuner(path, None),
    "musubi": lambda path: from_musubi(path, None),
    "ai-toolkit": from_ai_toolkit,
}
TITLES = {"simpletuner": "SimpleTuner", "musubi": "musubi-tuner", "ai-toolkit": "ai-toolkit"}


@pytest.mark.parametrize("tool", FILES)
@pytest.mark.parametrize("meant", FILES)
def test_a_file_goes_only_to_the_trainer_that_it_is_written_for(
    tool: str, meant: str, tmp_path: Path
) -> None:
    file = tmp_path / FILES[meant]
    shutil.copy(HERE / FILES[meant], file)
    if tool == meant:
        assert READERS[tool](file).outcomes
        return
    with pytest.raises(RecipeError) as caught:
        READERS[tool](file)
    (found,) = caught.value.findings
    assert found.code == "RCP3201"
    assert found.message == f"this is not what {TITLES[tool]} writes; it looks like {TITLES[meant]}'s"
    assert found.help == f"`recipe import {meant} {file}`"


def test_the_dataset_file_of_simpletuner_is_told_from_its_config(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps([{"id": "x", "dataset_type": "video"}]))
    with pytest.raises(RecipeError) as caught:
        from_simpletuner(tmp_path / "d.json", None)
    assert "--data" in caught.value.findings[0].help


@pytest.mark.parametrize(
    ("said", "tool"),
    [
        ({"--model_family": "wan", "--lora_rank": 4}, "simpletuner"),
        ({"max_train_steps": 4}, None),  # one word may be a slip
        ({"steps": 4, "rank": 3}, None),
        ({"network_dim": 4, "task": "t2v-1.3B"}, "musubi"),
        ({"datasets": [3, {"image_directory": "x"}]}, "musubi"),
        ({"config": {"process": {}}}, None),
        ({"apiVersion": "wan-recipe/v1", "model_family": "wan", "lora_rank": 3}, None),
        ([], None), ("text", None), (None, None), ([[1]], None),
    ],
)  # fmt: skip
def test_a_trainer_is_told_from_keys_that_are_its_own(said, tool: str | None) -> None:
    assert looks_like(said) == tool


@pytest.mark.parametrize("name", builtin_names())
def test_no_layer_of_ours_looks_like_another_trainers(name: str) -> None:
    node, _ = read_file(builtin_file(name), name)
    assert node is not None
    said = plain(node)
    assert isinstance(said, dict)
    assert looks_like({key: value for key, value in said.items() if key != "apiVersion"}) is None
