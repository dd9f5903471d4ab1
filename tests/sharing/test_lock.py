"""The lock: derived, the same everywhere, stale exactly where something that counts is another."""

import getpass
import os
import platform
import re
import socket
from pathlib import Path

import pytest
from sharing.conftest import BODY, HEADER, LAYER, Remote, offline, online, program, write

from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Source, plain
from engine.language.pins import lock_file
from engine.language.read import read_text
from engine.language.resolve import resolve
from engine.sharing.lock import NoSuchReference, lock, stale

MICRO = "builtin:flavours/wan2.1-t2v-micro"
ALLOWED = {"RECIPE_ALLOW_FILE": "1"}


def flavour(number: int) -> str:
    return f"{LAYER}train: {{adapter: {{rank: {number}}}}}\n"


def facts(recipe: Path) -> dict:
    text = lock_file(recipe).read_text()
    node, findings = read_text(Source("lock", text, recipe.parent))
    assert findings == []
    return plain(node)


def reasons(recipe: Path) -> list[str]:
    return [found.message for found in stale(recipe, offline(recipe.parent))]


def failing(recipe: Path, call=stale) -> Diagnostic:
    with pytest.raises(RecipeError) as caught:
        call(recipe, offline(recipe.parent))
    return caught.value.findings[0]


def test_a_branch_stays_at_the_commit_of_the_lock_until_it_is_upgraded(remote: Remote, here: Path) -> None:
    old = remote.commit({"a.yaml": flavour(3)})
    recipe = write(here, f"{remote.url}@main#a.yaml")
    lock(recipe, online(here))
    new = [remote.commit({"a.yaml": flavour(number)}, f"Rank {number}") for number in (4, 5)][-1]
    assert resolve(recipe, (), online(here)).recipe.train.adapter.rank == 3
    assert lock(recipe, online(here)).moves == ()
    assert resolve(recipe, (), offline(here)).recipe.train.adapter.rank == 3
    (move,) = lock(recipe, online(here), upgrade=[]).moves
    assert (move.old, move.new) == (old, new)
    assert [line.partition(" ")[2] for line in move.log] == ["Rank 5", "Rank 4"]
    assert resolve(recipe, (), offline(here)).recipe.train.adapter.rank == 5


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_is_the_commit_that_it_names(remote: Remote, here: Path, annotated: bool) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    remote.git("tag", *(["-a", "-m", "one"] if annotated else []), "v1")
    remote.commit({"a.yaml": flavour(4)})
    recipe = write(here, f"{remote.url}@v1#a.yaml")
    lock(recipe, online(here))
    assert facts(recipe)["layers"][-2]["commit"] == commit


def test_one_reference_can_be_upgraded_by_its_name(tmp_path: Path, remote: Remote, here: Path) -> None:
    other = Remote(tmp_path / "other")
    for repository in (remote, other):
        repository.commit({"a.yaml": flavour(3), "b.yaml": flavour(3)})
    recipe = write(here, f"{remote.url}@main#a.yaml", f"{other.url}@main#b.yaml")
    lock(recipe, online(here))
    for repository in (remote, other):
        repository.commit({"a.yaml": flavour(4), "b.yaml": flavour(4)})
    assert [move.address.file for move in lock(recipe, online(here), upgrade=["b"]).moves] == ["b.yaml"]
    before = lock_file(recipe).read_bytes()
    with pytest.raises(NoSuchReference, match=r"known: .*@main#a\.yaml"):
        lock(recipe, online(here), upgrade=["c"])
    assert lock_file(recipe).read_bytes() == before
    assert [move.address.file for move in lock(recipe, online(here), upgrade=["remote"]).moves] == ["a.yaml"]


def test_two_files_of_a_branch_are_of_one_commit(remote: Remote, here: Path) -> None:
    remote.commit({"a.yaml": flavour(3), "b.yaml": flavour(4)})
    recipe = write(here, f"{remote.url}@main#a.yaml", f"{remote.url}@main#b.yaml")
    lock(recipe, online(here))
    assert len({layer["commit"] for layer in facts(recipe)["layers"] if "commit" in layer}) == 1


