"""`recipe init`: a few answers, asked or given, make a short recipe that is valid."""

import io
import shlex
import sys
from pathlib import Path

import pytest

from engine.authoring.form import formed
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
    said = ["wan2.1-t2v-micr", "wan2.1-t2v-micro", "gone", "clips", "", "", "A boat.", "Boats"]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(said) + "\n"))
    done = recipe("init", "x.yaml")
    assert done.code == 0, done.err
    assert "did you mean `wan2.1-t2v-micro`?" in done.err
    assert (
        "--model wan2.1-t2v-micro --data clips --captions beside --hardware cpu --prompt 'A boat.' --title Boats"
        in done.out
    )
    assert resolve(tmp_path / "x.yaml").layers[:2] == (
        "builtin:base/wan",
        "builtin:flavours/wan2.1-t2v-micro",
    )


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
        (["--data", "gone", "--prompt", "x"], "'gone' does not do"),
        (["--data", "clips", "--prompt", " "], "--prompt"),
    ],
)
@pytest.mark.usefixtures("clips")
def test_what_is_missing_or_wrong_exits_2_and_writes_nothing(
    recipe, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = recipe("init", "x.yaml", *arguments)
    assert done.code == 2
    assert words in plain(done.err)
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
