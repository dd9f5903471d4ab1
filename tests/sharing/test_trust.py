"""A repository is used after a person said so; what covers it is compared as host and names, never as text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sharing.conftest import BODY, LAYER, Remote, online, program, write
from typer.testing import CliRunner

from engine import pipeline
from engine.cli import sharing
from engine.cli.main import program as command_line
from engine.endings import Interrupted
from engine.language.trust import covers, strangers, trust, trusted_origins
from engine.sharing.lock import lock

ORG = "https://github.com/org"


@pytest.mark.parametrize(("trusted", "remote"), [
    (ORG, f"{ORG}/recipes"),
    (ORG, ORG),
    (f"{ORG}/", f"{ORG}/recipes"),
    (f"{ORG}/recipes", f"{ORG}/recipes.git"),
    ("https://GitHub.com/org", f"{ORG}/recipes"),
    ("https://github.com/%6frg", f"{ORG}/recipes"),
    ("git+https://github.com/org", f"{ORG}/recipes"),
    ("ssh://git@h.org/o", "ssh://git@h.org/o/r"),
    ("https://github.com", f"{ORG}/recipes"),
    ("file:///srv/r", "file:///srv/r"),
])  # fmt: skip
def test_an_origin_covers_itself_and_what_lies_below_it(trusted: str, remote: str) -> None:
    assert covers(trusted, remote)


@pytest.mark.parametrize(("trusted", "remote"), [
    (ORG, "https://github.com/org-evil/recipes"),
    (ORG, "https://github.com/org-evil"),
    (ORG, "https://github.com/org/../evil/recipes"),
    (ORG, "https://github.com/org/%2e%2e/evil/recipes"),
    (ORG, "https://github.com/org/%2E./evil"),
    (ORG, "https://github.com/org%2f..%2fevil"),
    (ORG, "https://github.com/org/./recipes"),
    (ORG, "https://github.com//org/recipes"),
    (ORG, "https://github.com@evil.org/org/recipes"),
    (ORG, "https://github.com:pw@evil.org/org/recipes"),
    (ORG, "https://github.com.evil.org/org/recipes"),
    (ORG, "https://evil.org/https://github.com/org/recipes"),
    (ORG, "https://evil.org#github.com/org"),
    (ORG, "https://github.com/ORG/recipes"),
    (ORG, "ssh://git@github.com/org/recipes"),
    (ORG, "http://github.com/org/recipes"),
    (f"{ORG}/recipes", ORG),
    ("https://github.com/org/..", "https://github.com/evil"),
    ("https://github.com/org/%2e%2e", "https://github.com/evil"),
    ("https://", f"{ORG}/recipes"),
    ("file://", "file:///srv/r"),
    ("", f"{ORG}/recipes"),
])  # fmt: skip
def test_what_only_looks_like_an_origin_is_not_covered(trusted: str, remote: str) -> None:
    assert not covers(trusted, remote)


NAME = st.text(st.sampled_from("ab.-%2eE/@"), min_size=1, max_size=6)


@given(st.lists(NAME, max_size=4))
def test_nothing_below_another_host_or_organisation_is_ever_covered(names: list[str]) -> None:
    assert not covers(ORG, "/".join(["https://github.com/org-evil", *names]))
    assert not covers(ORG, "/".join(["https://github.com", "..", *names]))
    if covers(ORG, remote := "/".join([ORG, *names])):
        assert not {"..", "."} & set(remote.replace("%2e", ".").replace("%2E", ".").split("/"))


@pytest.fixture
def mine(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECIPE_CONFIG", str(here / "config"))
    return here


def shared(remote: Remote, here: Path) -> tuple[Path, str]:
    licensed = LAYER + "meta: {licence: CC-BY-4.0}\n"
    commit = remote.commit({"a.yaml": licensed, "b.yaml": LAYER + "train: {steps: 3}\n"})
    addresses = [f"{remote.url}@{commit}#{name}.yaml" for name in "ab"]
    return write(here, *addresses), commit


def test_a_stranger_is_described_by_what_is_used_of_it(remote: Remote, mine: Path) -> None:
    recipe, commit = shared(remote, mine)
    (stranger,) = strangers(recipe, online(mine))
    assert stranger.origin == f"file://{remote.folder}"
    assert (stranger.commits, stranger.files) == ((commit,), ("a.yaml", "b.yaml"))
    assert stranger.licences == ("CC-BY-4.0",)
    assert (stranger.span.line, stranger.span.column) == (3, 11)


def test_a_licence_cannot_speak_to_the_terminal(remote: Remote, mine: Path) -> None:
    commit = remote.commit({"a.yaml": LAYER + 'meta: {licence: "MIT\\e[2J\\r' + "x" * 200 + '"}\n'})
    (stranger,) = strangers(write(mine, f"{remote.url}@{commit}#a.yaml"), online(mine))
    assert stranger.licences[0].startswith("MIT[2Jxx")
    assert len(stranger.licences[0]) <= 80


def test_who_was_trusted_once_is_not_asked_about_again(remote: Remote, mine: Path) -> None:
    recipe, _ = shared(remote, mine)
    trust([f"file://{remote.folder}"])
    assert strangers(recipe, online(mine)) == ()
    trust(["https://h.org/x"])
    assert trusted_origins() == (f"file://{remote.folder}.git", "https://h.org/x.git")
    assert (
        (mine / "config" / "trusted-origins")
        .read_text()
        .startswith("# Repositories whose recipe layers may run")
    )


def test_a_recipe_of_ones_own_asks_nothing(mine: Path) -> None:
    recipe = write(mine, "builtin:flavours/wan2.1-t2v-micro")
    assert strangers(recipe, online(mine)) == ()


def test_where_nobody_can_be_asked_a_run_exits_5_before_anything_is_made(remote: Remote, mine: Path) -> None:
    recipe, commit = shared(remote, mine)
    done = program("run", recipe.name, "--allow-file", cwd=mine)
    assert done.returncode == 5
    assert (
        f"x.yaml:3:11: error[RCP5007]: layers of file://{remote.folder} were not used here before"
        in done.stderr
    )
    assert (
        f"read a.yaml, b.yaml at {commit[:12]}; then run with --trust file://{remote.folder}" in done.stderr
    )
    assert not (mine / "outputs").exists()
    assert not (mine / "config").exists()
    assert [path.name for path in (mine / "store" / "v1").iterdir()] == ["git"]


def run(recipe: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """Run up to the first stage; 75 says that it came so far."""

    def reached(*_: object, **__: object) -> None:
        raise Interrupted

    monkeypatch.setattr(pipeline, "run", reached)
    given_ = ["run", str(recipe), "--allow-file", "--store", str(recipe.parent / "store"), *arguments]
    done = CliRunner().invoke(command_line("run"), given_)
    assert done.exception is not None
    if isinstance(done.exception, Interrupted):
        return 75, done.output
    return getattr(done.exception, "exit_code", done.exit_code), done.output


def test_an_origin_can_be_trusted_for_one_run(
    remote: Remote, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, _ = shared(remote, mine)
    origin = f"file://{remote.folder}"
    assert run(recipe, monkeypatch, "--trust", origin)[0] == 75
    assert run(recipe, monkeypatch, "--trust", f"file://{remote.folder.parent}")[0] == 75
    assert run(recipe, monkeypatch)[0] == 5
    assert run(recipe, monkeypatch, "--trust", f"{origin}-evil")[0] == 5
    assert run(recipe, monkeypatch, "--trust", f"{origin}/..")[0] == 2


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked_once_and_shown_what_it_is_about(
    remote: Remote, mine: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    recipe, commit = shared(remote, mine)

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sharing, "sys", type("System", (), {"stdin": Terminal()}))
    monkeypatch.setattr(sharing.typer, "confirm", lambda _: answer)
    code, said = run(recipe, monkeypatch)
    assert code == (75 if answer else 5)
    for part in (f"file://{remote.folder}", commit, "a.yaml, b.yaml", "CC-BY-4.0"):
        assert part in said
    assert ("new here" in run(recipe, monkeypatch)[1]) is not answer


def test_a_run_holds_to_the_lock_as_far_as_it_is_asked(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write(mine, "builtin:flavours/wan2.1-t2v-micro")
    assert [run(recipe, monkeypatch, *said)[0] for said in ([], ["--locked"], ["--frozen"])] == [75, 6, 6]
    lock(recipe, online(mine))
    assert [run(recipe, monkeypatch, *said)[0] for said in ([], ["--locked"], ["--frozen"])] == [75, 75, 75]
    write(mine, "builtin:flavours/wan2.1-t2v-micro", body=BODY + "train: {steps: 123}\n")
    code, said = run(recipe, monkeypatch)
    assert (code, "warning[RCP5101]: `train.steps` is 123" in said) == (75, True)
    code, said = run(recipe, monkeypatch, "--frozen")
    assert (code, "RCP5101" in said) == (75, False)
    assert run(recipe, monkeypatch, "--locked")[0] == 6
    assert run(recipe, monkeypatch, "--locked", "--frozen")[0] == 2
    assert run(recipe, monkeypatch, "--locked", "--set", "train.steps=5")[0] == 6
