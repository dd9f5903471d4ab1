"""What libyaml says of a text that is not YAML, as a finding: where, what it takes it for, and what people did."""

import yaml

from engine.language.characters import name, space_beside_key
from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Source, Span

_SLIPS = {  # what libyaml says → what people did
    "mapping values are not allowed in this context": "a text with `: ` in it stands in quotes; "
    "words of one section are indented alike, and those below another further than it",
    "could not find expected ':'": "every line of a section is `word: value`, with a space after the colon",
    "did not find expected key": "words of one section are indented alike; what begins with a quote ends with it",
    "did not find expected ',' or ']'": "the list is not closed, or lacks a comma",
    "did not find expected ',' or '}'": "the section is not closed, or lacks a comma",
    "found character that cannot start any token": "a text that begins with such a character stands in quotes",
    "found unexpected end of stream": "the quote is not closed",
}
_TOO_DEEP = "exceeded maximum nesting depth"


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
    return Diagnostic("RCP1001", f"not YAML: {problem}", span, help=_help(span, problem), related=related)


def bad_character(source: Source, offset: int) -> Diagnostic:
    """Return the finding for a character that no YAML text has."""
    text = source.text
    line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    what = f"U+{ord(text[offset]):04X}" if offset < len(text) else "at the end"
    return Diagnostic("RCP1001", f"not YAML: the character {what}", Span(source, line, column, column + 1),
                      help="take it out, or write it as an escape in double quotes")  # fmt: skip


def _help(span: Span, problem: str) -> str:
    if span.whole_line[: span.column].endswith("\t"):
        return "YAML is indented with spaces, never with tabs"
    # where a colon was not seen, libyaml notices only on the line after
    before = "\n".join(span.source.text.split("\n")[max(0, span.line - 2) : span.line])
    if not before.isascii() and (odd := space_beside_key(before)):
        return f"there is a {name(odd)}, which looks like a space and is none"
    return _SLIPS.get(problem, "")


def _at(source: Source, mark: yaml.Mark | None) -> Span:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Span(source, line, column, column + 1)
