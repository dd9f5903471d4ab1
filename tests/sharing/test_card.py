"""A card is checked by whoever gets it, and says nothing of where things lay."""

import shutil
from pathlib import Path

import pytest
from scripted import Scripted
from sharing.conftest import BODY, LAYER, Remote, offline, online, program, write

from engine import pipeline
from engine.language.diagnostics import RecipeError
from engine.sharing.card import NotMade, make_card, verify
from engine.sharing.lock import lock

DRAWN = {"fetch_data"}


class Drawing(Scripted):
    """The scripted stages, with clips that are drawn for real."""

    def run(self, stage, order, log, notify) -> None:
        if stage.name not in DRAWN:
            super().run(stage, order, log, notify)
            return
        from engine.execute.runner import make_work
        from engine.stages.fetch_data.run import fetch_data

        fetch_data(make_work(stage, order, lambda *_, **__: None, lambda: False))


@pytest.fixture
def made(remote: Remote, here: Path) -> Path:
    """The card of a recipe that was run."""
    remote.commit({"a.yaml": LAYER + "train: {steps: 20, checkpoints: {every: 10}}\n"})
    recipe = write(here, f"{remote.url}@main#a.yaml", body="title: A test\n" + BODY)
    lock(recipe, online(here))
    plan, resolved, _ = pipeline.plan(recipe, (), here / "store", offline(here))
    with pytest.raises(NotMade, match="train"):
        make_card(resolved, plan, here / "card", offline(here))
    pipeline.run(plan, resolved, here / "store", here / "out", lambda _: None, Drawing())
    plan, resolved, _ = pipeline.plan(recipe, (), here / "store", offline(here))
    make_card(resolved, plan, here / "card", offline(here))
    return here / "card"


def test_a_card_holds_what_it_says_wherever_it_goes(
    made: Path, remote: Remote, here: Path, tmp_path: Path
) -> None:
    commit = remote.git("rev-parse", "HEAD")
    moved = made.rename(tmp_path / "elsewhere")
    private = (str(here), str(tmp_path), "store/")
    texts = {
        path.relative_to(moved).as_posix(): path.read_text() for path in moved.rglob("*") if path.is_file()
    }
    known = {
        name: text.replace(remote.url, "").replace(str(remote.folder), "") for name, text in texts.items()
    }
    assert [name for name, text in known.items() if any(part in text for part in private)] == []
    assert f"`{remote.url}@main#a.yaml` at `{commit}`" in texts["README.md"]
    assert texts["README.md"].startswith("# A test\n")
    for gone in (here, remote.folder):
        shutil.rmtree(gone)
    facts = verify(moved)
    assert {stage["name"] for stage in facts["stages"]} >= {"train", "export", "sample"}
    assert facts["origins"] == [{"ref": f"{remote.url}@main#a.yaml", "commit": commit}]
    assert facts["clips"].startswith("b3:")
    done = program("verify", "elsewhere", cwd=tmp_path)
    assert (done.returncode, "are what the card says" in done.stdout) == (0, True)


@pytest.mark.parametrize("name", ["x.yaml", "x.lock.yaml", "README.md", "layers/builtin/base/wan.yaml"])
def test_a_file_that_was_changed_is_named(made: Path, name: str) -> None:
    (made / name).write_text((made / name).read_text() + "# more\n")
    with pytest.raises(RecipeError, match=f"`{name}` is not the file that the card was made with") as caught:
        verify(made)
    assert [found.code for found in caught.value.findings] == ["RCP5106"]


def test_a_card_that_claims_another_recipe_is_found_out(made: Path) -> None:
    card = made / "card.yaml"
    card.write_text(card.read_text().replace('resolved: "b3:', 'resolved: "b3:0'))
    with pytest.raises(RecipeError, match="the recipe comes to b3:"):
        verify(made)


@pytest.mark.parametrize(
    "text", ["", "[]", "files: 1\n", "recipe: x\nfiles: [{name: ../x}]\n", "recipe: x\nfiles: [1]\n"]
)
def test_what_is_no_card_is_said(made: Path, text: str) -> None:
    (made / "card.yaml").write_text(text)
    done = program("verify", "card", cwd=made.parent)
    assert (done.returncode, "card" in done.stderr) == (1, True)


def test_a_recipe_that_was_not_run_has_no_card(here: Path) -> None:
    write(here, "builtin:flavours/wan2.1-t2v-micro")
    done = program("card", "x.yaml", "-o", "card", cwd=here)
    assert (done.returncode, "run the recipe first" in " ".join(done.stderr.split())) == (2, True)
    assert not (here / "card").exists()
