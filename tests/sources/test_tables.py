"""A table is read whole or refused with its file, its line and the reason."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from engine.sources import tables
from engine.sources.tables import MAX_FIELD, BadTable, read_lines, read_table

CAPTION = 'A duck says "quack, quack",\nand leaves – schnell. 鴨'
ROWS = [{"file_name": "a.mp4", "text": CAPTION}, {"file_name": "b b.mp4", "text": ""}]


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"clips{suffix}"
    if suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["file_name", "text"], delimiter="," if suffix == ".csv" else "\t")
            writer.writeheader()
            writer.writerows(ROWS)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))
    elif suffix == ".json":
        path.write_text(json.dumps(ROWS, indent=1))
    else:
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_every_kind_of_table_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    assert [row.values for row in read_table(written(tmp_path, suffix))] == ROWS


@pytest.mark.parametrize(
    ("suffix", "places"),
    [
        (".csv", ["clips.csv:2", "clips.csv:4"]),  # the caption of the first row goes on over two lines
        (".tsv", ["clips.tsv:2", "clips.tsv:4"]),
        (".jsonl", ["clips.jsonl:1", "clips.jsonl:3"]),
        (".json", ["clips.json, row 1", "clips.json, row 2"]),
        (".parquet", ["clips.parquet, row 1", "clips.parquet, row 2"]),
    ],
)
def test_a_row_knows_where_it_begins(tmp_path: Path, suffix: str, places: list[str]) -> None:
    assert [row.place for row in read_table(written(tmp_path, suffix))] == places


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, suffix)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_table(path)[0].values == ROWS[0]


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "CLIPS.CSV"
    path.write_text("a\n1\n")
    assert read_table(path)[0].values == {"a": "1"}


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("latin-1.csv", "file_name\na.mp4\nü.mp4\n".encode("latin-1"), 3, "is not UTF-8"),
        ("utf-16.csv", "file_name\na.mp4\n".encode("utf-16"), 1, "is not UTF-8"),
        ("nul.csv", b"file_name\na\0.mp4\n", 2, "NUL"),
        ("more.csv", b"a,b\n1,2\n1,2,3\n", 3, "has 3 fields, and the header has 2"),
        ("fewer.csv", b"a,b\n\n1\n", 3, "has 1 fields, and the header has 2"),
        ("twice.csv", b"a,b,a\n1,2,3\n", 1, "two columns that are called a"),
        ("nameless.csv", b"a, \n1,2\n", 1, "without a name, the 2. of 2"),
        ("open.csv", b'a\n1\n"2\n3\n', 3, "unexpected end of data"),
        ("long.csv", b"a\n" + b"x" * (MAX_FIELD + 1) + b"\n", 2, "limit"),
        ("header.csv", b"a,b\n", None, "has no rows"),
        ("empty.csv", b"", None, "has no rows"),
        ("twice.tsv", b"a\ta\n1\t2\n", 1, "two columns"),
        ("text.jsonl", b'{"a": 1}\na,b\n', 2, "is not JSON"),
        ("number.jsonl", b'{"a": 1}\n\n3\n', 3, "is not an object"),
        ("twice.jsonl", b'{"a": 1, "a": 2}\n', 1, "two columns that are called a"),
        ("nan.jsonl", b'{"a": NaN}\n', 1, "NaN"),
        ("deep.jsonl", b'{"a": ' + b"[" * 100_000 + b"\n", 1, "nested too deep"),
        ("digits.jsonl", b'{"a": ' + b"9" * 5000 + b"}\n", 1, "digits"),
        ("half.jsonl", b'{"a": "\\ud800"}\n', 1, "half of a character"),
        ("nul.jsonl", b'{"a": "x\\u0000"}\n', 1, "NUL"),
        ("nul in a list.jsonl", b'{"a": ["x", "\\u0000"]}\n', 1, "NUL"),
        ("long.jsonl", b'{"a": "' + b"x" * (MAX_FIELD + 1) + b'"}\n', 1, "a field may have"),
        ("columns.json", b'{"a": ["x"]}', None, "is not a list of objects"),
        ("texts.json", b'[{"a": 1}, "b"]', 2, "is not an object"),
        ("cut.json", b'[{"a": 1},\n {"a": ', 2, "is not JSON"),
        ("none.json", b"[]", None, "has no rows"),
        ("text.parquet", b"a,b\n1,2\n", None, "is not a Parquet file"),
        ("empty.parquet", b"", None, "is not a Parquet file"),
        ("clips.xlsx", b"PK", None, "is no table by its suffix"),
        ("clips", b"a\n1\n", None, "is no table by its suffix"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and " " not in value else "",
)
def test_a_table_with_a_defect_is_refused_with_its_place(
    tmp_path: Path, name: str, content: bytes, line: int | None, reason: str
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadTable) as caught:
        read_table(path)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason
    assert str(caught.value) == f"{path}{f':{line}' if line else ''}: {caught.value.reason}"


def test_what_is_no_file_is_refused_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    reasons = {"gone.csv": "is not there", "folder.csv": "is not a file", "pipe.csv": "is not a file"}
    for name, reason in reasons.items():
        with pytest.raises(BadTable, match=reason):
            read_table(tmp_path / name)


def test_a_table_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(tables.MAX_FILE + 1)  # takes no space on the disk
    with pytest.raises(BadTable, match=r"has 268,435,457 bytes; a table may have 268,435,456"):
        read_table(tmp_path / "huge.csv")


def test_of_a_parquet_file_the_bytes_of_videos_are_left_out(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {"file_name": "a.mp4", "n": 3, "x": 0.5, "ok": True, "said": ["one", "two"], "none": None,
           "video": b"\0\1", "clip": {"bytes": b"\2"}}  # fmt: skip
    table = arrow.Table.from_pylist([row] * 3000)
    table = table.append_column("kind", arrow.array(["cartoon"] * 3000).dictionary_encode())
    parquet.write_table(table, tmp_path / "clips.parquet")
    rows = read_table(tmp_path / "clips.parquet")
    assert rows[-1].values == {"file_name": "a.mp4", "n": 3, "x": 0.5, "ok": True, "said": ["one", "two"], "kind": "cartoon"}  # fmt: skip
    assert [row.line for row in rows] == list(range(1, 3001))


def test_a_small_parquet_file_that_unpacks_to_much_is_refused(tmp_path: Path, monkeypatch) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "bomb.parquet"
    parquet.write_table(arrow.table({"text": ["x" * 1000] * 20_000}), path)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(tables, "MAX_FILE", 1_000_000)
    with pytest.raises(BadTable, match="unpacks to more than 1,000,000 bytes"):
        read_table(path)


def test_without_its_library_a_parquet_file_is_refused_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "clips.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadTable, match=r"pip install 'wan-recipes\[parquet\]'"):
        read_table(tmp_path / "clips.parquet")


def test_lines_end_where_a_line_ends_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "clips.txt"
    path.write_bytes("\ufeffa.mp4\r\n b\u2028\x0b.mp4 \n\nc.mp4\n".encode())
    assert read_lines(path) == ["a.mp4", " b\u2028\x0b.mp4 ", "", "c.mp4"]


def test_a_list_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "clips.txt").write_bytes(b"a.mp4\nb.mp4\n\xff.mp4\n")
    with pytest.raises(BadTable) as caught:
        read_lines(tmp_path / "clips.txt")
    assert caught.value.line == 3


def test_what_is_shown_of_a_name_cannot_steer_the_terminal() -> None:
    assert tables.shown("\x1b[2Jx\ny") == r"'\x1b[2Jx\ny'"
    assert tables.shown("ä b.mp4") == "ä b.mp4"
    assert len(tables.shown("x" * 10_000)) < 400


def test_reading_text_and_knowing_addresses_load_no_slow_library(tmp_path: Path) -> None:
    path = written(tmp_path, ".csv")
    code = (
        "import sys; from pathlib import Path; from engine.sources import listing, remote, tables\n"
        f"listing.list_table(Path({str(path)!r}), 'file_name'); remote.checked('s3://bucket/clips')\n"
        "print(sorted({'pyarrow', 'fsspec', 'aiohttp', 'torch', 'av', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
