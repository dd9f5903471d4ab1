"""Tables and lists that people keep about their clips: CSV, TSV, JSON, JSON lines, Parquet, and plain text.

Every kind is held to the same rules: UTF-8, one name a column, nothing cut short and nothing guessed. A table that breaks
one of them is refused with its file, its line and the reason, because a row that is silently lost is a clip without words.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from stat import S_ISREG
from typing import Any

MAX_FILE = 256 << 20
"""Bytes that a table may have, on disk and unpacked."""

MAX_FIELD = 131_072
"""Characters that one field may have: the limit of Python's ``csv``, kept for every kind of table."""

_ROWS = 1024  # of a Parquet file, unpacked at once


class BadTable(Exception):
    """A table that cannot be used.

    Attributes:
        path: the file.
        line: the line that is wrong, from 1; None where it is the file as a whole, or where the file has no lines.
        reason: continues a sentence that starts with the file.
    """

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{shown(str(path))}{f':{line}' if line else ''}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        line: where it begins, from 1; in a file without lines (JSON, Parquet) the number of the row, from 1.
        place: the same for messages: ``clips.csv:12``, or ``clips.parquet, row 12``.
        values: by column. From CSV and TSV all are text; from the others also numbers, truth values, None and lists.
    """

    line: int
    place: str
    values: dict[str, Any]


def read_table(path: Path) -> list[Row]:
    """Read a table whose kind is told by its suffix: .csv, .tsv, .json (a list of objects), .jsonl or .parquet.

    Returns:
        At least one row, in the order of the file. Of a Parquet file, the columns of text, numbers, truth values and
        lists of text; others, such as the bytes of a video, are left out.

    Raises:
        BadTable: it cannot be read, or breaks a rule of its kind; no row is left out instead.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise BadTable(path, None, f"is no table by its suffix; tables end in {' '.join(sorted(_READERS))}")
    rows = list(_READERS[suffix](path))
    if not rows:
        raise BadTable(path, None, "has no rows")
    for row in rows:
        for column, value in row.values.items():
            _check(path, row.line, column, value)
    return rows


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a text file without their ends; ``\n`` and ``\r\n`` end a line, and nothing else does.

    Raises:
        BadTable: it cannot be read, or is not UTF-8.
    """
    return [line.removesuffix("\r") for line in _text(path).removesuffix("\n").split("\n")]


def shown(text: str) -> str:
    """Return a name from a file or a server in a form that is safe to print: on one line, escaped where needed."""
    cut = text if len(text) <= 300 else text[:300] + "…"
    return cut if cut.isprintable() else repr(cut)


def _content(path: Path) -> bytes:
    _small_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadTable(path, None, f"cannot be read: {error.strerror}") from None


def _small_file(path: Path) -> None:
    """Refuse what is no file before it is opened: a pipe would be waited on for ever."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise BadTable(path, None, "is not there") from None
    except (OSError, ValueError) as error:
        raise BadTable(path, None, f"cannot be read: {getattr(error, 'strerror', error)}") from None
    if not S_ISREG(stat.st_mode):
        raise BadTable(path, None, "is not a file")
    if stat.st_size > MAX_FILE:
        raise BadTable(path, None, f"has {stat.st_size:,} bytes; a table may have {MAX_FILE:,}")


