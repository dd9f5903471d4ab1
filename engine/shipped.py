"""Where the recipes and schemas that come with the program lie: in the wheel, or beside the checkout."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_ENGINE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """Return the folder ``recipes`` or ``schemas``."""
    packed = _ENGINE / "_data" / name
    return packed if packed.is_dir() else _ENGINE.parent / name


def schema_file(name: str) -> Path:
    """Return the file of a schema: ``layer`` or ``resolved``."""
    return data_folder("schemas") / "v1" / f"{name}.schema.json"


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema as it is published: ``layer`` or ``resolved``.

    It is generated from the models, and a test holds the two together; reading it costs a fiftieth of building them.
    """
    read: dict[str, Any] = json.loads(schema_file(name).read_text("utf-8"))
    return read
