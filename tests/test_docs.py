"""What README and docs say is what happens: their recipes are valid, their commands are CI's, their links lead somewhere."""

import re
from pathlib import Path

import pytest
from conftest import ROOT

from engine.cli import main
from engine.endings import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED
from engine.language.codes import CODES
from engine.language.resolve import resolve

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
assert len(PAGES) > 6


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


RECIPES = [pytest.param(text, id=page.name) for page in PAGES for text in blocks(page, "yaml")]


def test_there_are_recipes_in_the_docs() -> None:
    assert len(RECIPES) >= 2


@pytest.mark.parametrize("text", RECIPES)
def test_a_recipe_in_the_docs_is_valid(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert resolve(tmp_path / "x.yaml").recipe.train.steps > 0


def test_the_commands_of_the_readme_are_what_ci_runs() -> None:
    said = [line for text in blocks(ROOT / "README.md", "sh") for line in text.splitlines()]
    ran = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("python3")]
    assert said == ran == ["python3 make.py demo", "python3 make.py test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


def test_every_shipped_file_of_the_tree_in_the_readme_exists() -> None:
    tree = re.search(r"^```\nrecipes/ .*?^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert tree is not None
    names = re.findall(r"^(?:  )?([\w./]+(?: [\w./]+)?)  ", tree[0], re.MULTILINE)
    missing = [name for line in names for name in line.split()
               if not ((ROOT / name).exists() or (ROOT / "engine" / name).exists())]  # fmt: skip
    assert missing == []


def test_the_exit_codes_are_the_same_in_the_docs_and_in_the_program() -> None:
    rows = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)
    told = dict(rows.findall((ROOT / "docs" / "language.md").read_text()))
    assert told == dict(rows.findall(main.__doc__ or ""))
    used = {known.exit for known in CODES.values()} | {
        main.EXIT_MACHINE,
        EXIT_FAILED,
        EXIT_BUG,
        EXIT_INTERRUPTED,
    }
    assert used | {0, 2, 130} == set(map(int, told))