def _text(path: Path) -> str:
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadTable(path, line, "is not UTF-8; save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadTable(path, line, "holds a NUL byte; save it as UTF-8 text")
    return text


def _csv_rows(path: Path, dialect: str = "excel") -> Iterator[Row]:
    reader = csv.reader(StringIO(_text(path), newline=""), dialect, strict=True)
    columns: list[str] = []
    line = 1
    try:
        for fields in reader:
            if fields and not columns:
                columns = _columns(path, line, fields)
            elif fields:
                if len(columns) == 1 and ";" in columns[0]:
                    raise BadTable(path, 1, "is separated by `;`; save it with commas")
                if len(fields) != len(columns):
                    raise BadTable(path, line, f"has {len(fields)} fields, and the header has {len(columns)}")
                yield Row(line, f"{shown(path.name)}:{line}", dict(zip(columns, fields, strict=True)))
            line = reader.line_num + 1  # a field in quotes may go on over several
    except csv.Error as error:
        raise BadTable(path, line, str(error)) from None


def _tsv_rows(path: Path) -> Iterator[Row]:
    return _csv_rows(path, "excel-tab")


def _jsonl_rows(path: Path) -> Iterator[Row]:
    for line, text in enumerate(read_lines(path), start=1):
        if text.strip():
            yield Row(line, f"{shown(path.name)}:{line}", _object(path, line, _json(path, line, text)))


def _json_rows(path: Path) -> Iterator[Row]:
    said = _json(path, None, _text(path))
    if not isinstance(said, list):
        raise BadTable(path, None, "is not a list of objects: [{…}, {…}]")
    for number, value in enumerate(said, start=1):
        yield Row(number, f"{shown(path.name)}, row {number}", _object(path, number, value))


def _json(path: Path, line: int | None, text: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        _columns(path, line, [name for name, _ in found])
        return dict(found)

    def constant(name: str) -> None:
        raise BadTable(path, line, f"holds {name}, which is no JSON")

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise BadTable(path, line or error.lineno, f"is not JSON: {error.msg}") from None
    except RecursionError:
        raise BadTable(path, line, "is nested too deep") from None
    except ValueError as error:  # a number of thousands of digits
        raise BadTable(path, line, str(error)) from None


def _object(path: Path, number: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadTable(path, number, "is not an object: {…}")
    return value


def _parquet_rows(path: Path) -> Iterator[Row]:
    """Read a Parquet file; its library takes longer to load than most plans take."""
    _small_file(path)
    try:
        import pyarrow as pa
        from pyarrow import parquet, types
    except ImportError:
        raise BadTable(
            path, None, "needs pyarrow: install it with: pip install 'wan-recipes[parquet]'"
        ) from None

    def is_text(kind: Any) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind))

    def is_plain(kind: Any) -> bool:
        number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
        listed = types.is_list(kind) or types.is_large_list(kind)
        return bool(is_text(kind) or number or (listed and is_text(kind.value_type)))

    unpacked, number = 0, 0
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            columns = _columns(path, None, [field.name for field in schema if is_plain(field.type)])
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                unpacked += batch.nbytes
                if unpacked > MAX_FILE:
                    raise BadTable(path, None, f"unpacks to more than {MAX_FILE:,} bytes")
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, f"{shown(path.name)}, row {number}", values)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadTable(path, None, f"is not a Parquet file that can be read: {shown(reason)}") from None


def _columns(path: Path, line: int | None, names: Iterable[str]) -> list[str]:
    """Refuse a header in which a column has no name, or two have the same."""
    columns = list(names)
    for place, name in enumerate(columns):
        if not name.strip():
            raise BadTable(path, line, f"has a column without a name, the {place + 1}. of {len(columns)}")
        if name in columns[:place]:
            raise BadTable(path, line, f"has two columns that are called {shown(name)}")
    return columns


def _check(path: Path, line: int, column: str, value: Any) -> None:
    """Refuse a field that is too long, or that is text which cannot be written as UTF-8 or handed to the system."""
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str):
            continue
        if len(text) > MAX_FIELD:
            reason = f"has {len(text):,} characters; a field may have {MAX_FIELD:,}"
        elif "\0" in text:
            reason = "holds a NUL character"
        elif any("\ud800" <= sign <= "\udfff" for sign in text):
            reason = "holds half of a character (a lone surrogate)"
        else:
            continue
        raise BadTable(path, line, f"its {shown(column)} {reason}")


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
    ".tsv": _tsv_rows,
}
