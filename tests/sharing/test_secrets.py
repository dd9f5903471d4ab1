"""A token in a recipe is found by its form and shown nowhere."""

import time
from pathlib import Path

import pytest
from sharing.conftest import BODY, HEADER, offline, program, refused, write

from engine.language.diagnostics import render
from engine.language.nodes import Source
from engine.language.overrides import Override, override_layers
from engine.language.read import read_file
from engine.language.secrets import hidden

SECRET = "Xy9" * 12
TOKENS = [
    f"hf_{SECRET}", f"ghp_{SECRET}", f"github_pat_{SECRET}", f"glpat-{SECRET}", "AKIA" + "XY98" * 4, f"sk-{SECRET}",
    f"sk-proj-{SECRET}", f"xoxb-{SECRET}", "AIza" + "Xy9Zw" * 7, f"https://discord.com/api/webhooks/1234/{SECRET}",
    f"https://hooks.slack.com/services/T0/B0/{SECRET}", f"https://bob:{SECRET}@example.org/x",
    f"https://example.org/x?token={SECRET}", f"https://s.org/x?a=1&X-Amz-Signature={SECRET}", f"https://s.org/x?sig={SECRET}",
]  # fmt: skip
HARMLESS = [
    "a cat", "hf_transfer", "sk-learn", "task-oriented-and-very-long-words-with-dashes", "risk-based-approach-2024-to-2025-report",
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "0123456789" * 4, "https://example.org/a:b/c@d", "git+ssh://git@h.org/o/r",
    "AKIRA is a film of 1988", "https://discord.com/invite/abc",
    "https://example.org/x?page=2&keyword=cats",
]  # fmt: skip


def written(folder: Path, token: str) -> Path:
    return write(folder, "builtin:flavours/wan2.1-t2v-micro", body=BODY.replace("a cat", f'"{token}"'))


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("place", ["value", "key", "comment"])
def test_a_token_is_refused_wherever_it_stands_and_shown_nowhere(here: Path, token: str, place: str) -> None:
    recipe = written(here, token if place == "value" else "a cat")
    text = {"value": "", "key": f'meta: {{"{token}": 1}}\n', "comment": f"# mine: {token}\n"}[place]
    recipe.write_text(recipe.read_text() + text)
    found = refused(recipe, offline(here))
    assert (found.code, found.span.line) == ("RCP5201", 5 if place == "value" else 6)
    assert not any(part in render(found) for part in ("Xy9", "XY98"))


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_on_the_command_line_is_refused_as_well(token: str) -> None:
    layers, (found,) = override_layers([Override("--set", f"sample.prompts.cat={token}")])
    assert (layers, found.code) == ([], "RCP5201")
    assert not any(part in render(found) for part in ("Xy9", "XY98"))


def test_the_program_exits_5_and_writes_nothing(here: Path) -> None:
    written(here, f"hf_{SECRET}")
    for verb in ("validate", "plan", "run"):
        done = program(verb, "x.yaml", cwd=here)
        assert (done.returncode, "Xy9" in done.stdout + done.stderr) == (5, False)
    assert sorted(path.name for path in here.rglob("*")) == ["x.yaml"]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_resembles_a_token_is_left_alone(here: Path, text: str) -> None:
    source = Source("x", f"a: {text}", here)
    assert hidden(source) == (source, [])


def test_a_finding_about_the_same_line_does_not_show_it_either(here: Path) -> None:
    (here / "x.yaml").write_text(f"{HEADER}kind: recipe\nextends: []\ntoken: hf_{SECRET}\n")
    done = program("validate", "x.yaml", cwd=here)
    assert "unknown word `token`" in done.stderr
    assert "hf_" + "*" * len(SECRET) in done.stderr
    assert "Xy9" not in done.stderr


@pytest.mark.parametrize("text", ["x://", "x://a:", "sk-", "sk-a1", "hf_", "a:b", "AKIA", "://:", "ghp_"])
def test_looking_for_tokens_takes_no_longer_than_reading(here: Path, text: str) -> None:
    started = time.perf_counter()
    hidden(Source("x", text * ((1 << 20) // len(text)), here))
    assert time.perf_counter() - started < 5


def test_a_secret_that_begins_with_an_escape_is_hidden_with_it(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"aws_secret_access_key": "\\n\\t0123456789012345"}')
    node, found = read_file(tmp_path / "x.json", "x.json")
    assert node is not None
    assert [one.code for one in found] == ["RCP5201"]
    assert "0123" not in found[0].span.source.text
