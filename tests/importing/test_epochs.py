"""Where another trainer counts epochs, nobody guesses steps: the recipe asks whoever knows the clips."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.importing.recipe import Imported, from_musubi, from_simpletuner, report
from engine.language.diagnostics import RecipeError
from engine.language.nodes import Source, plain
from engine.language.overrides import Override
from engine.language.read import read_text
from engine.language.resolve import resolve

MODEL = {"pretrained_model_name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "model_type": "lora"}
SAID = {"validation_prompt": "A black cat walks to the right past two houses under a crescent moon."}


def train(imported: Imported) -> dict[str, Any]:
    node, _ = read_text(Source("x", imported.text, Path()))
    said: Any = plain(node)
    return said.get("train", {})


def musubi(folder: Path, arguments: str, dataset: str = "") -> Imported:
    (folder / "d.toml").write_text(
        f'[[datasets]]\nvideo_directory = "clips"\ncaption_extension = ".txt"\n{dataset}'
    )
    return from_musubi(folder / "d.toml", f"wan_train_network.py --task t2v-1.3B {arguments}")


def simpletuner(folder: Path, config: dict[str, Any], clips: dict[str, Any] | None = None) -> Imported:
    (folder / "c.json").write_text(json.dumps(MODEL | SAID | config))
    entry = {"id": "x", "dataset_type": "video", "instance_data_dir": "clips", "type": "local"}
    (folder / "d.json").write_text(json.dumps([entry | (clips or {})]))
    return from_simpletuner(folder / "c.json", folder / "d.json")


def test_epochs_of_musubi_are_asked_for_as_steps_with_what_is_known_of_them(tmp_path: Path) -> None:
    made = musubi(
        tmp_path,
        "--max_train_epochs 16 --max_train_steps 40 --gradient_accumulation_steps 3",
        "num_repeats = 4\nbatch_size = 2\ntarget_frames = [1, 33]\n",
    )
    why = train(made)["steps"]["$required"]
    assert "16 × clips × 2 lengths of each × 4 repeats / 6 samples a step" in why
    assert "train.steps" in made.lacks
    assert "still to say: sample.prompts, train.steps" in report(made)


def test_steps_of_musubi_are_steps_and_its_default_too(tmp_path: Path) -> None:
    assert train(musubi(tmp_path, "--max_train_steps 40"))["steps"] == 40
    assert train(musubi(tmp_path, ""))["steps"] == 1600


@pytest.mark.parametrize(
    ("config", "formula"),
    [
        ({"num_train_epochs": 10}, "10 × clips × 4 (repeats + 1) / train_batch_size;"),
        ({"num_train_epochs": 10, "max_train_steps": 0, "train_batch_size": 2}, "10 × clips × 4 (repeats + 1) / 2 samples a step"),
        ({"num_train_epochs": 10, "max_train_steps": None}, "10 × clips"),
        ({"max_train_steps": 0}, "1 × clips"),
        ({}, "1 × clips"),  # its default is one epoch
    ],
)  # fmt: skip
def test_epochs_of_simpletuner_are_asked_for_as_steps(tmp_path: Path, config: dict, formula: str) -> None:
    made = simpletuner(tmp_path, config, {"repeats": 3})
    assert formula in train(made)["steps"]["$required"]
    assert "train.steps" in made.lacks


@pytest.mark.parametrize("epochs", [{}, {"num_train_epochs": 0}, {"num_train_epochs": 3}])
def test_steps_of_simpletuner_are_steps_whatever_its_epochs(tmp_path: Path, epochs: dict) -> None:
    made = simpletuner(tmp_path, {"max_train_steps": 500} | epochs)
    assert train(made)["steps"] == 500
    assert "train.steps" not in made.lacks


def test_a_warm_up_that_is_a_share_of_epochs_is_asked_for_as_well(tmp_path: Path) -> None:
    made = musubi(tmp_path, "--max_train_epochs 16 --lr_scheduler cosine --lr_warmup_steps 0.05")
    assert "0.05 of `train.steps`" in train(made)["schedule"]["warmup_steps"]["$required"]
    made = musubi(tmp_path, "--max_train_steps 200 --lr_scheduler cosine --lr_warmup_steps 0.05")
    assert train(made)["schedule"]["warmup_steps"] == 10


def test_the_recipe_is_wrong_for_that_reason_until_the_steps_are_said(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(simpletuner(tmp_path, {"num_train_epochs": 10}).text)
    with pytest.raises(RecipeError) as caught:
        resolve(tmp_path / "x.yaml")
    (found,) = [found for found in caught.value.findings if found.severity == "error"]
    assert (found.code, found.path) == ("RCP2003", "train.steps")
    assert "10 epochs: count your clips" in found.help
    assert resolve(tmp_path / "x.yaml", [Override("--set", "train.steps=900")]).recipe.train.steps == 900