def test_a_lock_says_what_it_holds(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    (here / "mine.yaml").write_text(LAYER)
    recipe = write(here, f"{remote.url}@main#a.yaml", "mine.yaml")
    lock(recipe, online(here))
    held = facts(recipe)
    ours = {layer["ref"]: layer for layer in held["layers"]}
    asked = ours[f"{remote.url}@main#a.yaml"]
    assert (asked["commit"], asked["blob"]) == (commit, remote.git("rev-parse", f"{commit}:a.yaml"))
    assert {"builtin:base/wan", MICRO, "mine.yaml"} < set(ours)
    assert all(re.fullmatch("b3:[0-9a-f]{64}", layer["digest"]) for layer in held["layers"])
    assert (held["version"], held["values"]["train.adapter.rank"]) == (1, 3)
    assert list(held["values"]) == sorted(held["values"])
    assert lock_file(recipe).read_text().startswith("# Derived from x.yaml by `recipe lock`: do not edit")


def test_repositories_of_the_hub_are_named_with_their_commit_where_it_is_known(here: Path) -> None:
    commit = "0123456789" * 4
    recipe = write(here, "builtin:flavours/wan2.1-t2v-1.3b", body=BODY.replace(
        "{kind: drawn, clips: 2, seed: 0}", "{kind: hub, repository: a/b, revision: main}"))  # fmt: skip
    lock(recipe, online(here))
    held = facts(recipe)
    assert held["datasets"] == [{"id": "a/b", "requested": "main", "commit": None}]
    recipe.write_text(recipe.read_text().replace("main}", commit + "}"))
    lock(recipe, online(here))
    assert facts(recipe)["datasets"] == [{"id": "a/b", "requested": commit, "commit": commit}]
    assert [model["id"] for model in held["models"]] == ["Wan-AI/Wan2.1-T2V-1.3B-Diffusers"]


def test_twice_gives_the_same_bytes_and_in_another_folder_as_well(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "parts").mkdir(parents=True)
        (folder / "parts" / "mine.yaml").write_text(flavour(3))
        recipe = write(
            folder, "parts/mine.yaml", body=BODY.replace("a cat", '"a\\u2028cat \\U0001F408, \\x85 \\t"')
        )
        assert lock(recipe, online(folder)).changed
        texts.append(lock_file(recipe).read_bytes())
        assert not lock(recipe, online(folder)).changed
        assert lock_file(recipe).read_bytes() == texts[-1]
        assert reasons(recipe) == []
    assert texts[0] == texts[1]


def test_a_lock_holds_nothing_of_the_machine_or_of_the_time(here: Path) -> None:
    recipe = write(
        here,
        MICRO,
        body="data: {source: {kind: folder, path: /srv/private/clips}}\nsample: {prompts: {cat: a cat}}\n",
    )
    lock(recipe, online(here))
    text = lock_file(recipe).read_text()
    assert re.findall(r"(?<![\w.:/])/\w+/|[A-Z]:\\|~/", text) == []
    assert re.findall(r"20\d\d-\d\d|\d\d:\d\d", text) == []
    machine = {
        socket.gethostname(),
        platform.system(),
        platform.machine(),
        platform.python_version(),
        str(here),
        os.sep + "srv",
    }
    assert [word for word in machine if len(word) > 3 and word.lower() in text.lower()] == []
    assert getpass.getuser() not in re.findall(r"\w+", text.partition("values:")[0])


FREE = {
    "a label": ("sample:", "title: Another\nsample:"),
    "a free note": ("sample:", "meta: {seen: yes}\nsample:"),
    "a comment": ("sample:", "# a note\nsample:"),
    "a runtime word": ("sample:", "train: {checkpoints: {every: 7}}\nsample:"),
    "the place of the clips": ("path: clips", "path: elsewhere"),
    "the order of words": ("data: {source: {kind: folder, path: clips}}\nsample: {prompts: {cat: a cat}}\n",
                           "sample: {prompts: {cat: a cat}}\ndata: {source: {kind: folder, path: clips}}\n"),
}  # fmt: skip
COUNTS = {
    "a word": ("sample:", "train: {steps: 123}\nsample:", "`train.steps` is 123; x.lock.yaml says"),
    "a prompt": ("a cat", "a dog", '`sample.prompts.cat` is "a dog"; x.lock.yaml says "a cat"'),
    "a word that is new": ("{cat: a cat}", "{cat: a cat, dog: a dog}", '`sample.prompts.dog` is "a dog"; x.lock.yaml says not set'),
    "another hardware": ("hardware/cpu", "hardware/rtx-4090-24gb", "does not know the layer builtin:hardware/rtx-4090-24gb"),
    "a word that says what was inherited": ("sample:", "train: {adapter: {rank: 16}}\nsample:", "x.yaml says more or less"),
}  # fmt: skip


def folder_recipe(here: Path) -> Path:
    return write(
        here, MICRO, body="data: {source: {kind: folder, path: clips}}\nsample: {prompts: {cat: a cat}}\n"
    )


@pytest.mark.parametrize(("old", "new"), FREE.values(), ids=FREE)
def test_what_does_not_count_does_not_make_a_lock_stale(here: Path, old: str, new: str) -> None:
    recipe = folder_recipe(here)
    lock(recipe, online(here))
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))
    assert reasons(recipe) == []
    assert not lock(recipe, online(here)).changed


