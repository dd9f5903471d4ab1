"""What a stranger's recipe may try. Each is refused at its place, by a code of exit 5, and nothing is written."""

from pathlib import Path

import pytest
from sharing.conftest import HEADER, LAYER, Remote, offline, online, program, refused, write

from engine.language.address import Refused, parse_address
from engine.language.codes import CODES
from engine.language.files import Access
from engine.language.resolve import resolve

COMMIT = "0123456789" * 4

ADDRESSES = {
    "up and out of the repository": (f"git+https://h.org/o/r@{COMMIT}#../../x", "RCP5002"),
    "up in the middle": (f"git+https://h.org/o/r@{COMMIT}#a/../../x", "RCP5002"),
    "an absolute path": (f"git+https://h.org/o/r@{COMMIT}#/etc/passwd", "RCP5002"),
    "a home": (f"git+https://h.org/o/r@{COMMIT}#~/x.yaml", "RCP5002"),
    "dots in percent": (f"git+https://h.org/o/r@{COMMIT}#%2e%2e/x", "RCP5002"),
    "a backslash": (f"git+https://h.org/o/r@{COMMIT}#..\\\\x", "RCP5002"),
    "a helper of git": (f"ext::sh -c touch% pwned@{COMMIT}#x.yaml", "RCP5001"),
    "a helper of git, dressed up": (f"git+ext::sh@{COMMIT}#x.yaml", "RCP5001"),
    "a helper of git as a protocol": (f"git+ext://sh@{COMMIT}#x.yaml", "RCP5001"),
    "an option": (f"-u./evil.sh@{COMMIT}#x.yaml", "RCP5001"),
    "an option after a protocol": (f"git+https://-uevil/o/r@{COMMIT}#x.yaml", "RCP5001"),
    "an option to ssh": (f"git+ssh://-oProxyCommand=evil/o/r@{COMMIT}#x.yaml", "RCP5001"),
    "an option as a folder": (f"git+https://h.org/--upload-pack=evil/r@{COMMIT}#x.yaml", "RCP5001"),
    "an option as a reference": ("git+https://h.org/o/r@--upload-pack=evil#x.yaml", "RCP5001"),
    "a range as a reference": ("git+https://h.org/o/r@main..x#x.yaml", "RCP5001"),
    "clear text": (f"git+http://h.org/o/r@{COMMIT}#x.yaml", "RCP5001"),
    "clear text of git": (f"git+git://h.org/o/r@{COMMIT}#x.yaml", "RCP5001"),
    "no git": ("https://h.org/x.yaml", "RCP5001"),
    "this machine": (f"git+file:///srv/r@{COMMIT}#x.yaml", "RCP5001"),
    "this machine as a host": (f"git+file://host/srv/r@{COMMIT}#x.yaml", "RCP5001"),
    "a plain file": ("file:///etc/passwd", "RCP5001"),
    "the short form of ssh": (f"git@h.org:o/r@{COMMIT}#x.yaml", "RCP5001"),
    "a user": (f"git+https://bob@h.org/o/r@{COMMIT}#x.yaml", "RCP5201"),
    "another user of ssh": (f"git+ssh://root@h.org/o/r@{COMMIT}#x.yaml", "RCP5201"),
    "a password": (f"git+https://bob:hunter2@h.org/o/r@{COMMIT}#x.yaml", "RCP5201"),
    "a folder up in the repository's own path": (f"git+https://h.org/o/../r@{COMMIT}#x.yaml", "RCP5001"),
    "percent in the repository's own path": (f"git+https://h.org/o/%2e%2e/r@{COMMIT}#x.yaml", "RCP5001"),
    "a letter that looks like another": (f"git+https://h.org/\u0430bc/r@{COMMIT}#x.yaml", "RCP5001"),
    "a control character": (f"git+https://h.org/o/r@{COMMIT}#x\\u0007.yaml", "RCP5001"),
    "no reference": ("git+https://h.org/o/r#x.yaml", "RCP5001"),
    "no file": (f"git+https://h.org/o/r@{COMMIT}", "RCP5001"),
    "the program's folder and up": ("builtin:../../../../etc/x", "RCP5002"),
}  # fmt: skip


