"""Repositories made on the spot, and recipes that extend their layers."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from conftest import ROOT

from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import Access
from engine.language.resolve import resolve

HEADER = "apiVersion: wan-recipe/v1\n"
LAYER = HEADER + "kind: flavour\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
BODY = "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n"
NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b.c",
          "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b.c"}  # fmt: skip


class Remote:
    """A repository of layers, somewhere else."""

    def __init__(self, folder: Path, hashed: str = "sha1") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", f"--object-format={hashed}")
        self.git("config", "uploadpack.allowFilter", "true")

    @property
    def url(self) -> str:
        return f"git+file://{self.folder}"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=os.environ | NOBODY, check=True, text=True,
                              capture_output=True)  # fmt: skip
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str], title: str = "a commit") -> str:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", title)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path / "remote")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def write(folder: Path, *extends: str, name: str = "x.yaml", body: str = BODY) -> Path:
    """Write a recipe that extends layers."""
    said = ", ".join(f'"{layer}"' for layer in (*extends, "builtin:hardware/cpu"))
    (folder / name).write_text(f"{HEADER}kind: recipe\nextends: [{said}]\n{body}")
    return folder / name


def online(folder: Path) -> Access:
    return Access(fetch=True, allow_file=True, store=folder / "store")


def offline(folder: Path) -> Access:
    return Access(allow_file=True, store=folder / "store")


def refused(recipe: Path, access: Access) -> Diagnostic:
    """The one finding of a recipe."""
    with pytest.raises(RecipeError) as caught:
        resolve(recipe, (), access)
    assert len(caught.value.findings) == 1, caught.value
    return caught.value.findings[0]


def program(
    *arguments: str, cwd: Path, before: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does, in a home of its own."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "engine.cli", *arguments], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(cwd), "RECIPE_STORE": str(cwd / "store"),
             "RECIPE_CONFIG": str(cwd / "config"), **environment}, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done
