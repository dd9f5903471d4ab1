"""Packages that not every machine has: what needs them is skipped where they are not, with the reason."""

from importlib.util import find_spec

import pytest

needs_bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed: peft would load it in every process, which costs the suite minutes; "
    "pip install 'wan-recipes[bitsandbytes]'",
)


def kinds(names: object) -> list[object]:
    """Kinds of optimizers for ``parametrize``, those with averages in 8 bits marked."""
    return [pytest.param(name, marks=needs_bitsandbytes) if "8bit" in name else name for name in names]
