"""`recipe init`: a few answers, asked or given, make a short recipe that is valid."""

import io
import re
import shlex
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from engine.authoring.form import formed
from engine.authoring.init import QUESTIONS, machines, models
from engine.language.nodes import Source
from engine.language.resolve import resolve

GIVEN = ["--data", "clips", "--prompt", "A black cat walks to the right past two houses."]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.png", "a.txt", "b.txt", "notes.md"):
        (folder / name).touch()
    return folder


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("clips")
def test_options_make_a_valid_recipe_of_twelve_lines_in_form(recipe, tmp_path: Path) -> None:
    done = recipe("init", "x.yaml", *GIVEN)
    text = (tmp_path / "x.yaml").read_text()
    assert done.code == 0
    assert len(text.splitlines()) <= 12
    assert formed(Source("x", text, tmp_path)) == text
    made = resolve(tmp_path / "x.yaml")
    assert made.values["data"]["source"] == {"kind": "folder", "path": str(tmp_path / "clips")}
    assert made.values["sample"]["prompts"] == {"a-black-cat": GIVEN[3]}
    assert "3 clips (2 .mp4, 1 .png), 2 of them with a text file beside" in done.err


@pytest.mark.usefixtures("clips")
def test_its_first_line_leads_editors_to_the_schema(recipe, tmp_path: Path) -> None:
    recipe("init", "x.yaml", *GIVEN)
    first = (tmp_path / "x.yaml").read_text().splitlines()[0]
    address = first.removeprefix("# yaml-language-server: $schema=")
    assert Path(address.removeprefix("file://")).name == "layer.schema.json"
    assert Path(address.removeprefix("file://")).is_file()


@pytest.mark.usefixtures("clips")
def test_the_command_that_it_prints_gives_the_same_recipe(recipe, tmp_path: Path) -> None:
    done = recipe("init", "x.yaml", *GIVEN, "--title", "It's mine", "--captions", "one:a cartoon, of a cat")
    (line,) = [line for line in done.out.splitlines() if line.startswith("  recipe init")]
    arguments = shlex.split(line)[1:]
    text = (tmp_path / "x.yaml").read_text()
    (tmp_path / "x.yaml").unlink()
    assert recipe(*arguments).code == 0
    assert (tmp_path / "x.yaml").read_text() == text
    assert resolve(tmp_path / "x.yaml").values["data"]["captions"] == {
        "kind": "one",
        "text": "a cartoon, of a cat",
    }


@pytest.mark.usefixtures("clips")
def test_on_a_terminal_it_asks_for_everything_and_asks_again_after_a_slip(
    recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["wan2.1-t2v-micr", "wan2.1-t2v-micro", "gone", "clips", "", "", " ", "A boat.", "Boats"]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(said) + "\n"))
    done = recipe("init", "x.yaml")
    assert done.code == 0, done.err
    assert "did you mean `wan2.1-t2v-micro`?" in done.err
    assert f"there is no folder {tmp_path}/gone" in done.err
    assert all(question in done.err for question in QUESTIONS.values())
    assert (
        "--model wan2.1-t2v-micro --data clips --captions beside --hardware cpu --prompt 'A boat.' --title Boats"
        in done.out
    )
    assert resolve(tmp_path / "x.yaml").layers[:2] == (
        "builtin:base/wan",
        "builtin:flavours/wan2.1-t2v-micro",
    )


@pytest.mark.usefixtures("clips")
def test_a_choice_may_be_said_by_its_number(recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    model = list(models()).index("wan2.1-t2v-micro") + 1
    machine = list(machines()).index("cpu") + 1
    # the third way of captions wants words; there is no ninth machine
    said = [str(model), "clips", "3", "one:a cartoon", "9", str(machine), "A boat.", ""]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(said) + "\n"))
    done = recipe("init", "x.yaml")
    assert done.code == 0, done.err
    assert f"  {model}  wan2.1-t2v-micro" in done.err
    assert "Hardware (number or name) [cpu]" in done.err
    assert "write your words in place of TEXT" in done.err
    assert "'9' is none of" in done.err
    assert "--captions 'one:a cartoon' --hardware cpu --prompt 'A boat.' --title clips" in done.out


@pytest.mark.usefixtures("clips")
def test_yes_asks_only_for_what_cannot_be_guessed(recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("A boat.\n"))
    done = recipe("init", "x.yaml", "--data", "clips", "--yes")
    assert done.code == 0
    assert "Prompt" in done.err
    assert not any(name in done.err for name in ("Model", "Captions", "Hardware", "Title"))


