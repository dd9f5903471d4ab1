"""``recipe import`` as a person meets it: what is written, exit codes, hostile files, and the page about it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

HERE = Path(__file__).parent
MODEL = '"pretrained_model_name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"'


def recipe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "engine.cli", *arguments], cwd=cwd, capture_output=True, text=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd), "COLUMNS": "200",
                               "RECIPE_STORE": str(cwd / "store")}, check=False)  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def test_where_every_key_is_said_the_recipe_is_written_to_the_output(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(f'{{{MODEL}, "seed": 7}}')
    done = recipe("import", "simpletuner", "c.json", cwd=tmp_path)
    assert done.returncode == 0
    assert "seed: 7  # seed" in done.stdout
    assert "2 keys: 2 mapped, 0 dropped, 0 unsupported" in done.stderr
    assert "still to say: data.source, sample.prompts, train.steps" in done.stderr


def test_a_key_that_cannot_be_said_stops_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(f'{{{MODEL},\n "noise_offset": 0.1}}')
    done = recipe("import", "simpletuner", "c.json", "-o", "x.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "c.json:2:2: error[RCP3202]: 1 key cannot be said in a recipe; nothing was written" in done.stderr
    assert not (tmp_path / "x.yaml").exists()
    assert done.stdout == ""
    done = recipe("import", "simpletuner", "c.json", "-o", "x.yaml", "--allow-unmapped", cwd=tmp_path)
    assert done.returncode == 0
    assert "noise_offset: (changes what is learnt)" in (tmp_path / "x.yaml").read_text()


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(f"{{{MODEL}}}")
    (tmp_path / "x.yaml").write_text("mine")
    done = recipe("import", "simpletuner", "c.json", "-o", "x.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "error[RCP3203]: x.yaml is there already" in done.stderr
    assert (tmp_path / "x.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("tool", "name", "text", "said"),
    [
        ("simpletuner", "c.json", '{"a": 1 "b": 2}', "c.json:1:12: error[RCP1001]"),
        ("simpletuner", "c.json", "[1, 2]", "error[RCP3201]: a SimpleTuner config is one object"),
        ("simpletuner", "c.json", "", ""),
        ("simpletuner", "c.json", '{"a": 1, "a": 2}', "error[RCP1002]"),
        ("simpletuner", "c.json", "[" * 500, "error[RCP1005]"),
        ("simpletuner", "c.json", '{"a": ' + "9" * 5000 + "}", "error[RCP1004]"),
        ("simpletuner", "c.json", "x" * (2 << 20), "error[RCP1005]: the file is larger"),
        ("simpletuner", "c.json", '{"a": "\\ud83d"}', "error[RCP1001]"),
        ("musubi", "d.toml", "a = [1,\n2", "error[RCP3201]: not TOML"),
        ("musubi", "d.toml", "a = 1\na = 2", "d.toml:2:1: error[RCP3201]: not TOML: Cannot overwrite a value"),
        ("musubi", "d.toml", "a = " + "[" * 5000, "error[RCP"),
        ("musubi", "d.toml", "a = " + "9" * 5000, "error[RCP"),
        ("musubi", "d.toml", "x" * (2 << 20), "error[RCP1005]"),
        ("musubi", "d.toml", "datasets = [1]", "error[RCP3201]: a dataset is one mapping"),
        ("ai-toolkit", "x.yaml", "config: {process: 3}", "error[RCP3201]: a job of ai-toolkit has a list"),
        ("ai-toolkit", "x.yaml", "config: {process: [3]}", "error[RCP3201]: a process is one mapping"),
        ("ai-toolkit", "x.yaml", "a: !!python/object:os.system x", "error[RCP1003]"),
        ("ai-toolkit", "x.yaml", "config:\n\t- x", "error[RCP1001]"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_one_finding_with_its_place(
    tool: str, name: str, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    done = recipe("import", tool, name, cwd=tmp_path)
    if said:
        assert said in done.stderr
        assert done.returncode in (1, 5)
        assert done.stderr.count("error[") == 1
    assert done.returncode in (0, 1, 5)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_bytes(b"\xff\xfe")
    assert "error[RCP1006]" in recipe("import", "musubi", "d.toml", cwd=tmp_path).stderr
    assert "error[RCP1006]" in recipe("import", "musubi", "gone.toml", cwd=tmp_path).stderr


def test_a_file_of_arguments_that_is_not_there_is_no_command_line(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("")
    done = recipe("import", "musubi", "d.toml", "--arguments", "gone.sh", cwd=tmp_path)
    assert "error[RCP1006]: cannot read gone.sh" in done.stderr


def test_a_quote_that_is_never_closed_is_said_where_it_opens(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("")
    (tmp_path / "train.sh").write_text("python wan_train_network.py \\\n  --task 't2v-1.3B\n")
    done = recipe("import", "musubi", "d.toml", "--arguments", "train.sh", cwd=tmp_path)
    assert "train.sh:2:10: error[RCP3201]" in done.stderr


@pytest.mark.parametrize(
    "options",
    [["musubi", "d.toml", "--data", "x"], ["ai-toolkit", "x.yaml", "--arguments", "x"], ["kohya", "x"]],
)
def test_an_option_of_another_trainer_is_a_wrong_command_line(options: list[str], tmp_path: Path) -> None:
    assert recipe("import", *options, cwd=tmp_path).returncode == 2


COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "importing.md").read_text(), re.MULTILINE | re.DOTALL)
            for line in block.splitlines()]  # fmt: skip


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    for source, name in (
        ("seed-config.json", "config.json"), ("seed-multidatabackend.json", "multidatabackend.json"),
        ("musubi-dataset.toml", "dataset.toml"), ("musubi-train.sh", "train.sh"), ("ai-toolkit.yaml", "job.yaml"),
    ):  # fmt: skip
        shutil.copy(HERE / source, tmp_path / name)
    assert len(COMMANDS) >= 4
    for line in COMMANDS:
        first, *arguments = line.split()
        assert first == "recipe"
        done = recipe(*arguments, cwd=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
    assert sorted(path.name for path in tmp_path.glob("*.yaml")) == [
        "boat.yaml",
        "disney.yaml",
        "dog.yaml",
        "job.yaml",
    ]
