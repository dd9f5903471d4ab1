"""Packages that training needs beside those that are always there, or newer ones, told without loading any of them."""

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from packaging.version import Version

from engine.seam import Trouble

if TYPE_CHECKING:
    from engine.stages.train.spec import TrainRuntime, TrainSpec

# the package of a kind, and the extra of this project that brings it
PACKAGES = {
    "adamw_8bit": ("bitsandbytes", "bitsandbytes"),
    "lion_8bit": ("bitsandbytes", "bitsandbytes"),
    "prodigy": ("prodigyopt", "prodigy"),
    "schedule_free": ("schedulefree", "schedule-free"),
}
_MUON, _SHARDING = Version("2.9"), Version("2.10")  # the first torch that has it


def package_troubles(spec: "TrainSpec", runtime: "TrainRuntime") -> Iterator[Trouble]:
    """Yield what is needed and not installed, or too old: a run would fail after the long stages."""
    kind = spec.optimizer.kind
    if kind in PACKAGES and find_spec(PACKAGES[kind][0]) is None:
        name, extra = PACKAGES[kind]
        yield _optimizer(
            f"`{kind}` needs the package {name}, which is not installed",
            f"pip install 'wan-recipes[{extra}]'",
        )
    if kind == "muon" and Version(torch := version("torch")) < _MUON:
        yield _optimizer(
            f"`muon` needs torch {_MUON} or newer, this is {torch}", f"pip install 'torch>={_MUON}'"
        )
    if runtime.shard and runtime.devices > 1 and Version(torch := version("torch")) < _SHARDING:
        yield Trouble(
            "RCP4040", "hardware.shard", f"sharding needs torch {_SHARDING} or newer, this is {torch}",
            f"install it: `pip install 'torch>={_SHARDING}'`; or write `hardware.shard: false`",
        )  # fmt: skip


def _optimizer(message: str, line: str) -> Trouble:
    help_ = f"install it: `{line}`; or take another optimizer, such as `adamw`"
    return Trouble("RCP4040", "train.optimizer.kind", message, help_)
