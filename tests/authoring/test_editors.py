"""Editors and the program agree on what a recipe may say."""

import os
import shutil
from pathlib import Path

import pytest
from authoring.language_server import LanguageServer
from authoring.typos import GOOD, SLIPS, slipped

from engine.language.builtin import builtin_file, builtin_names
from engine.language.diagnostics import RecipeError
from engine.language.resolve import resolve
from engine.shipped import schema_file

PACKAGE = Path(os.environ.get("YAML_LANGUAGE_SERVER", "nowhere"))
MODELINE = f"# yaml-language-server: $schema={schema_file('layer').as_uri()}\n"
NEEDS_NPM = "needs node and npm: npm install yaml-language-server, then YAML_LANGUAGE_SERVER=…/node_modules/yaml-language-server"


@pytest.fixture
def server():
    if not (PACKAGE / "package.json").is_file() or shutil.which("node") is None:
        pytest.skip(NEEDS_NPM)
    with LanguageServer(PACKAGE) as running:
        yield running


def test_the_recipe_without_slips_is_valid(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(GOOD)
    assert resolve(tmp_path / "x.yaml").warnings == ()


@pytest.mark.parametrize("name", SLIPS)
def test_the_program_finds_every_slip(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(slipped(name))
    with pytest.raises(RecipeError) as wrong:
        resolve(tmp_path / "x.yaml")
    line = next(number for number, (good, typed) in enumerate(zip(GOOD.splitlines(), slipped(name).splitlines(), strict=False), start=1)
                if good != typed)  # fmt: skip
    assert min(abs(found.span.line - line) for found in wrong.value.findings) <= 2, "it points at the slip"


@pytest.mark.slow
def test_editors_find_nothing_in_what_comes_with_the_program(server: LanguageServer) -> None:
    said = {name: server.diagnostics(MODELINE + builtin_file(name).read_text()) for name in builtin_names()}
    assert len(said) >= 7
    assert {name: found for name, found in said.items() if found} == {}
    assert server.diagnostics(MODELINE + GOOD) == []


@pytest.mark.slow
def test_editors_flag_slips_while_they_are_typed(server: LanguageServer) -> None:
    missed = [name for name in SLIPS if not server.diagnostics(MODELINE + slipped(name))]
    print(f"\n{len(SLIPS) - len(missed)} of {len(SLIPS)} flagged; not: {', '.join(missed)}")  # noqa: T201 - the measurement
    assert len(SLIPS) >= 50
    assert len(SLIPS) - len(missed) >= 45


@pytest.mark.slow
def test_editors_complete_words_and_names(server: LanguageServer) -> None:
    head = f"{MODELINE}apiVersion: wan-recipe/v1\nkind: recipe\n"
    assert {"steps", "lora", "$unset"} <= set(server.complete(f"{head}train:\n  \n", 4, 2))
    assert {"unipc", "euler"} <= set(server.complete(f"{head}sample:\n  sampler: \n", 4, 11))


@pytest.mark.slow
@pytest.mark.parametrize("address", [str(schema_file("layer")), schema_file("layer").as_uri()])
def test_the_first_line_may_be_a_path_or_an_address(server: LanguageServer, address: str) -> None:
    (found,) = server.diagnostics(
        f"# yaml-language-server: $schema={address}\napiVersion: wan-recipe/v1\nkind: recipe\nstepz: 1\n"
    )
    assert "stepz" in found["message"]