def plain(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say --data and --prompt"),
        (["--data", "clips"], "say --prompt"),
        ([*GIVEN, "--model", "wan"], "'wan' is none of wan2.1-t2v-1.3b"),
        ([*GIVEN, "--hardware", "cpus"], "did you mean `cpu`?"),
        ([*GIVEN, "--captions", "one:"], "is none of beside, filename, one:TEXT"),
        ([*GIVEN, "--captions", "one:TEXT"], "write your words in place of TEXT"),
        (["--data", "gone", "--prompt", "x"], "there is no folder {here}/gone"),
        (["--data", "~/clips", "--prompt", "x"], "there is no folder {here}/home/clips"),
        (["--data", "~nobody-of-that-name/clips", "--prompt", "x"], "is not a folder"),
        (["--data", "clips/a.mp4", "--prompt", "x"], "{here}/clips/a.mp4 is not a folder"),
        (["--data", "owner/name", "--prompt", "x"], "there is no folder {here}/owner/name; for a dataset of the Hub"),
        (["--data", "https://huggingface.co/datasets/owner/name", "--prompt", "x"], "is an address, and only folders are taken here"),
        (["--data", "", "--prompt", "x"], "say the folder that the clips are in"),
        (["--data", "clips", "--prompt", " "], "--prompt: it is empty; write a few words"),
        (["--data", "clips", "--prompt", "a \udcff cat"], "--prompt: it has bytes that are no letters"),
        ([*GIVEN, "--title", ""], "--title: it is empty"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("clips")
def test_what_is_missing_or_wrong_exits_2_and_writes_nothing(
    recipe, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = recipe("init", "x.yaml", *arguments)
    assert done.code == 2
    # the frame around it breaks long paths anywhere
    assert words.format(here=tmp_path).replace(" ", "") in plain(done.err).replace(" ", "")
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.usefixtures("clips")
def test_a_file_that_is_there_stays(recipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("mine")
    assert recipe("init", *GIVEN).code == 2
    assert (tmp_path / "recipe.yaml").read_text() == "mine"


@pytest.mark.usefixtures("clips")
def test_a_recipe_in_another_folder_finds_the_same_clips(recipe, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    assert recipe("init", "recipes/x.yaml", *GIVEN).code == 0
    assert "path: ../clips}" in (tmp_path / "recipes/x.yaml").read_text()
    assert resolve(tmp_path / "recipes/x.yaml").values["data"]["source"]["path"] == str(tmp_path / "clips")


def test_captions_are_taken_from_file_names_where_no_texts_lie_beside(recipe, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    recipe("init", "x.yaml", *GIVEN)
    assert resolve(tmp_path / "x.yaml").values["data"]["captions"] == {"kind": "filename"}


def test_one_text_beside_a_clip_means_that_texts_lie_beside(recipe, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4", "b.txt"):
        (tmp_path / "clips" / name).touch()
    done = recipe("init", "x.yaml", *GIVEN)
    assert resolve(tmp_path / "x.yaml").values["data"]["captions"]["kind"] == "beside"
    assert (
        "3 clips (3 .mp4), 1 of them with a text file beside; `recipe plan` names the 2 clips without"
        in done.err
    )


@pytest.mark.parametrize("prompt", ["A price of ${train.steps}", "${env:HOME}", "50 ${", "$${x}"])
@pytest.mark.usefixtures("clips")
def test_what_looks_like_a_reference_in_an_answer_stays_text(recipe, tmp_path: Path, prompt: str) -> None:
    assert (
        recipe("init", "x.yaml", "--data", "clips", "--prompt", prompt, "--captions", f"one:{prompt}").code
        == 0
    )
    made = resolve(tmp_path / "x.yaml").values
    assert [*made["sample"]["prompts"].values()] == [prompt]
    assert made["data"]["captions"]["text"] == prompt


@pytest.mark.usefixtures("clips")
def test_answers_that_make_no_valid_recipe_leave_no_file(recipe, tmp_path: Path) -> None:
    done = recipe("init", "x.yaml", "--data", "clips", "--prompt", "my token hf_" + "a1B2" * 8)
    assert (done.code, "RCP5201" in done.err) == (5, True)
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.parametrize("verb", [["init", "sub/dir/x.yaml", *GIVEN], ["copy", "cpu", "sub/dir/x.yaml"]])
@pytest.mark.usefixtures("clips")
def test_no_folder_is_made_for_a_new_file(recipe, tmp_path: Path, verb: list[str]) -> None:
    done = recipe(*verb)
    assert done.code == 2
    assert "there is no folder sub/dir for x.yaml: make it first" in plain(done.err)
    assert not (tmp_path / "sub").exists()


@pytest.mark.usefixtures("clips")
def test_a_home_is_meant_by_its_sign(recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert recipe("init", "x.yaml", "--data", "~/clips", "--prompt", "A boat.").code == 0
    assert resolve(tmp_path / "x.yaml").values["data"]["source"]["path"] == str(tmp_path / "clips")


PAGE = (ROOT / "docs" / "authoring.md").read_text()


@pytest.mark.parametrize("line", re.findall(r"^recipe init .*$", PAGE, re.MULTILINE))
@pytest.mark.usefixtures("clips")
def test_the_example_of_the_page_works_as_written(recipe, line: str) -> None:
    assert recipe(*shlex.split(line)[1:]).code == 0


def test_the_page_names_options_that_there_are(recipe) -> None:
    for verb, options in re.findall(r"`recipe (\w+)[^`]*?((?: --[a-z-]+)+)[^`]*`", PAGE):
        told = recipe(verb, "--help").out
        assert all(option in told for option in options.split()), (verb, options)
