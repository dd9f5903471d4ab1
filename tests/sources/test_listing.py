"""From folders, tables and lists to candidates; every row that names no clip is said."""

import os
import time
import unicodedata
from pathlib import Path

import pytest

from engine.sources.listing import Candidate, list_folder, list_lines, list_table
from engine.sources.tables import BadTable


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def names(candidates: list[Candidate], root: Path) -> list[str]:
    return [candidate.path.relative_to(root).as_posix() for candidate in candidates]


def test_a_folder_gives_its_clips_by_name_and_counts_the_rest(tmp_path: Path) -> None:
    files(tmp_path, "b.mp4", "a.MOV", "sub/c.png", "b.txt", "sub/notes.md", "old.gif", "older.GIF", "README")
    files(tmp_path, ".hidden.mp4", ".cache/d.mp4")
    (tmp_path / "again").symlink_to(tmp_path / "sub")
    (tmp_path / "same.mp4").symlink_to(tmp_path / "b.mp4")
    listing = list_folder(tmp_path, metadata=False)
    assert names(listing.candidates, tmp_path) == ["a.MOV", "b.mp4", "same.mp4", "sub/c.png"]
    assert listing.others == {".gif": 2, "no suffix": 1, "linked folders": 1}
    assert (listing.closed, listing.missing) == ([], [])


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.write_bytes(b"")], ids=["gone", "file"]
)
def test_a_folder_that_is_none_is_closed(tmp_path: Path, make) -> None:
    make(tmp_path / "clips")
    assert list_folder(tmp_path / "clips", metadata=True).closed == [str(tmp_path / "clips")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_closed(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "closed/b.mp4")
    (tmp_path / "closed").chmod(0)
    listing = list_folder(tmp_path, metadata=True)
    (tmp_path / "closed").chmod(0o700)
    assert (names(listing.candidates, tmp_path), listing.closed) == (["a.mp4"], [str(tmp_path / "closed")])


@pytest.mark.parametrize("spelled", ["clips", "./clips", "x/../clips"])
def test_metadata_tells_of_clips_beside_and_below_it(tmp_path: Path, monkeypatch, spelled: str) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, "x/y", "clips/a.mp4", "clips/videos/b.mp4", "clips/more/c.mp4", "clips/untold.mp4")
    Path("clips/metadata.csv").write_text("file_name,text\nvideos/b.mp4,about b\n./a.mp4,about a\n")
    Path("clips/more/metadata.jsonl").write_text('{"file_name": "c.mp4", "text": ["one", "two"]}\n')
    root = Path(spelled)
    told = {found.path: (found.row, found.line) for found in list_folder(root, metadata=True).candidates}
    assert told == {
        root / "a.mp4": ({"file_name": "./a.mp4", "text": "about a"}, "metadata.csv:3"),
        root / "more/c.mp4": ({"file_name": "c.mp4", "text": ["one", "two"]}, "more/metadata.jsonl:1"),
        root / "untold.mp4": (None, ""),
        root / "videos/b.mp4": ({"file_name": "videos/b.mp4", "text": "about b"}, "metadata.csv:2"),
    }