@pytest.mark.parametrize(("old", "new", "why"), COUNTS.values(), ids=COUNTS)
def test_what_counts_makes_a_lock_stale_and_is_named(here: Path, old: str, new: str, why: str) -> None:
    recipe = folder_recipe(here)
    lock(recipe, online(here))
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))
    assert any(why in reason for reason in reasons(recipe)), reasons(recipe)
    lock(recipe, online(here))
    assert reasons(recipe) == []


def test_a_layer_that_changed_is_named_where_its_words_come_to_the_same(here: Path) -> None:
    (here / "mine.yaml").write_text(LAYER + "train: {adapter: {rank: 3}}\n")
    recipe = write(here, "mine.yaml", body=BODY + "train: {adapter: {rank: 4}}\n")
    lock(recipe, online(here))
    (here / "mine.yaml").write_text(LAYER + "train: {adapter: {rank: 5}}\n")
    assert reasons(recipe) == ["the layer mine.yaml is not the one of x.lock.yaml"]


def test_a_newer_version_is_refused_and_a_newer_revision_is_read(here: Path) -> None:
    recipe = write(here, MICRO)
    lock(recipe, online(here))
    good = lock_file(recipe).read_text()
    lock_file(recipe).write_text(good.replace("revision: 0", "revision: 7\nunheard: {of: 1}"))
    assert reasons(recipe) == []
    newer = good.replace("version: 1", "version: 2")
    lock_file(recipe).write_text(newer)
    for call in (stale, lock):
        found = failing(recipe, call)
        assert (found.code, found.help, found.span.line) == ("RCP5103", "upgrade the program", 2)
    assert lock_file(recipe).read_text() == newer


