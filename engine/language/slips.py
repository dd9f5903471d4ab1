"""What libyaml says of a text that is not YAML, as a finding: where, what it takes it for, and what people did."""

import re

import yaml

from engine.language.characters import name, space_beside_key
from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Source, Span

_NO_KEY, _NO_COMMA = "did not find expected key", "did not find expected ',' or '}'"
_NO_COLON = ("mapping values are not allowed in this context", "could not find expected ':'")
_ESCAPES = ("found unknown escape character", "did not find expected hexdecimal number")
_SLIPS = {  # what libyaml says → what people did
    _NO_COLON[0]: "a text with `: ` in it stands in quotes; "
    "words of one section are indented alike, and those below another further than it",
    _NO_COLON[1]: "every line of a section is `word: value`, with a space after the colon",
    _NO_KEY: "words of one section are indented alike; what begins with a quote ends with it",
    "did not find expected ',' or ']'": "the list is not closed, or lacks a comma",
    _NO_COMMA: "the section is not closed, or lacks a comma",
    "did not find expected alphabetic or numeric character": "a text that begins with `*` or `&` stands in quotes",
    "found character that cannot start any token": "a text that begins with such a character stands in quotes",
    "found unexpected end of stream": "the quote is not closed",
}
_TOO_DEEP = "exceeded maximum nesting depth"
_LONG = 1000  # characters of a line that are looked at where looking takes the square of them

# a word and its value with something else than a colon and a space between them; of two words alone the second is a number
_UNSPACED = re.compile(r"\s*([A-Za-z_]\w*)(?::(?![\s/\\])| *= *| +(?=[\d.]|(?:true|false)$))([^\s:=][^:=]*)")
_BEGINS_LIKE_YAML = re.compile(r":\s+(([\[{\"'])[^#]*?[\]}\"']\s*[^\s#,].*)$")


def not_yaml(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    """Return the finding for a text that libyaml cannot read."""
    span, problem = (
        _at(source, error.problem_mark or error.context_mark),
        error.problem or error.context or "",
    )
    if problem == _TOO_DEEP:
        return Diagnostic("RCP1005", "nested too deeply to be read", span)
    began = _at(source, error.context_mark)
    elsewhere = error.context is not None and (began.line, began.column) != (span.line, span.column)
    related = ((f"{error.context} that begins at", began),) if elsewhere else ()
    help_ = _told_by_lines(span, began, problem) or _SLIPS.get(problem, "")
    return Diagnostic("RCP1001", f"not YAML: {problem}", span, help=help_, related=related)


def bad_character(source: Source, offset: int) -> Diagnostic:
    """Return the finding for a character that no YAML text has."""
    text = source.text
    line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    what = f"U+{ord(text[offset]):04X}" if offset < len(text) else "at the end"
    return Diagnostic("RCP1001", f"not YAML: the character {what}", Span(source, line, column, column + 1),
                      help="take it out, or write it as an escape in double quotes")  # fmt: skip


def spaced(text: str) -> str:
    """Say how a word and its value are written, where `steps:100`, `steps = 100` or `steps 100` was; empty elsewhere."""
    match = _UNSPACED.fullmatch(text.rstrip())
    return f"write `{match[1]}: {match[2].strip()}`, with a space after the colon" if match else ""


def _told_by_lines(span: Span, began: Span, problem: str) -> str:
    """Look at what stands there for what people did; empty where it tells nothing."""
    here = span.whole_line
    if here[: span.column].endswith("\t"):
        return "YAML is indented with spaces, never with tabs"
    # where a colon was not seen, libyaml notices only on the line after
    lines = span.source.text.split("\n")
    before = lines[max(0, span.line - 2) : span.line]
    if not "".join(before).isascii() and (odd := space_beside_key("\n".join(before))):
        return f"there is a {name(odd)}, which looks like a space and is none"
    if problem in _NO_COLON:
        return next(filter(None, map(spaced, before)), "")
    if problem in _ESCAPES:
        return _in_single_quotes(began.whole_line[began.column - 1 :])
    if problem == _NO_KEY and (match := _BEGINS_LIKE_YAML.search(here, 0, _LONG)):
        return f"a text that begins with `{match[2]}` stands in quotes: {_quoted(match[1])}"
    if problem == _NO_COMMA and here[max(0, span.column - 2) :].startswith("${"):
        return f'within `{{…}}` a reference stands in quotes: "{here[span.column - 2 :].partition("}")[0]}}}"'
    if problem == _NO_COMMA and any(
        "}" in line.partition(" #")[2] for line in lines[began.line - 1 : span.line - 1]
    ):
        return "` #` begins a comment, and so the closing `}` is not read: quote the text that it stands in"
    return ""


def _in_single_quotes(text: str) -> str:
    whole = re.match(r'"([^"\']*)"', text)
    shown = f": '{whole[1]}'" if whole else ""
    return f"in double quotes a backslash begins an escape; in single quotes it is itself{shown}"


def _quoted(text: str) -> str:
    bare = text.rstrip()
    return f'"{bare}"' if not re.search(r'["\\]', bare) else "'" + bare.replace("'", "''") + "'"


def _at(source: Source, mark: yaml.Mark | None) -> Span:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Span(source, line, column, column + 1)