def tree(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(("address", "code"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_that_tries_something_is_refused_at_its_place(here: Path, address: str, code: str) -> None:
    recipe = write(here, address)
    before = tree(here.parent)
    access = Access(fetch=True, allow_file="host/" in address, store=here / "store")
    found = refused(recipe, access)
    assert (found.code, CODES[code].exit) == (code, 5), found
    assert (found.span.line, "hunter2" in str(found)) == (3, False)
    assert tree(here.parent) == before


@pytest.mark.parametrize("name", ["up and out of the repository", "a helper of git", "an option", "clear text", "a user",
                                  "a password", "this machine"])  # fmt: skip
def test_the_program_exits_5_and_shows_no_password(here: Path, name: str) -> None:
    write(here, ADDRESSES[name][0])
    before = tree(here.parent)
    for verb in ("validate", "plan", "run"):
        done = program(verb, "x.yaml", cwd=here)
        assert done.returncode == 5, done.stderr
        assert ADDRESSES[name][1] in done.stderr
        assert "hunter2" not in done.stderr + done.stdout
    assert tree(here.parent) == before


@pytest.mark.parametrize("inside", [False, True], ids=["the file", "its folder"])
def test_a_link_in_a_repository_is_not_followed(remote: Remote, here: Path, inside: bool) -> None:
    (remote.folder / "link").symlink_to("/etc" if inside else "/etc/passwd")
    commit = remote.commit({"x.yaml": LAYER})
    found = refused(write(here, f"{remote.url}@{commit}#link{'/passwd' if inside else ''}"), online(here))
    assert (found.code, "a link" in found.message) == ("RCP5003", True)


def test_a_submodule_is_not_entered(remote: Remote, here: Path) -> None:
    commit = remote.commit({"x.yaml": LAYER})
    remote.git("update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    remote.git("commit", "--quiet", "-m", "a submodule")
    commit = remote.git("rev-parse", "HEAD")
    for file in ("sub", "sub/x.yaml"):
        found = refused(write(here, f"{remote.url}@{commit}#{file}"), online(here))
        assert (found.code, "a submodule" in found.message) == ("RCP5003", True)


def test_a_folder_is_not_a_layer(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a/x.yaml": LAYER})
    assert refused(write(here, f"{remote.url}@{commit}#a"), online(here)).code == "RCP5003"
    assert refused(write(here, f"{remote.url}@{commit}#a/x.yaml/b"), online(here)).code == "RCP5003"


def test_a_file_of_more_than_a_mebibyte_is_not_read(remote: Remote, here: Path) -> None:
    commit = remote.commit({"x.yaml": LAYER + "#" * (1 << 20)})
    assert refused(write(here, f"{remote.url}@{commit}#x.yaml"), online(here)).code == "RCP5003"


def test_a_hook_of_a_remote_does_not_run(remote: Remote, here: Path) -> None:
    commit = remote.commit({"x.yaml": LAYER})
    for hook in ("post-checkout", "reference-transaction", "post-merge"):
        (remote.folder / ".git" / "hooks").mkdir(exist_ok=True)
        (remote.folder / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {here}/pwned\n")
        (remote.folder / ".git" / "hooks" / hook).chmod(0o755)
    resolve(write(here, f"{remote.url}@{commit}#x.yaml"), (), online(here))
    assert not (here / "pwned").exists()


def test_what_the_environment_says_to_git_is_not_passed_on(
    remote: Remote, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = remote.commit({"x.yaml": LAYER})
    for name, value in {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(here),
                        "GIT_DIR": str(here), "GIT_OBJECT_DIRECTORY": str(here), "GIT_TRACE": str(here / "trace")}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    before = tree(here)
    resolve(write(here, f"{remote.url}@{commit}#x.yaml"), (), online(here))
    assert [path for path in tree(here) if path not in before and "store" not in path.parts] == [
        here / "x.yaml"
    ]


def test_nothing_is_written_outside_of_the_cache(remote: Remote, here: Path) -> None:
    commit = remote.commit({"x.yaml": LAYER})
    recipe = write(here, f"{remote.url}@{commit}#x.yaml")
    before = tree(here.parent)
    resolve(recipe, (), online(here))
    new = [path for path in tree(here.parent) if path not in before]
    assert new
    assert all(path.is_relative_to(here / "store") for path in new)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../here/x.yaml", "~/x.yaml", "a/%2e%2e/x.yaml", "../../x.yaml"]
)
def test_a_layer_from_elsewhere_cannot_name_a_file_of_this_machine(
    remote: Remote, here: Path, name: str
) -> None:
    commit = remote.commit({"d/x.yaml": f"{HEADER}kind: flavour\nextends: ['{name}']\n"})
    found = refused(write(here, f"{remote.url}@{commit}#d/x.yaml"), online(here))
    assert found.code in {"RCP5002", "RCP2201"}
    assert "remote" in found.span.source.name
    assert (found.code == "RCP2201") is (
        name == "../here/x.yaml"
    )  # which is a file that the repository does not have


def test_a_layer_from_elsewhere_cannot_name_a_repository_of_this_machine(here: Path) -> None:
    from engine.language.address import Blob
    from engine.language.files import Files
    from engine.language.nodes import Scalar, Source, Span

    asked = parse_address(f"git+https://h.org/o/r@{COMMIT}#x.yaml", allow_file=False)
    source = Source(str(asked), "", here, Blob(asked, COMMIT, COMMIT))
    said = Scalar(f"git+file:///srv/r@{COMMIT}#x.yaml", Span(source, 1, 1, 2))
    with pytest.raises(Refused) as caught:
        Files(here / "x.yaml", offline(here)).find(said)
    assert caught.value.code == "RCP5001"


@pytest.mark.parametrize("link", [False, True], ids=["dots", "a link"])
def test_a_layer_of_this_machine_lies_in_the_project_of_its_recipe(here: Path, link: bool) -> None:
    (here / ".git").mkdir()
    (here.parent / "outside.yaml").write_text(LAYER)
    (here / "inside.yaml").symlink_to(here.parent / "outside.yaml")
    found = refused(write(here, "inside.yaml" if link else "../outside.yaml"), offline(here))
    assert (found.code, str(here) in found.help) == ("RCP5002", True)


def test_a_layer_beside_the_folder_of_a_recipe_is_read_in_a_project_and_where_there_is_none(
    here: Path,
) -> None:
    (here.parent / "base.yaml").write_text(LAYER)
    recipe = write(here, "../base.yaml")
    assert resolve(recipe).layers[-3:] == (
        str(here.parent / "base.yaml"),
        "builtin:hardware/cpu",
        str(recipe),
    )
    (here.parent / ".git").write_text("gitdir: elsewhere\n")
    assert len(resolve(recipe).layers) == 5


@pytest.mark.parametrize(("said", "remote_", "ref"), [
    ("gh:org/repo@main#a.yaml", "https://github.com/org/repo", "main"),
    ("git+https://h.org/o/r.git@v1.2#a/b.yaml", "https://h.org/o/r.git", "v1.2"),
    ("git+https://H.org:8443/o/r@feature/x#a.yaml", "https://h.org:8443/o/r", "feature/x"),
    (f"git+ssh://git@h.org/o/r@{COMMIT}#a.yaml", "ssh://git@h.org/o/r", COMMIT),
])  # fmt: skip
def test_a_plain_address_is_read_and_written_the_same(said: str, remote_: str, ref: str) -> None:
    made = parse_address(said, allow_file=False)
    assert (made.remote, made.ref) == (remote_, ref)
    assert parse_address(str(made), allow_file=False) == made
