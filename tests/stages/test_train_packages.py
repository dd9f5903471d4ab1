"""What an optimizer needs is known before anything runs, and without loading it."""

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from optional import kinds
from torch.distributed import fsdp

from engine.seam import Trouble
from engine.stages.train import packages
from engine.stages.train.packages import PACKAGES, package_troubles
from engine.training.devices import Devices, TorchIsOlder


def troubles(kind: str, *, shard: bool = False, devices: int = 1) -> list[Trouble]:
    spec = SimpleNamespace(optimizer=SimpleNamespace(kind=kind))
    return list(package_troubles(spec, SimpleNamespace(shard=shard, devices=devices)))


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


def test_a_torch_before_sharding_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", lambda name: {"torch": "2.9.1+cu126"}[name])
    (one,) = troubles("adamw", shard=True, devices=2)
    assert (one.code, one.word, one.warning) == ("RCP4040", "hardware.shard", False)
    assert one.message == "sharding needs torch 2.10 or newer, this is 2.9.1+cu126"
    assert "`pip install 'torch>=2.10'`" in one.help
    assert troubles("adamw", shard=True, devices=1) == troubles("adamw", devices=2) == []
    monkeypatch.setattr(packages, "version", lambda name: {"torch": "2.10.0"}[name])
    assert troubles("adamw", shard=True, devices=2) == []


def test_the_plan_asks_for_the_torch_that_sharding_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fsdp, "share_comm_ctx")
    monkeypatch.setattr(packages, "version", lambda name: {"torch": "2.6.0"}[name])
    (one,) = troubles("adamw", shard=True, devices=2)
    with pytest.raises(TorchIsOlder) as caught:
        Devices(0, 2).shard([], torch.device("cpu"))
    asked = r"needs (torch )?(\d+\.\d+) or newer"
    assert re.search(asked, one.message)[2] == re.search(asked, str(caught.value))[2]


@pytest.mark.parametrize("kind", kinds([*PACKAGES, "adamw", "lion", "adafactor", "muon"]))
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
        "for kind in [*PACKAGES, 'muon']: list(package_troubles(S(optimizer=S(kind=kind)), S(shard=True, devices=2)))\n"
        "print(sorted({'torch', 'bitsandbytes', 'prodigyopt', 'schedulefree'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
