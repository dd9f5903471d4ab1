"""What a reading of the whole found: ways round the lock, the card, trust, and the masking of addresses."""

import shutil
from pathlib import Path

import pytest
from program import recipe

from engine.language.diagnostics import RecipeError, render
from engine.language.resolve import resolve
from engine.language.trust import covers
from engine.sharing.card import verify

RECIPE = (
    "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n"
    "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n"
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "x.yaml").write_text(RECIPE)
    return tmp_path


def test_a_locked_run_is_held_to_what_is_set_as_well(here: Path) -> None:
    assert recipe("lock", "x.yaml", cwd=here).returncode == 0
    done = recipe("run", "x.yaml", "--locked", "--set", "train.learning_rate=0.5", cwd=here)
    assert done.returncode == 6
    assert "`train.learning_rate` is 0.5" in done.stderr


@pytest.mark.parametrize(
    "layers", ["[{ref: [1]}]", "[{ref: {a: 1}}]", "[3]", "{a: 1}", "[{ref: null, commit: x}]"]
)
def test_an_odd_lock_is_a_stale_one(here: Path, layers: str) -> None:
    recipe("lock", "x.yaml", cwd=here)
    lock = here / "x.lock.yaml"
    head = lock.read_text().partition("layers:")[0]
    lock.write_text(f"{head}layers: {layers}\n")
    assert recipe("lock", "--check", "x.yaml", cwd=here).returncode == 6


def test_a_card_names_its_recipe_and_every_file_of_its_folder(here: Path) -> None:
    card = here / "card"
    card.mkdir()
    shutil.copy(here / "x.yaml", here / "outside.yaml")
    (card / "card.yaml").write_text("version: 1\nrecipe: ../outside.yaml\nresolved: b3:0\nfiles: []\n")
    (card / "more.txt").write_text("more")
    with pytest.raises(RecipeError) as caught:
        verify(card)
    said = " ".join(found.message for found in caught.value.findings)
    assert "`../outside.yaml` is not one of its files" in said
    assert "`more.txt` is not in the card" in said


def test_a_name_that_is_too_long_names_nothing(here: Path) -> None:
    name = "a" * 195 + ".yaml"
    (here / name).write_text("apiVersion: wan-recipe/v1\nkind: base\n")
    (here / "x.yaml").write_text(RECIPE.replace("[builtin:flavours", f"[{name}-and-more, builtin:flavours"))
    with pytest.raises(RecipeError) as caught:
        resolve(here / "x.yaml")
    assert [found.code for found in caught.value.findings] == ["RCP2201"]


def test_a_line_that_is_a_repository_covers_no_other() -> None:
    assert covers("https://github.com/org", "https://github.com/org/recipes")
    assert covers("https://github.com/org/recipes.git", "https://github.com/org/recipes")
    assert not covers("https://github.com/org.git", "https://github.com/org/evil")
    assert not covers("https://github.com/org/recipes.git", "https://github.com/org/recipes/evil")


@pytest.mark.parametrize("user", ["s3cr3tt0ken", "user:p@ssw0rd", "user:pa/ssw0rd", "a:b:c@ssw0rd"])
def test_nothing_before_the_host_of_an_address_is_shown(here: Path, user: str) -> None:
    at = "@" + "0" * 40
    (here / "x.yaml").write_text(
        RECIPE.replace(
            "[builtin:flavours", f'["git+https://{user}@host.org/a/b{at}#x.yaml", builtin:flavours'
        )
    )
    with pytest.raises(RecipeError) as caught:
        resolve(here / "x.yaml")
    said = "\n".join(map(render, caught.value.findings))
    assert not any(part in said for part in ("s3cr3t", "ssw0rd"))
    assert caught.value.exit_code == 5
