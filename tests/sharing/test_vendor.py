"""A vendored copy stands alone and comes to the same."""

import shutil
from pathlib import Path

import pytest
from sharing.conftest import BODY, HEADER, LAYER, Remote, offline, online, program, write

from engine.language.files import Access
from engine.language.overrides import Override
from engine.language.resolve import Resolved, resolve
from engine.pipeline import plan
from engine.sharing.lock import lock, stale
from engine.sharing.vendor import vendor


def keys(recipe: Path, store: Path, access: Access) -> list[str | None]:
    made, _, _ = plan(recipe, (), store, access)
    return [step.key for step in made.steps]


def rich(remote: Remote, here: Path) -> Path:
    """A recipe with layers of every kind: builtin, beside, below, above, of a branch, of a commit, and a fragment."""
    base = remote.commit({"base/b.yaml": f"# a base\n{LAYER}train: {{adapter: {{rank: 3}}}}\n"})
    remote.commit(
        {
            "flavours/a.yaml": f"{HEADER}kind: flavour\nextends: [../base/b.yaml]   # ours\ntrain: {{steps: 33}}\n"
        }
    )
    (here.parent / "up.yaml").write_text(LAYER + "train: {batch_size: 2}\n")
    (here / "parts").mkdir()
    (here / "parts" / "down.yaml").write_text(
        f"{HEADER}kind: flavour\nextends: ['{remote.url}@{base}#base/b.yaml']\n"
    )
    (here / "parts" / "prompts.yaml").write_text(
        f"{HEADER}kind: fragment\nsample: {{prompts: {{dog: a dog}}}}\n"
    )
    recipe = write(here, f"{remote.url}@main#flavours/a.yaml", "../up.yaml", "parts/down.yaml", body=BODY.replace(
        "{prompts: {cat: a cat}}", "{$include: parts/prompts.yaml, prompts: {cat: a cat}}"))  # fmt: skip
    lock(recipe, online(here))
    return recipe


def test_a_copy_needs_nothing_else_and_leads_to_the_same_keys(
    remote: Remote, here: Path, tmp_path: Path
) -> None:
    recipe = rich(remote, here)
    known = resolve(recipe, (), offline(here)).values
    before = keys(recipe, tmp_path / "nowhere", offline(here))
    assert any(before)
    vendor(recipe, tmp_path / "copy", offline(here))
    for gone in (remote.folder, here):
        shutil.rmtree(gone)
    (tmp_path / "up.yaml").unlink()
    copy = (tmp_path / "copy").rename(tmp_path / "elsewhere") / "x.yaml"
    assert resolve(copy).values == known
    assert known["sample"]["prompts"] == {"cat": "a cat", "dog": "a dog"}
    assert keys(copy, tmp_path / "nowhere", Access()) == before
    assert stale(copy, Access()) == ()


def test_only_names_are_written_anew(remote: Remote, here: Path, tmp_path: Path) -> None:
    recipe = rich(remote, here)
    made = vendor(recipe, tmp_path / "copy", offline(here))
    commit, base = remote.git("rev-parse", "HEAD")[:12], remote.git("rev-parse", "HEAD~1")[:12]
    inside = f"layers/{str(remote.folder).strip('/')}"
    assert set(made.files) == {
        "x.yaml", "x.lock.yaml", "parts/down.yaml", "parts/prompts.yaml", "layers/local/up.yaml", f"{inside}/{commit}/flavours/a.yaml",
        f"{inside}/{commit}/base/b.yaml", f"{inside}/{base}/base/b.yaml", "layers/builtin/base/wan.yaml",
        "layers/builtin/flavours/wan2.1-t2v-micro.yaml", "layers/builtin/hardware/cpu.yaml",
    }  # fmt: skip
    text = (tmp_path / "copy" / f"{inside}/{commit}/flavours/a.yaml").read_text().splitlines()
    assert text[0] == f"# From {remote.url}@{remote.git('rev-parse', 'HEAD')}#flavours/a.yaml"
    assert text[1:] == (remote.folder / "flavours" / "a.yaml").read_text().splitlines()
    assert (tmp_path / "copy/parts/prompts.yaml").read_bytes() == (here / "parts/prompts.yaml").read_bytes()
    lines = (tmp_path / "copy" / "x.yaml").read_text().splitlines()
    assert [line for line in lines if "extends" not in line] == [
        line for line in recipe.read_text().splitlines() if "extends" not in line
    ]
    assert "git+" not in "".join(lines)


def test_a_folder_that_a_shared_layer_names_stays_beside_the_recipe(
    remote: Remote, here: Path, tmp_path: Path
) -> None:
    commit = remote.commit({"deep/a.yaml": LAYER + "data: {source: {kind: folder, path: clips}}\n"})
    recipe = write(here, f"{remote.url}@{commit}#deep/a.yaml", body="sample: {prompts: {cat: a cat}}\n")
    resolve(recipe, (), online(here))
    made = vendor(recipe, tmp_path / "copy", offline(here))
    assert resolve(tmp_path / "copy" / "x.yaml").values["data"]["source"]["path"] == str(
        tmp_path / "copy" / "clips"
    )
    assert made.places == (("data.source.path", str(here / "clips")),)


def test_what_is_there_is_not_written_over(here: Path, tmp_path: Path) -> None:
    recipe = write(here, "builtin:flavours/wan2.1-t2v-micro")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(FileExistsError):
        vendor(recipe, tmp_path / "full", offline(here))
    done = program("vendor", "x.yaml", "-o", "../full", cwd=here)
    assert (done.returncode, "is there already" in done.stderr) == (2, True)
    assert {path.name for path in tmp_path.iterdir()} == {"here", "full"}
    (tmp_path / "empty").mkdir()
    assert "x.yaml" in vendor(recipe, tmp_path / "empty", offline(here)).files


def test_a_name_that_cannot_be_replaced_stops_the_copy_before_anything_is_written(
    here: Path, tmp_path: Path
) -> None:
    recipe = write(here, "builtin:flavours/wan2.1-t2v-micro")
    recipe.write_text(recipe.read_text().replace('"builtin:hardware/cpu"', '&a "builtin:hardware/cpu"'))
    done = program("vendor", "x.yaml", "-o", "../copy", cwd=here)
    assert (done.returncode, "x.yaml:3:" in done.stderr) == (1, True)
    assert not (tmp_path / "copy").exists()


def test_the_program_says_what_it_copied_and_what_not(here: Path) -> None:
    (here / "clips").mkdir()
    write(
        here,
        "builtin:flavours/wan2.1-t2v-micro",
        body=BODY.replace("{kind: drawn, clips: 2, seed: 0}", "{kind: folder, path: clips}"),
    )
    done = program("vendor", "x.yaml", "-o", "copy", cwd=here)
    assert done.returncode == 0
    assert "  copy/layers/builtin/base/wan.yaml\n" in done.stdout
    assert f"not copied: `data.source.path` says {here / 'clips'}" in done.stdout
    assert program("validate", "copy/x.yaml", cwd=here).returncode == 0


def test_overrides_still_lie_on_top_of_a_copy(here: Path, tmp_path: Path) -> None:
    recipe = write(here, "builtin:flavours/wan2.1-t2v-micro")
    vendor(recipe, tmp_path / "copy", offline(here))
    made: Resolved = resolve(tmp_path / "copy" / "x.yaml", [Override("--set", "train.steps=7")])
    assert made.recipe.train.steps == 7
