"""Layers of repositories: read at exactly one commit, from a cache that is believed only as far as it adds up."""

import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from sharing.conftest import BODY, HEADER, LAYER, Remote, offline, online, program, refused, write

from engine.language.address import Refused
from engine.language.files import Access
from engine.language.git import commit_of
from engine.language.resolve import resolve


def rank(recipe: Path, access: Access) -> int:
    return resolve(recipe, (), access).recipe.train.adapter.rank


def flavour(number: int) -> str:
    return f"{LAYER}train: {{adapter: {{rank: {number}}}}}\n"


def test_a_layer_of_a_commit_is_read_and_stays_readable_when_its_repository_is_gone(
    remote: Remote, here: Path
) -> None:
    first = remote.commit({"flavours/a.yaml": flavour(3)})
    remote.commit({"flavours/a.yaml": flavour(5)})
    recipe = write(here, f"{remote.url}@{first}#flavours/a.yaml")
    assert rank(recipe, online(here)) == 3
    shutil.rmtree(remote.folder)
    assert rank(recipe, offline(here)) == 3


@pytest.mark.parametrize("filters", ["true", "false"])
def test_a_server_that_cannot_leave_files_out_serves_as_well(
    remote: Remote, here: Path, filters: str
) -> None:
    remote.git("config", "uploadpack.allowFilter", filters)
    commit = remote.commit({"a.yaml": flavour(3), "big.bin": "x" * 100_000})
    assert rank(write(here, f"{remote.url}@{commit}#a.yaml"), online(here)) == 3


