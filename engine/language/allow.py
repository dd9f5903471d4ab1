"""``# recipe: allow RCP4013 a one-word prompt is what I test``: a warning that its author has thought about.

The comment stands at the end of the line that the warning is about, or alone on the line above it. It names one code and
says why. Errors cannot be allowed, and an allowance that silences nothing is a warning itself: it outlived its reason.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import yaml

from engine.language.codes import CODES
from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Source, Span

_MARK = "recipe: allow"
_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*recipe: allow\b[ \t]*(?P<code>\S*)[ \t]*(?P<reason>.*)")

_Place = tuple[str, str, int]  # code, source and line


@dataclass(frozen=True, slots=True)
class Allowance:
    """One comment; ``line`` is the line that it is about."""

    code: str
    reason: str
    line: int
    span: Span


def allowed(
    findings: Iterable[Diagnostic], sources: Iterable[Source], *, by_plan: bool = False, whole: bool = True
) -> list[Diagnostic]:
    """Leave out the warnings that are allowed, and say which allowances are wrong.

    Args:
        sources: the texts whose comments count.
        by_plan: whether the findings are those that only a plan has: what is wrong with comments was said before.
        whole: whether everything was looked at. Where it was not, as in a recipe that has errors, an allowance that
            silences nothing may yet be needed.
    """
    findings = list(findings)
    there = dict[_Place, list[Diagnostic]]()
    for found in findings:
        there.setdefault(_place(found), []).append(found)
    whole = whole and not any(found.severity == "error" for found in findings)
    silenced, complaints = set[_Place](), list[Diagnostic]()
    for source in sources:
        for allowance in _allowances(source):
            place = (allowance.code, source.name, allowance.line)
            wrong = _wrong(allowance) or _useless(allowance, there.get(place, []), whole=whole)
            if wrong is None:
                silenced.add(place)
            elif not by_plan and not (CODES.get(allowance.code) and CODES[allowance.code].by_plan):
                complaints.append(wrong)
    kept = [found for found in findings if found.severity == "error" or _place(found) not in silenced]
    return [*kept, *complaints]


def _place(found: Diagnostic) -> _Place:
    return found.code, found.span.source.name, found.span.line


def _wrong(allowance: Allowance) -> Diagnostic | None:
    if allowance.code not in CODES:
        what = f"`{allowance.code}` is not a code" if allowance.code else "it names no code"
        return Diagnostic("RCP2501", f"an allowance that cannot be: {what}", allowance.span,
                          help="write `# recipe: allow RCP4013 why`; `recipe explain` lists the codes")  # fmt: skip
    if not allowance.reason.strip():
        return Diagnostic("RCP2501", f"an allowance of {allowance.code} without a reason", allowance.span,
                          help="say behind the code why it is right here; who reads the recipe wants to know")  # fmt: skip
    return None


def _useless(allowance: Allowance, about: Sequence[Diagnostic], *, whole: bool) -> Diagnostic | None:
    if any(found.severity == "error" for found in about):
        return Diagnostic("RCP2501", f"{allowance.code} is an error here, and errors cannot be allowed", allowance.span,
                          help="mend the line; only warnings can be allowed")  # fmt: skip
    if not about and whole:
        return Diagnostic("RCP2502", f"this allowance of {allowance.code} silences nothing", allowance.span,
                          help="take the comment out, or put it on the line of the warning", severity="warning")  # fmt: skip
    return None


def _allowances(source: Source) -> Iterator[Allowance]:
    if _MARK not in source.text:
        return
    texts = _texts(source)
    begins, start, alone, found = (
        [begin for begin, _ in texts],
        0,
        set[int](),
        list[tuple[int, str, re.Match[str]]](),
    )
    for number, line in enumerate(source.text.splitlines(keepends=True), start=1):
        for match in _COMMENT.finditer(line.rstrip()):
            before = bisect_right(begins, start + match.start()) - 1
            if before < 0 or start + match.start() >= texts[before][1]:
                found.append((number, line.rstrip(), match))
                if not line[: match.start()].strip():
                    alone.add(number)
        start += len(line)
    about = dict[int, int]()  # several may stand above one line
    for number in sorted(alone, reverse=True):
        about[number] = about.get(number + 1, number + 1)
    for number, line, match in found:
        span = Span(source, number, match.start() + 1, len(line) + 1)
        yield Allowance(match["code"], match["reason"], about.get(number, number), span)


def _texts(source: Source) -> list[tuple[int, int]]:
    """Where the texts of a source begin and end: a `#` in one of them begins no comment."""
    try:
        tokens = [
            token
            for token in yaml.scan(source.text, Loader=yaml.CLoader)
            if isinstance(token, yaml.ScalarToken)
        ]
    except yaml.YAMLError:
        return [
            (0, len(source.text))
        ]  # what cannot be read is said by the reader, and nothing in it is allowed
    return [(token.start_mark.index, _end(source.text, token)) for token in tokens]


def _end(text: str, token: yaml.ScalarToken) -> int:
    """Return where a text ends; a block ends with its last line that is not blank, and not where the next token begins."""
    begin, end = token.start_mark.index, token.end_mark.index
    if token.style not in ("|", ">"):
        return int(end)
    return int(begin + len(text[begin:end].rstrip()))
