"""Packages that an optimizer needs beside those that are always there, told without loading any of them."""

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from packaging.version import Version

from engine.seam import Trouble

if TYPE_CHECKING:
    from engine.stages.train.spec import TrainSpec

# the package of a kind, and the extra of this project that brings it
PACKAGES = {
    "adamw_8bit": ("bitsandbytes", "bitsandbytes"),
    "lion_8bit": ("bitsandbytes", "bitsandbytes"),
    "prodigy": ("prodigyopt", "prodigy"),
    "schedule_free": ("schedulefree", "schedule-free"),
}
_MUON = Version("2.9")  # the first torch that has it


def package_troubles(spec: "TrainSpec") -> Iterator[Trouble]:
    """Yield what the optimizer needs and is not installed: a run would fail after the long stages."""
    kind = spec.optimizer.kind
    if kind in PACKAGES and find_spec(PACKAGES[kind][0]) is None:
        name, extra = PACKAGES[kind]
        yield _trouble(
            f"`{kind}` needs the package {name}, which is not installed",
            f"pip install 'wan-recipes[{extra}]'",
        )
    if kind == "muon" and Version(torch := version("torch")) < _MUON:
        yield _trouble(
            f"`muon` needs torch {_MUON} or newer, this is {torch}", f"pip install 'torch>={_MUON}'"
        )


def _trouble(message: str, line: str) -> Trouble:
    help_ = f"install it: `{line}`; or take another optimizer, such as `adamw`"
    return Trouble("RCP4040", "train.optimizer.kind", message, help_)