def test_metadata_is_not_looked_at_where_nobody_asks(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4")
    (tmp_path / "metadata.csv").write_bytes(b"\xff")
    assert list_folder(tmp_path, metadata=False).candidates == [Candidate(tmp_path / "a.mp4")]


def test_two_rows_for_one_clip_are_two_candidates(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4")
    (tmp_path / "metadata.csv").write_text("file_name,text\na.mp4,one\na.mp4,two\n")
    for listing in (list_folder(tmp_path, metadata=True), list_table(tmp_path / "metadata.csv", "file_name")):
        assert [(found.path.name, found.row["text"]) for found in listing.candidates] == [("a.mp4", "one"), ("a.mp4", "two")]  # fmt: skip


def test_rows_of_metadata_that_name_no_clip_of_the_folder_are_said(tmp_path: Path) -> None:
    files(tmp_path, "clips/a.mp4", "clips/notes.md", "clips/.hidden.mp4", "outside.mp4")
    (tmp_path / "clips/metadata.jsonl").write_text(
        '{"file_name": "a.mp4"}\n{"file_name": "gone.mp4"}\n{"text": "x"}\n{"file_name": 7}\n{"file_name": " "}\n'
        '{"file_name": "notes.md"}\n{"file_name": ".hidden.mp4"}\n{"file_name": "../outside.mp4"}\n'
    )
    listing = list_folder(tmp_path / "clips", metadata=True)
    assert names(listing.candidates, tmp_path) == ["clips/a.mp4"]
    assert listing.missing == [
        "metadata.jsonl:2 names gone.mp4, which is not there",
        "metadata.jsonl:3 names no file",
        "metadata.jsonl:4 names no file",
        "metadata.jsonl:5 names no file",
        "metadata.jsonl:6 names notes.md, which is not among the clips of the folder",
        "metadata.jsonl:7 names .hidden.mp4, which is not among the clips of the folder",
        "metadata.jsonl:8 names ../outside.mp4, which is not among the clips of the folder",
    ]


def test_what_is_missing_is_said_folder_by_folder_in_their_order(tmp_path: Path) -> None:
    for folder in "mzaqbk":
        files(tmp_path, f"{folder}/x.mp4")
        (tmp_path / folder / "metadata.csv").write_text("file_name\ngone.mp4\n")
    assert [said[0] for said in list_folder(tmp_path, metadata=True).missing] == list("abkmqz")


def test_two_metadata_files_in_one_folder_are_refused(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "metadata.csv", "metadata.jsonl")
    with pytest.raises(BadTable, match=r"metadata\.csv: is not the only one: there is metadata\.jsonl"):
        list_folder(tmp_path, metadata=True)


def test_metadata_without_names_of_files_is_refused(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4")
    (tmp_path / "metadata.csv").write_text("video,text\na.mp4,x\n")
    with pytest.raises(BadTable, match=r"has no column file_name; its columns are: text, video"):
        list_folder(tmp_path, metadata=True)


def test_a_table_names_any_file_of_this_machine_in_its_order(tmp_path: Path) -> None:
    files(tmp_path, "list/b.mp4", "list/sub/a.mp4", "far/c.mp4", "far/d.mp4")
    table = tmp_path / "list" / "clips.csv"
    table.write_text(f"clip,text\nsub/a.mp4,1\nb.mp4,2\n../far/c.mp4,3\n{tmp_path}/far/d.mp4,4\n")
    listing = list_table(table, "clip")
    assert [(found.path.resolve().relative_to(tmp_path).as_posix(), found.row["text"], found.line) for found in listing.candidates] == [
        ("list/sub/a.mp4", "1", "clips.csv:2"), ("list/b.mp4", "2", "clips.csv:3"),
        ("far/c.mp4", "3", "clips.csv:4"), ("far/d.mp4", "4", "clips.csv:5"),
    ]  # fmt: skip


def test_rows_of_a_table_that_name_no_file_are_said_with_their_line(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4")
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "clips.csv").write_text(
        'clip,text\na.mp4,1\n,2\ngone.mp4,3\n"x\ny.mp4",4\n~/a.mp4,5\nbroken.mp4,6\n'
    )
    listing = list_table(tmp_path / "clips.csv", "clip")
    assert names(listing.candidates, tmp_path) == ["a.mp4", "broken.mp4"], (
        "a broken link is for the survey to say"
    )
    assert listing.missing == [
        "clips.csv:3 names no file",
        "clips.csv:4 names gone.mp4, which is not there",
        r"clips.csv:5 names 'x\ny.mp4', which is not there",
        "clips.csv:7 names ~/a.mp4, which is not there",
    ]


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("video,text\na.mp4,1\n")
    with pytest.raises(BadTable, match=r"clips\.csv: has no column clip; its columns are: text, video"):
        list_table(tmp_path / "clips.csv", "clip")


@pytest.mark.parametrize("url", ["s3://bucket/a.mp4?X-Amz-Signature=SECRET", "https://me:SECRET@host/a.mp4"])
def test_an_address_is_refused_without_what_may_be_secret_in_it(tmp_path: Path, url: str) -> None:
    (tmp_path / "clips.csv").write_text(f"clip\n{url}\n")
    (tmp_path / "clips.txt").write_text(f"# clips\n{url}\n")
    for ask in (
        lambda: list_table(tmp_path / "clips.csv", "clip"),
        lambda: list_lines(tmp_path / "clips.txt"),
    ):
        with pytest.raises(BadTable, match="`kind: remote`") as caught:
            ask()
        assert caught.value.line == 2
        assert "SECRET" not in str(caught.value)


def test_a_list_names_one_clip_a_line(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "b #1.mp4", "sub/c c.png")
    lists = tmp_path / "clips.txt"
    lists.write_bytes(
        f"\ufeff# mine\r\na.mp4\r\n\r\n  # more\n  b #1.mp4 \n{tmp_path}/sub/c c.png\ngone.mp4".encode()
    )
    listing = list_lines(lists)
    assert listing.candidates == [
        Candidate(tmp_path / "a.mp4", None, "clips.txt:2"),
        Candidate(tmp_path / "b #1.mp4", None, "clips.txt:5"),
        Candidate(tmp_path / "sub/c c.png", None, "clips.txt:6"),
    ]
    assert listing.missing == ["clips.txt:7 names gone.mp4, which is not there"]


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing yet\n"])
def test_a_list_that_names_nothing_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "clips.txt").write_text(content)
    with pytest.raises(BadTable, match=r"clips\.txt: names no clips"):
        list_lines(tmp_path / "clips.txt")


def test_a_name_is_found_however_its_marks_are_written(tmp_path: Path) -> None:
    on_disk, in_table = (unicodedata.normalize(form, "été.mp4") for form in ("NFD", "NFC"))
    assert on_disk != in_table
    files(tmp_path, on_disk)
    (tmp_path / "metadata.csv").write_text(f"file_name\n{in_table}\nâ.mp4\n")
    for listing in (list_folder(tmp_path, metadata=True), list_table(tmp_path / "metadata.csv", "file_name")):
        (found,) = listing.candidates
        assert (found.path, found.row) == (tmp_path / on_disk, {"file_name": in_table})
        assert listing.missing == ["metadata.csv:3 names â.mp4, which is not there"]


def test_of_two_names_that_look_the_same_the_exact_one_is_meant(tmp_path: Path) -> None:
    both = [unicodedata.normalize(form, "é.mp4") for form in ("NFC", "NFD")]
    files(tmp_path, *both)
    (tmp_path / "clips.txt").write_text("\n".join(both))
    assert [found.path.name for found in list_lines(tmp_path / "clips.txt").candidates] == both


def test_odd_names_are_found_in_a_folder_and_named_by_its_metadata(tmp_path: Path) -> None:
    files(tmp_path, "a b.mp4", "line\nbreak.mp4", "鴨/ü.mp4")
    (tmp_path / "metadata.csv").write_text('file_name\na b.mp4\n"line\nbreak.mp4"\n鴨/ü.mp4\n')
    listing = list_folder(tmp_path, metadata=True)
    assert [found.row and found.row["file_name"] for found in listing.candidates] == ["a b.mp4", "line\nbreak.mp4", "鴨/ü.mp4"]  # fmt: skip
    assert listing.missing == []


def test_ten_thousand_rows_that_are_not_there_take_no_longer_than_they_must(tmp_path: Path) -> None:
    (tmp_path / "clips.txt").write_text("\n".join(f"ü{number}.mp4" for number in range(10_000)))
    files(tmp_path, *(f"{number}.mp4" for number in range(2000)))
    before = time.process_time()
    assert len(list_lines(tmp_path / "clips.txt").missing) == 10_000
    assert time.process_time() - before < 3