def test_a_lock_with_the_marks_of_a_merge_is_written_anew(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": flavour(3)})
    recipe = write(here, f"{remote.url}@main#a.yaml")
    lock(recipe, online(here))
    good = lock_file(recipe).read_text()
    line = good.splitlines()[4]
    lock_file(recipe).write_text(good.replace(line, f"<<<<<<< ours\n{line}\n=======\n{line}\n>>>>>>> theirs"))
    found = failing(recipe)
    assert (found.code, "merge conflict" in found.message) == ("RCP5102", True)
    assert found.help == "it is derived: run `recipe lock x.yaml`"
    lock(recipe, online(here))
    assert lock_file(recipe).read_text() == good
    assert facts(recipe)["layers"][-2]["commit"] == commit


def test_a_file_of_that_name_that_is_no_lock_is_left_alone(here: Path) -> None:
    recipe = write(here, MICRO)
    lock_file(recipe).write_text("mine: 1\n")
    assert failing(recipe, lock).code == "RCP5102"
    assert lock_file(recipe).read_text() == "mine: 1\n"


@pytest.mark.parametrize("text", ["mine: [\n", "- mine\n", "mine: 1\n", ""])
def test_whoever_meets_a_file_of_that_name_says_the_same_way_out(
    remote: Remote, here: Path, text: str
) -> None:
    remote.commit({"a.yaml": flavour(3)})
    write(here, f"{remote.url}@main#a.yaml")
    (here / "x.lock.yaml").write_text(text)
    for said in (["validate", "x.yaml"], ["lock", "x.yaml"], ["lock", "x.yaml", "--check"]):
        done = program(*said, cwd=here, **ALLOWED)
        assert (done.returncode, "RCP5102" in done.stderr) == (6, True), said
        assert "call it something else, or take it away" in done.stderr
        assert "run `recipe lock" not in done.stderr
    assert (here / "x.lock.yaml").read_text() == text


@pytest.mark.parametrize("text", ["<<<<<<< ours\n", "mine: [\n"])
def test_a_torn_lock_is_written_anew_as_it_is_said(remote: Remote, here: Path, text: str) -> None:
    remote.commit({"a.yaml": flavour(3)})
    recipe = write(here, f"{remote.url}@main#a.yaml")
    lock(recipe, online(here))
    lock_file(recipe).write_text(lock_file(recipe).read_text() + text)
    assert "run `recipe lock x.yaml`" in program("validate", "x.yaml", cwd=here, **ALLOWED).stderr
    assert program("lock", "x.yaml", cwd=here, **ALLOWED).returncode == 0
    assert program("validate", "x.yaml", cwd=here, **ALLOWED).returncode == 0


def test_a_link_in_place_of_a_lock_is_not_written_through(here: Path) -> None:
    recipe = write(here, MICRO)
    lock(recipe, online(here))
    (here / "precious").write_bytes(lock_file(recipe).read_bytes() + b"# mine\n")
    before = (here / "precious").read_bytes()
    lock_file(recipe).unlink()
    lock_file(recipe).symlink_to(here / "precious")
    assert lock(recipe, online(here)).changed
    assert (here / "precious").read_bytes() == before
    lock_file(recipe).unlink()
    os.mkfifo(lock_file(recipe))
    assert failing(recipe).code == "RCP5102"


def test_a_recipe_that_is_wrong_is_not_locked(here: Path) -> None:
    recipe = write(here, MICRO, body=BODY + "train: {adapter: {rnk: 1}}\n")
    assert failing(recipe, lock).code == "RCP2001"
    assert not lock_file(recipe).exists()


def test_the_program_locks_checks_and_refuses(remote: Remote, here: Path) -> None:
    remote.commit({"a.yaml": flavour(3)})
    recipe = write(here, f"{remote.url}@main#a.yaml")
    done = program("validate", "x.yaml", cwd=here, **ALLOWED)
    assert (done.returncode, "run `recipe lock x.yaml`" in done.stderr) == (5, True)
    assert program("lock", "x.yaml", "--check", cwd=here, **ALLOWED).returncode == 6
    done = program("lock", "x.yaml", "--allow-file", cwd=here)
    assert (done.returncode, done.stdout) == (0, "x.lock.yaml: written, 4 layers\n")
    assert program("validate", "x.yaml", cwd=here, **ALLOWED).returncode == 0
    assert program("lock", "x.yaml", "--check", cwd=here, **ALLOWED).stdout == "x.lock.yaml: up to date\n"
    remote.commit({"a.yaml": flavour(4)}, "Rank four")
    done = program("lock", "x.yaml", "--upgrade", "a", cwd=here, **ALLOWED)
    assert re.search(r"@main#a.yaml: \w{12} → \w{12}\n  \w+ Rank four\nx.lock.yaml: written", done.stdout)
    assert program("lock", "x.yaml", "--upgrade", "b", cwd=here, **ALLOWED).returncode == 2
    assert program("lock", "x.yaml", "a", cwd=here, **ALLOWED).returncode == 2
    recipe.write_text(recipe.read_text() + "train: {steps: 123}\n")
    done = program("lock", "x.yaml", "--check", cwd=here, **ALLOWED)
    assert done.returncode == 6
    assert "x.yaml:6:16: error[RCP5101]: `train.steps` is 123; x.lock.yaml says" in done.stderr


def test_a_check_without_a_lock_exits_6(here: Path) -> None:
    write(here, MICRO)
    done = program("lock", "x.yaml", "--check", cwd=here)
    assert (done.returncode, "there is no x.lock.yaml" in done.stderr) == (6, True)


def test_the_header_of_a_lock_is_yaml_that_people_can_read(here: Path) -> None:
    recipe = write(here, MICRO)
    lock(recipe, online(here))
    lines = lock_file(recipe).read_text().splitlines()
    assert max(map(len, lines)) < 300
    assert HEADER.strip() not in lines
