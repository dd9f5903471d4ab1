"""What an optimizer needs is known before anything runs, and without loading it."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

from engine.seam import Trouble
from engine.stages.train import packages
from engine.stages.train.packages import PACKAGES, package_troubles


def troubles(kind: str) -> list[Trouble]:
    return list(package_troubles(SimpleNamespace(optimizer=SimpleNamespace(kind=kind))))


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_package_that_is_not_there_is_said_by_the_plan(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, extra = PACKAGES[kind]
    monkeypatch.setattr(packages, "find_spec", lambda asked: None if asked == name else object())
    (one,) = troubles(kind)
    assert (one.code, one.word, one.warning) == ("RCP4040", "train.optimizer.kind", False)
    assert one.message == f"`{kind}` needs the package {name}, which is not installed"
    assert f"`pip install 'wan-recipes[{extra}]'`" in one.help


def test_a_torch_before_muon_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", lambda name: {"torch": "2.8.0+cu126"}[name])
    (one,) = troubles("muon")
    assert (one.code, one.message) == ("RCP4040", "`muon` needs torch 2.9 or newer, this is 2.8.0+cu126")
    assert "`pip install 'torch>=2.9'`" in one.help
    assert troubles("adamw") == []


@pytest.mark.parametrize("kind", [*PACKAGES, "adamw", "lion", "adafactor", "muon"])
def test_what_the_tests_install_is_there(kind: str) -> None:
    assert troubles(kind) == []


def test_the_extras_bring_the_packages() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name, extra in PACKAGES.values():
        assert f'{extra} = ["{name}>=' in text
        assert f"\n{name}==" in (ROOT / "constraints.txt").read_text()


def test_looking_for_a_package_loads_neither_it_nor_torch() -> None:
    code = (
        "import sys; from types import SimpleNamespace as S; from engine.stages.train.packages import *\n"
        "for kind in [*PACKAGES, 'muon']: assert list(package_troubles(S(optimizer=S(kind=kind)))) == []\n"
        "print(sorted({'torch', 'bitsandbytes', 'prodigyopt', 'schedulefree'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
