"""Findings for machines: JSON, SARIF 2.1.0 for code scanning, and the lines that GitHub turns into annotations."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine import VERSION
from engine.language.codes import CODES
from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Span

Json = dict[str, Any]
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "RECIPES"  # what relative addresses of files are relative to


def as_json(findings: Sequence[Diagnostic]) -> Json:
    """Return all that is known of each finding."""
    return {"findings": [found.as_json() for found in findings]}


def as_sarif(findings: Sequence[Diagnostic]) -> Json:
    """Return a SARIF log; files outside of the current folder keep the names that people see."""
    codes = sorted({found.code for found in findings})
    driver = {
        "name": "recipe", "version": VERSION, "semanticVersion": VERSION,
        "rules": [{"id": code, "shortDescription": {"text": CODES[code].title},
                   "help": {"text": f"recipe explain {code}"}} for code in codes],
    }  # fmt: skip
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder in which the program ran."}}},
            "results": [_result(found, codes) for found in findings],
        }],
    }  # fmt: skip


def as_github(findings: Sequence[Diagnostic]) -> str:
    """Return one workflow command a finding."""
    return "\n".join(map(_command, findings))


def _result(found: Diagnostic, codes: list[str]) -> Json:
    related = [{"id": number, "message": {"text": role}, **_location(span)}
               for number, (role, span) in enumerate(found.related, start=1)]  # fmt: skip
    return {
        "ruleId": found.code,
        "ruleIndex": codes.index(found.code),
        "level": found.severity,
        "message": {"text": found.message + (f"\n{found.help}" if found.help else "")},
        "locations": [_location(found.span)],
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {"codeFileWord/v1": _fingerprint(found)},
    }


def _location(span: Span) -> Json:
    name = span.source.name
    # a layer that comes with the program, or an argument, is no file of the repository that is scanned
    is_file = not Path(name).is_absolute() and ":" not in name and not name.startswith("--")
    place: Json = (
        {"uri": quote(Path(name).as_posix()), "uriBaseId": _ROOT}
        if is_file
        else {"uri": quote(name, safe="/:")}
    )
    region = {"startLine": span.line, "startColumn": span.column, "endLine": span.line, "endColumn": span.end}
    return {"physicalLocation": {"artifactLocation": place, "region": region}}


def _fingerprint(found: Diagnostic) -> str:
    """Name a finding by code, file and word, so that lines may move without a known finding becoming a new one."""
    what = "\0".join([found.code, found.span.source.name, found.path or found.message])
    return hashlib.sha256(what.encode()).hexdigest()[:32]


def _command(found: Diagnostic) -> str:
    span = found.span
    places = {"file": span.source.name, "line": span.line, "endLine": span.line, "col": span.column,
              "endColumn": span.end - 1, "title": found.code}  # fmt: skip
    said = ",".join(f"{name}={_property(str(value))}" for name, value in places.items())
    text = f"{found.code} {found.message}" + (f"\n{found.help}" if found.help else "")
    return f"::{found.severity} {said}::{_message(text)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
