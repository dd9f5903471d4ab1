"""Findings as machines want them: valid SARIF, annotations of GitHub, and nothing else on standard output."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ROOT
from jsonschema import Draft202012Validator
from program import recipe

from engine.language.codes import CODES
from engine.language.diagnostics import Diagnostic
from engine.language.explanations import EXPLANATIONS
from engine.language.formats import as_github, as_json, as_sarif
from engine.language.nodes import Source, Span

SCHEMA = json.loads((ROOT / "tests/data/sarif-2.1.0.json").read_text())
HEADER = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [parent.yaml, builtin:hardware/cpu]\n"
PARENT = """apiVersion: wan-recipe/v1
kind: flavour
extends: [builtin:flavours/wan2.1-t2v-micro]
train:
  adapter: {rnk: 8}
  seed: -1
"""
CHILD = (
    HEADER
    + """data:
  source: {kind: drawn, clips: 2, seed: 0}
  frames: 80
  short_clips: dorp
trian: {steps: 5}
train: {steps: '10', learning_rate: fast}
sample: {prompts: {cat: a cat}}
"""
)
SEVEN = [
    ("RCP2001", "parent.yaml", 5, 13, 16),
    ("RCP2002", "parent.yaml", 6, 9, 11),
    ("RCP4001", "x.yaml", 6, 11, 13),
    ("RCP2002", "x.yaml", 7, 16, 20),
    ("RCP2001", "x.yaml", 8, 1, 6),
    ("RCP2002", "x.yaml", 9, 16, 20),
    ("RCP2002", "x.yaml", 9, 37, 41),
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "parent.yaml").write_text(PARENT)
    (tmp_path / "x.yaml").write_text(CHILD)
    return tmp_path


def sarif(text: str) -> dict:
    log = json.loads(text)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(log)] == []
    return log


def one(text: str, *, name: str = "x.yaml", line: int = 1, path: str = "", message: str = "wrong",
        related: tuple[tuple[str, Span], ...] = ()) -> Diagnostic:  # fmt: skip
    return Diagnostic("RCP2001", message, Span(Source(name, text, Path()), line, 1, 2), path, related=related)


def test_every_format_has_the_same_seven_findings_and_nothing_else_is_printed(here: Path) -> None:
    out = {
        name: recipe("validate", "x.yaml", "--format", name, cwd=here) for name in ("json", "sarif", "github")
    }
    assert {done.returncode for done in out.values()} == {1}
    said = [(found["code"], *found["at"].values()) for found in json.loads(out["json"].stdout)["findings"]]
    assert said == SEVEN
    results = sarif(out["sarif"].stdout)["runs"][0]["results"]
    places = [(result["ruleId"], result["locations"][0]["physicalLocation"]) for result in results]
    assert [(code, place["artifactLocation"]["uri"], place["region"]["startLine"], place["region"]["startColumn"],
             place["region"]["endColumn"]) for code, place in places] == SEVEN  # fmt: skip
    command = r"::error file=([^,]+),line=(\d+),endLine=\d+,col=(\d+),endColumn=(\d+),title=(RCP\d{4})::\5 .+"
    lines = [re.fullmatch(command, line) for line in out["github"].stdout.splitlines()]
    assert [
        (line[5], line[1], int(line[2]), int(line[3]), int(line[4]) + 1) for line in lines if line
    ] == SEVEN
    assert "7 problems" in out["github"].stderr


@pytest.mark.parametrize("verb", ["validate", "plan", "resolve"])
def test_a_recipe_that_cannot_be_read_is_a_document_all_the_same(here: Path, verb: str) -> None:
    (here / "x.yaml").write_text("a: [\n")
    done = recipe(verb, "x.yaml", "--format=json", cwd=here)
    (found,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, done.stderr, found["code"]) == (1, "", "RCP1001")


def test_a_valid_recipe_is_an_empty_document() -> None:
    file = "recipes/examples/micro-cartoon.yaml"
    assert recipe("validate", file, "--format", "github").stdout == ""
    assert json.loads(recipe("validate", file, "--format", "json").stdout) == {"findings": []}
    assert sarif(recipe("validate", file, "--format", "sarif").stdout)["runs"][0]["results"] == []


def test_every_rule_of_sarif_tells_what_explain_tells() -> None:
    findings = [
        Diagnostic(code, "wrong", Span(Source("x.yaml", "a: 1\n", Path()), 1, 1, 2)) for code in CODES
    ]
    driver = sarif(json.dumps(as_sarif(findings)))["runs"][0]["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == sorted(CODES)
    for rule in driver["rules"]:
        assert EXPLANATIONS[rule["id"]].fix in rule["help"]["text"]


def test_places_of_other_kinds_are_uris_and_related_places_have_their_role() -> None:
    names = [
        "a b/猫.yaml",
        "/abs/x.yaml",
        "builtin:base/wan",
        "git+https://h.org/o/r@main#a.yaml",
        "--set #1",
    ]
    other = ("first written at", Span(Source("p.yaml", "", Path()), 3, 4, 9))
    log = sarif(json.dumps(as_sarif([one("a: 1\n", name=name, related=(other,)) for name in names])))
    results = log["runs"][0]["results"]
    places = [
        result["locations"][0].get("physicalLocation", {}).get("artifactLocation") for result in results
    ]
    assert places == [
        {"uri": "a%20b/%E7%8C%AB.yaml", "uriBaseId": "RECIPES"}, {"uri": "file:///abs/x.yaml"},
        {"uri": "builtin:base/wan"}, {"uri": "git+https://h.org/o/r@main#a.yaml"}, None,
    ]  # fmt: skip
    assert set(log["runs"][0]["originalUriBaseIds"]) == {"RECIPES"}
    (related,) = results[0]["relatedLocations"]
    assert related["message"]["text"] == "first written at"
    assert related["physicalLocation"]["region"] == {
        "startLine": 3,
        "startColumn": 4,
        "endLine": 3,
        "endColumn": 9,
    }


def test_a_fingerprint_stays_when_lines_move_and_is_of_one_finding() -> None:
    def names(*findings: Diagnostic) -> list[str]:
        return [
            result["partialFingerprints"]["codeFileWord/v1"]
            for result in as_sarif(findings)["runs"][0]["results"]
        ]

    word, text = one("rnk: 1\n", path="train.rnk"), one("a: [\n")
    moved = [one("# new\nrnk: 1\n", line=2, path="train.rnk"), one("\n\n  a: [\n", line=3)]
    assert names(word, text) == names(*moved)
    assert (
        len(set(names(word, word, text, one("b: [\n"), one("rnk: 1\n", name="y.yaml", path="train.rnk"))))
        == 5
    )


def test_what_would_end_an_annotation_is_escaped() -> None:
    found = one("a: 1\n", name="a,b:c %.yaml", message="100%\r\n::error::no\x1b[31m")
    (line,) = as_github([found]).splitlines()
    assert line.startswith("::error file=a%2Cb%3Ac %25.yaml,line=1,")
    assert line.endswith("::RCP2001 100%25\ufffd%0A::error::no\ufffd[31m")


def test_an_annotation_of_what_is_no_file_names_the_place_in_its_text() -> None:
    (line,) = as_github([one("train.steps=x", name="--set #1")]).splitlines()
    assert line == "::error title=RCP2001::RCP2001 --set #1:1:1: wrong"


def test_json_is_plain_data() -> None:
    (found,) = as_json([one("a: 1\n", path="a")])["findings"]
    assert json.loads(json.dumps(found)) == found
    assert found["at"] == {"file": "x.yaml", "line": 1, "column": 1, "end": 2}


def test_the_codes_of_a_document_are_in_the_order_of_their_places(here: Path) -> None:
    found = json.loads(recipe("validate", "x.yaml", "--format", "json", cwd=here).stdout)["findings"]
    places = [(one["at"]["file"], one["at"]["line"], one["at"]["column"]) for one in found]
    assert all(before <= after for before, after in pairwise(places))
