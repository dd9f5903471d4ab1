"""Findings for machines: JSON, SARIF 2.1.0 for code scanning, and the lines that GitHub turns into annotations."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine import VERSION
from engine.language.codes import CODES
from engine.language.diagnostics import Diagnostic
from engine.language.excerpts import lines_visible
from engine.language.explanations import EXPLANATIONS
from engine.language.nodes import Span

Json = dict[str, Any]
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "RECIPES"  # what relative addresses of files are relative to


def as_json(findings: Sequence[Diagnostic]) -> Json:
    """Return all that is known of each finding."""
    return {"findings": [found.as_json() for found in findings]}


def as_sarif(findings: Sequence[Diagnostic]) -> Json:
    """Return a SARIF log. It names no folder of this machine where a file lies below the current one."""
    codes = sorted({found.code for found in findings})
    names = _fingerprints(findings)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "recipe", "semanticVersion": VERSION, "rules": list(map(_rule, codes))}},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder in which the program ran."}}},
            "results": [_result(found, codes.index(found.code), name) for found, name in zip(findings, names, strict=True)],
        }],
    }  # fmt: skip


def as_github(findings: Sequence[Diagnostic]) -> str:
    """Return one workflow command a finding."""
    return "\n".join(map(_command, findings))


def _rule(code: str) -> Json:
    told = EXPLANATIONS[code]
    example = f"\n\nFor example:\n\n{told.example}" if told.example else ""
    return {
        "id": code,
        "shortDescription": {"text": CODES[code].title},
        "fullDescription": {"text": told.cause},
        "help": {"text": f"{told.cause}\n\n{told.fix}{example}"},
    }


def _result(found: Diagnostic, rule: int, fingerprint: str) -> Json:
    related = [{"id": number, "message": {"text": role}, **_location(span)}
               for number, (role, span) in enumerate(found.related, start=1)]  # fmt: skip
    word = {"logicalLocations": [{"fullyQualifiedName": found.path}]} if found.path else {}
    return {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": found.severity,
        "message": {"text": _text(found)},
        "locations": [_location(found.span) | word],
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {"codeFileWord/v1": fingerprint},
    }


def _location(span: Span) -> Json:
    """Return a place; an argument of the command line is none that anybody could open."""
    name = span.source.name
    if name.startswith("--"):
        return {}
    region = {"startLine": span.line, "startColumn": span.column, "endLine": span.line, "endColumn": span.end}
    return {"physicalLocation": {"artifactLocation": _artifact(name), "region": region}}


def _artifact(name: str) -> Json:
    if _is_address(name):
        return {"uri": quote(name, safe="/:@+#?=&%")}
    if Path(name).is_absolute():
        return {"uri": Path(name).as_uri()}
    return {"uri": quote(Path(name).as_posix()), "uriBaseId": _ROOT}


def _is_address(name: str) -> bool:
    """Whether a name of a layer is no path: it comes with the program, or from a repository."""
    return name.startswith(("builtin:", "git+", "gh:"))


def _fingerprints(findings: Sequence[Diagnostic]) -> list[str]:
    """Name findings by code, file and word, so that lines may move without a known finding becoming a new one."""
    names, times = list[str](), dict[tuple[str, ...], int]()
    for found in findings:
        what = (found.code, found.span.source.name, found.path or found.span.whole_line.strip())
        times[what] = times.get(what, 0) + 1
        names.append(
            blake2b(
                "\0".join([*what, str(times[what])]).encode("utf-8", "replace"), digest_size=16
            ).hexdigest()
        )
    return names


def _command(found: Diagnostic) -> str:
    span, name = found.span, found.span.source.name
    here = not _is_address(name) and not name.startswith("--")
    places = {
        "file": name,
        "line": span.line,
        "endLine": span.line,
        "col": span.column,
        "endColumn": span.end - 1,
    }
    said = [f"{name}={_property(str(value))}" for name, value in (places if here else {}).items()]
    text = f"{found.code} {_text(found)}" if here else f"{found.code} {span}: {_text(found)}"
    return f"::{found.severity} {','.join([*said, f'title={found.code}'])}::{_message(lines_visible(text))}"


def _text(found: Diagnostic) -> str:
    return found.message + (f"\n{found.help}" if found.help else "")


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