def test_only_the_file_that_is_named_is_fetched(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": flavour(3), "clips/big.bin": "".join(map(str, range(200_000)))})
    resolve(write(here, f"{remote.url}@{commit}#a.yaml"), (), online(here))
    held = sum(path.stat().st_size for path in (here / "store").rglob("*") if path.is_file())
    assert held < 20_000


def test_a_repository_with_long_names_serves_as_well(tmp_path: Path, here: Path) -> None:
    remote = Remote(tmp_path / "sha256", "sha256")
    commit = remote.commit({"a.yaml": flavour(3)})
    assert len(commit) == 64
    recipe = write(here, f"{remote.url}@{commit}#a.yaml")
    assert rank(recipe, online(here)) == rank(recipe, offline(here)) == 3


def test_what_was_not_fetched_says_so_and_reading_never_fetches(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    found = refused(write(here, f"{remote.url}@{commit}#a.yaml"), offline(here))
    assert (found.code, found.span.line, found.span.column) == ("RCP5104", 3, 11)
    assert "recipe lock" in found.help
    assert not (here / "store").exists()


def test_relative_names_stay_in_the_repository_at_the_commit(remote: Remote, here: Path) -> None:
    (here / "base.yaml").write_text(flavour(99))
    commit = remote.commit(
        {"base.yaml": flavour(3), "flavours/a.yaml": f"{HEADER}kind: flavour\nextends: [../base.yaml]\n"}
    )
    remote.commit({"base.yaml": flavour(5)})
    recipe = write(here, f"{remote.url}@{commit}#flavours/a.yaml")
    made = resolve(recipe, (), online(here))
    assert made.recipe.train.adapter.rank == 3
    assert f"{remote.url}@{commit}#base.yaml" in made.layers
    assert rank(recipe, offline(here)) == 3


def test_a_finding_in_a_layer_from_elsewhere_names_its_address_and_line(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": f"{LAYER}train: {{adapter: {{rnk: 3}}}}\n"})
    address = f"{remote.url}@{commit}#a.yaml"
    found = refused(write(here, address), online(here))
    assert str(found.span) == f"{address}:4:19"


def test_a_commit_that_does_not_exist_says_what_git_said(remote: Remote, here: Path) -> None:
    remote.commit({"a.yaml": flavour(3)})
    found = refused(write(here, f"{remote.url}@{'0' * 40}#a.yaml"), online(here))
    assert found.code == "RCP5104"
    assert str(remote.folder) in found.message


def test_a_file_that_a_commit_does_not_have_is_a_layer_that_is_not_there(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    found = refused(write(here, f"{remote.url}@{commit}#b.yaml"), online(here))
    assert (found.code, f"no file `b.yaml` at {commit[:12]}" in found.message) == ("RCP2201", True)


@pytest.mark.parametrize(
    ("asked", "near"),
    [("flavours/inkk.yaml", "flavours/ink.yaml"), ("flavour/ink.yaml", "flavours"), ("flavours/clay.yaml", ""), ("x/y/z", "")],
)  # fmt: skip
def test_a_file_that_is_not_there_is_told_a_near_one(
    remote: Remote, here: Path, asked: str, near: str
) -> None:
    commit = remote.commit({"flavours/ink.yaml": flavour(3), "flavours/oil.yaml": flavour(3)})
    found = refused(write(here, f"{remote.url}@{commit}#{asked}"), online(here))
    assert (found.code, found.help) == ("RCP2201", f"did you mean `{near}`?" if near else "")


@pytest.mark.parametrize(("asked", "near"), [("mian", "main"), ("v1.O", "v1.0"), ("winter", "")])
def test_a_branch_or_tag_that_is_not_there_is_told_a_near_one(remote: Remote, asked: str, near: str) -> None:
    remote.commit({"a.yaml": flavour(3)})
    remote.git("tag", "-a", "v1.0", "-m", "first")
    with pytest.raises(Refused) as caught:
        commit_of(f"file://{remote.folder}", asked)
    assert (caught.value.code, caught.value.help) == ("RCP5104", f"did you mean `{near}`?" if near else "")


def test_a_commit_that_is_cut_short_is_told_its_other_digits(remote: Remote, here: Path) -> None:
    first = remote.commit({"a.yaml": flavour(3)})
    last = remote.commit({"a.yaml": flavour(4)})
    for commit, more in ((last, f": {last}"), (first, "")):  # a remote tells only where its branches are
        # the digits of a commit are chance: without one of 0 to 9 among them they could be a word
        short = next(commit[:n] for n in range(7, 40) if any(sign.isdigit() for sign in commit[:n]))
        with pytest.raises(Refused) as caught:
            commit_of(f"file://{remote.folder}", short)
        assert caught.value.help == f"a commit is written with all its 40 digits{more}"
        found = refused(write(here, f"{remote.url}@{short}#a.yaml"), offline(here))
        assert (found.code, "all its 40 digits" in found.help) == ("RCP5006", True)


def test_a_branch_whose_name_could_be_digits_of_a_commit_is_a_branch(remote: Remote) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    remote.git("branch", "deadbeef1")
    assert commit_of(f"file://{remote.folder}", "deadbeef1") == commit


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_an_object_that_was_changed_in_the_cache_is_not_believed(
    remote: Remote, here: Path, kind: str
) -> None:
    commit = remote.commit({"flavours/a.yaml": flavour(3)})
    evil = remote.commit({"flavours/a.yaml": flavour(666)})
    recipe = write(here, f"{remote.url}@{commit}#flavours/a.yaml")
    resolve(recipe, (), online(here))
    (cache,) = (here / "store").rglob("*.git")
    names = {"commit": "", "tree": "^{tree}", "blob": ":flavours/a.yaml"}
    good, bad = (remote.git("rev-parse", f"{at}{names[kind]}") for at in (commit, evil))
    everything = [line.split()[0] for line in remote.git("rev-list", "--objects", commit, evil).splitlines()]
    shutil.rmtree(cache / "objects" / "pack")
    for oid in everything:
        source = remote.folder / ".git" / "objects" / oid[:2] / oid[2:]
        place = cache / "objects" / oid[:2] / oid[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(source.read_bytes())
        place.chmod(0o600)
    assert rank(recipe, offline(here)) == 3
    forged = (remote.folder / ".git" / "objects" / bad[:2] / bad[2:]).read_bytes()
    assert zlib.decompress(forged).startswith(kind.encode())
    (cache / "objects" / good[:2] / good[2:]).write_bytes(forged)
    found = refused(recipe, offline(here))
    assert (found.code, "damaged" in found.message) == ("RCP5008", True)


def test_a_layer_from_elsewhere_may_extend_another_repository_at_a_commit_only(
    tmp_path: Path, remote: Remote, here: Path
) -> None:
    other = Remote(tmp_path / "other")
    base = other.commit({"base.yaml": flavour(4)})
    pinned = remote.commit({"a.yaml": f'{HEADER}kind: flavour\nextends: ["{other.url}@{base}#base.yaml"]\n'})
    assert rank(write(here, f"{remote.url}@{pinned}#a.yaml"), online(here)) == 4
    moving = remote.commit({"a.yaml": f'{HEADER}kind: flavour\nextends: ["{other.url}@main#base.yaml"]\n'})
    found = refused(write(here, f"{remote.url}@{moving}#a.yaml"), online(here))
    assert (found.code, found.span.line) == ("RCP5006", 3)
    assert "#a.yaml:3:11" in str(found.span)


def test_a_reference_that_can_move_needs_a_lock_even_where_the_network_may_be_used(
    remote: Remote, here: Path
) -> None:
    remote.commit({"a.yaml": flavour(3)})
    found = refused(write(here, f"{remote.url}@main#a.yaml"), online(here))
    assert (found.code, "run `recipe lock x.yaml`" in found.help) == ("RCP5006", True)


def test_chains_of_repositories_end(remote: Remote, here: Path) -> None:
    files = {f"{n}.yaml": f"{HEADER}kind: flavour\nextends: [{n + 1}.yaml]\n" for n in range(9)} | {
        "9.yaml": flavour(3)
    }
    commit = remote.commit(files)
    assert rank(write(here, f"{remote.url}@{commit}#2.yaml"), online(here)) == 3
    found = refused(write(here, f"{remote.url}@{commit}#1.yaml"), online(here))
    assert (found.code, "more than 8" in found.message) == ("RCP5005", True)


def test_a_missing_git_says_what_to_install(
    remote: Remote, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    recipe = write(here, f"{remote.url}@{commit}#a.yaml")
    monkeypatch.setenv("PATH", str(here))
    found = refused(recipe, online(here))
    assert (found.code, "install" in found.help) == ("RCP5105", True)
    done = program("validate", "x.yaml", cwd=here, PATH=str(here), RECIPE_ALLOW_FILE="1")
    assert (done.returncode, "RCP5105" in done.stderr) == (8, True)


def test_a_shared_layer_may_name_a_folder_beside_the_recipe(remote: Remote, here: Path) -> None:
    commit = remote.commit({"deep/a.yaml": LAYER + "data: {source: {kind: folder, path: clips}}\n"})
    recipe = write(here, f"{remote.url}@{commit}#deep/a.yaml", body="sample: {prompts: {cat: a cat}}\n")
    assert resolve(recipe, (), online(here)).recipe.data.source.path == str(here / "clips")


@pytest.mark.parametrize(
    "path", ["/etc", "~/clips", "../clips", "$HOME/clips", "${env:HOME}", "C:\\clips", "\\\\host\\clips"]
)
def test_a_layer_from_elsewhere_does_not_say_where_things_lie(remote: Remote, here: Path, path: str) -> None:
    commit = remote.commit({"a.yaml": LAYER + f"data: {{source: {{kind: folder, path: '{path}'}}}}\n"})
    found = refused(write(here, f"{remote.url}@{commit}#a.yaml", body=BODY), online(here))
    assert (found.code, found.path, found.span.line) == ("RCP5004", "data.source.path", 4)


APART = ["unshare", "--user", "--map-root-user", "--net"]  # a network namespace without any route
NO_NAMESPACES = (
    not shutil.which("unshare")
    or subprocess.run([*APART, "true"], capture_output=True, check=False).returncode
)


@pytest.mark.skipif(bool(NO_NAMESPACES), reason="network namespaces are not to be had here")
def test_what_was_fetched_is_all_that_validating_and_planning_need(remote: Remote, here: Path) -> None:
    remote.commit({"a.yaml": flavour(3)})
    write(here, f"{remote.url}@main#a.yaml")
    assert program("lock", "x.yaml", cwd=here, RECIPE_ALLOW_FILE="1").returncode == 0
    shutil.rmtree(remote.folder)
    for said in (["validate", "x.yaml"], ["plan", "x.yaml"], ["resolve", "x.yaml"], ["lock", "x.yaml", "--check"],
                 ["why", "train.adapter.rank", "x.yaml"], ["vendor", "x.yaml", "-o", "copy"]):  # fmt: skip
        done = program(*said, cwd=here, before=APART, RECIPE_ALLOW_FILE="1")
        assert done.returncode == 0, (said, done.stderr)
