"""Whole or not there: races, damage and left-overs."""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from engine.endings import Interrupted, StageError
from engine.store import HASHED_WHEN_FOUND, Artifact, Damaged, Store, verify_fully


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def make(store: Store, key: str = "k", content: bytes = b"content") -> Path:
    target = store.artifact_folder("stage", key)
    with store.filling(target, {"stage": "stage"}) as draft:
        (draft / "part").mkdir()
        (draft / "part" / "file").write_bytes(content)
    return target


def test_what_is_published_is_found_with_its_parts(store: Store) -> None:
    make(store)
    found = store.find("stage", "k")
    assert isinstance(found, Artifact)
    assert list(found.parts) == ["part"]
    assert list((store.root / "tmp").iterdir()) == []


def test_what_fails_is_not_there_and_leaves_nothing(store: Store) -> None:
    with suppress(ValueError), store.filling(store.artifact_folder("stage", "k"), {}) as draft:
        (draft / "file").write_text("half")
        raise ValueError
    assert store.find("stage", "k") is None
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "null", '{"files": 3}', '{"files": {"part/file": 1}}', "{}"]
)
def test_a_manifest_of_any_damage_is_damage_and_no_traceback(store: Store, manifest: str) -> None:
    (make(store) / "manifest.json").write_text(manifest)
    assert isinstance(store.find("stage", "k"), Damaged)


def test_of_two_that_publish_at_once_both_succeed(store: Store) -> None:
    target = store.artifact_folder("stage", "k")
    with store.filling(target, {}) as late:
        (late / "file").write_text("same")
        with store.filling(target, {}) as early:
            (early / "file").write_text("same")
    assert isinstance(store.find("stage", "k"), Artifact)


def test_one_that_appears_between_the_look_and_the_rename_is_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = store.artifact_folder("stage", "k"), Path.rename

    def slow(self: Path, to: Path) -> Path:
        if to == target and not target.exists():
            target.mkdir(parents=True)
            (target / "file").write_text("same")
            (target / "manifest.json").write_text(json.dumps({"files": {}}))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", slow)
    with store.filling(target, {}) as draft:
        (draft / "file").write_text("same")
    assert isinstance(store.find("stage", "k"), Artifact)


def test_a_large_file_is_hashed_before_it_is_read_and_set_aside_when_damaged(store: Store) -> None:
    target = make(store, content=b"x" * (HASHED_WHEN_FOUND + 1))
    with (target / "part" / "file").open("r+b") as file:
        file.write(b"y")
    assert isinstance(store.find("stage", "k"), Artifact), "its size is right: found, not yet read"
    with pytest.raises(StageError, match="set aside"):
        verify_fully(store, target, frozenset({"part"}))
    assert store.find("stage", "k") is None


def test_who_is_asked_to_stop_while_large_files_are_hashed_stops(store: Store) -> None:
    target = make(store)
    with pytest.raises(Interrupted):
        verify_fully(store, target, frozenset({"part"}), lambda: True)
    assert isinstance(store.find("stage", "k"), Artifact)


def test_a_damaged_item_is_set_aside_when_it_is_opened(store: Store) -> None:
    with store.filling_item("stage", "abc") as draft:
        (draft / "file").write_text("good")
    (store.root / "items/stage/ab/abc/file").write_text("evil")
    with pytest.raises(StageError, match="run again"):
        store.open_item("stage", "abc")
    assert not store.has_item("stage", "abc")


def test_only_drafts_of_dead_processes_of_this_machine_are_swept(store: Store) -> None:
    host, dead = socket.gethostname(), 2**22 + 1  # above any process number of Linux
    names = {f"{host}-{dead}-a": False, f"{host}-{os.getpid()}-a": True, f"{host}-b-{dead}-a": True}
    for name in names:
        (store.root / "tmp" / name).mkdir(parents=True)
    store.sweep()
    assert {name: (store.root / "tmp" / name).exists() for name in names} == names


@pytest.mark.parametrize("note", ["", "{", "[]", "3"])
def test_a_damaged_note_of_the_last_time_is_no_note(store: Store, note: str, tmp_path: Path) -> None:
    store.remember(tmp_path / "x.yaml", "stage", {"key": "k"})
    (path,) = (store.root / "last").iterdir()
    path.write_text(note)
    assert store.last_time(tmp_path / "x.yaml") == {}
