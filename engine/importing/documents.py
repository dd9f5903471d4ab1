"""The files of other trainers as trees that remember their lines: JSON and YAML, TOML, command lines."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Entry, Items, Mapping, Node, Scalar, Source, Span, plain
from engine.language.read import MAX_DEPTH, MAX_INTEGER, MAX_NODES, read_file, read_text, text_of
from engine.language.secrets import hidden
from engine.language.trainers import TITLES, looks_like

_MASKED = "RCP5201"  # a secret: nobody can read it any more, and its key will be unsupported
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<gap>(?:\s|\\\r?\n)+)
      | (?P<word>(?:\\[^\r\n] | "(?:[^"\\]|\\.)*" | '[^']*' | [^\s"'\\])+)""",
    re.VERBOSE | re.DOTALL,
)
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def wrong(message: str, span: Span, help_: str = "") -> RecipeError:
    """Return the error of a file that is not what its tool writes."""
    return RecipeError([Diagnostic("RCP3201", message, span, help=help_)])


def document(tool: str, path: Path) -> Node:
    """Read the main file of a trainer.

    Raises:
        RecipeError: it cannot be read, or another trainer's file was meant.
    """
    first, second = (read_toml, read_json) if tool == "musubi" else (read_json, read_toml)
    try:
        node = first(path)
    except RecipeError as error:
        try:
            node = second(path)
        except RecipeError:
            raise error from None
        if looks_like(plain(node)) in (None, tool):  # it can be read, and is nobody's
            raise
    found = looks_like(plain(node))
    if found is None or found == tool:
        return node
    message = f"this is not what {TITLES[tool]} writes; it looks like {TITLES[found]}'s"
    raise wrong(message, Span(node.span.source, 1, 1, 2), f"`recipe import {found} {path}`")


def read_json(path: Path) -> Node:
    """Read JSON or YAML. JSON is YAML, but for letters beyond the first 65,536, which it may write as two escapes."""
    node, findings = read_file(path, str(path))
    if node is None and findings and _PAIR.search(text := findings[-1].span.source.text):
        node, findings = read_text(Source(str(path), _PAIR.sub(_letter, text), path.parent))
    stops = [found for found in findings if found.code != _MASKED]
    if node is None or stops:
        raise RecipeError(stops[:1])
    return node


def read_toml(path: Path) -> Mapping:
    """Read TOML; its library gives values without places, so the line of each key is looked for."""
    source = _text(path)
    start = Span(source, 1, 1, 2)
    try:
        said = tomllib.loads(source.text)
    except RecursionError:
        raise RecipeError([Diagnostic("RCP1005", f"nested deeper than {MAX_DEPTH}", start)]) from None
    except ValueError as error:  # also a number of thousands of digits
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        last = source.text.count("\n") + 1 if "end of document" in str(error) else 1
        line, column = (int(found[1]), int(found[2])) if found else (last, 1)
        message = f"not TOML: {str(error).partition(' (at ')[0]}"
        raise wrong(message, Span(source, line, column, column + 1)) from None
    node = _Toml(source).node(said, ())
    assert isinstance(node, Mapping), "a TOML document is a table"
    return node


def read_command_line(said: str) -> list[tuple[str, Span]]:
    """Split a command line, or the file that holds one, into its words."""
    path = Path(said)
    named = _is_file(path) or not re.search(r"^-|\s", said)  # one word that is no option names a file
    source = _text(path) if named else hidden(Source("--arguments", said, Path.cwd()))[0]
    words: list[tuple[str, Span]] = []
    at, line, start = 0, 1, 0  # `start` is where the line starts
    while at < len(source.text):
        found = _TOKEN.match(source.text, at)
        column = at - start + 1
        if found is None or len(words) > MAX_NODES:
            raise wrong("not a command line: a quote is never closed", Span(source, line, column, column + 1))
        if found.lastgroup == "word":
            words.append(
                (_unquoted(found[0]), Span(source, line, column, column + len(found[0].split("\n")[0])))
            )
        if lines := found[0].count("\n"):
            line, start = line + lines, at + found[0].rindex("\n") + 1
        at = found.end()
    return words


def _unquoted(word: str) -> str:
    return "".join(shlex.split(word))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a command line is no name of a file
        return False


def _text(path: Path) -> Source:
    """Read a text with its secrets masked."""
    text, findings = text_of(path, str(path))
    if text is None:
        raise RecipeError(findings)
    return hidden(Source(str(path), text.removeprefix("\ufeff"), path.parent))[0]


def _letter(match: re.Match[str]) -> str:
    return (
        (chr(int(match[1], 16)) + chr(int(match[2], 16))).encode("utf-16", "surrogatepass").decode("utf-16")
    )


class _Toml:
    """Gives the values of a TOML document the lines of their keys."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = dict(_lines(source.text))
        self.nodes = 0

    def node(self, value: Any, path: tuple[str | int, ...]) -> Node:
        self.nodes += 1
        at = self._span(path)
        if len(path) > MAX_DEPTH or self.nodes > MAX_NODES:
            raise RecipeError([Diagnostic("RCP1005", f"more than {MAX_NODES:,} values, or too deep", at)])
        if isinstance(value, dict):
            entries = (
                Entry(key, self._span((*path, key)), self.node(inner, (*path, key)))
                for key, inner in value.items()
            )
            return Mapping(tuple(entries), at)
        if isinstance(value, list):
            return Items(tuple(self.node(inner, (*path, number)) for number, inner in enumerate(value)), at)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
            raise RecipeError([Diagnostic("RCP1004", "a number that is too large", at)])
        plain = isinstance(value, bool | int | str) or (
            isinstance(value, float) and abs(value) < float("inf")
        )
        return Scalar(value if plain else str(value), at)  # dates, and numbers that are none, become text

    def _span(self, path: tuple[str | int, ...]) -> Span:
        while path and path not in self.lines:
            path = path[:-1]
        line, start, end = self.lines.get(path, (1, 0, 1))
        return Span(self.source, line, start + 1, end + 1)


def _lines(text: str) -> Any:
    """Yield the path and the place of every table and key; a table of an array has its number."""
    section: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if head := _HEADER.match(line):
            name = head[2].strip("\"'")
            section = tuple(name.split("."))
            if head[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                section = (*section, counts[name])
            yield section, (number, head.start(2), head.end(2))
        elif key := _KEY.match(line):
            inner = tuple(part.strip("\"' ") for part in key[1].split("."))
            yield (*section, *inner), (number, key.start(1), key.end(1))
