"""What holds for every text: an address that is read leads nowhere but to its repository; reading fetches once."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sharing.conftest import HEADER, LAYER, Remote, offline, online, write

from engine.language.address import Refused, parse_address
from engine.language.layers import load_layers
from engine.language.resolve import resolve

COMMIT = "0123456789" * 4
PIECE = st.text(st.sampled_from("ab0.-_~%2e\\/@:#+ \t\nÄ"), max_size=8)


@given(
    st.sampled_from(["git+https://", "git+ssh://", "git+file://", "gh:", "git+", ""]),
    PIECE,
    PIECE,
    PIECE,
    PIECE,
)
@example("git+https://", "h.org", "o/r", COMMIT, "a/./b.yaml")
def test_an_address_that_is_read_is_plain_and_means_itself(
    start: str, host: str, path: str, ref: str, file: str
) -> None:
    try:
        made = parse_address(f"{start}{host}/{path}@{ref}#{file}", allow_file=True)
    except Refused:
        return
    assert parse_address(str(made), allow_file=True) == made
    assert not {"..", ".", ""} & set(made.file.split("/"))
    assert not set(made.file) & set("\\%:\n\t")
    protocol, _, rest = made.remote.partition("://")
    assert protocol in {"https", "ssh", "file"}
    assert not any(name.startswith("-") or name in {"..", "."} for name in rest.split("/"))
    assert not made.ref.startswith("-")
    assert "@" not in rest.removeprefix("git@")


@given(PIECE)
def test_a_name_beside_a_layer_stays_in_its_repository(name: str) -> None:
    layer = parse_address(f"git+https://h.org/o/r@{COMMIT}#a/b/c.yaml", allow_file=False)
    try:
        made = layer.beside(name)
    except Refused:
        return
    assert (made.remote, made.ref) == (layer.remote, layer.ref)
    assert not {"..", "."} & set(made.file.split("/"))
    assert not made.file.startswith("/")


def test_many_that_fetch_at_once_all_succeed(remote: Remote, here: Path) -> None:
    commit = remote.commit(
        {f"{n}.yaml": LAYER + f"train: {{adapter: {{rank: {n + 1}}}}}\n" for n in range(6)}
    )
    ranks: dict[int, int] = {}

    def work(number: int) -> None:
        recipe = write(here, f"{remote.url}@{commit}#{number}.yaml", name=f"{number}-x.yaml")
        ranks[number] = resolve(recipe, (), online(here)).recipe.train.adapter.rank

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ranks == {number: number + 1 for number in range(6)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_can_be_read(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": LAYER})
    recipe = write(here, f"{remote.url}@{commit}#a.yaml")
    resolve(recipe, (), online(here))
    folders = [path for path in (here / "store").rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    try:
        resolve(recipe, (), offline(here))
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_reading_changes_nothing_in_the_cache(remote: Remote, here: Path) -> None:
    commit = remote.commit({"a.yaml": LAYER})
    recipe = write(here, f"{remote.url}@{commit}#a.yaml")
    resolve(recipe, (), online(here))
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    resolve(recipe, (), offline(here))
    resolve(recipe, (), online(here))
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_a_flood_of_fragments_is_not_read(here: Path) -> None:
    (here / "part.yaml").write_text(f"{HEADER}kind: fragment\nsample: {{prompts: {{dog: a dog}}}}\n")
    body = "sample:\n" + "".join(f"  w{n}: {{$include: part.yaml}}\n" for n in range(2000))
    _, findings = load_layers(write(here, body=body))
    assert [found.code for found in findings] == ["RCP2207"] * 63 + ["RCP1005"]


def test_a_flood_of_layers_is_refused(here: Path) -> None:
    for number in range(70):
        (here / f"l{number}.yaml").write_text(f"{HEADER}kind: flavour\nextends: [builtin:base/wan]\n")
    layers, findings = load_layers(write(here, *(f"l{n}.yaml" for n in range(70))))
    assert ([found.code for found in findings], len(layers)) == (["RCP1005"], 65)
