"""Where the recipes and schemas that come with the program lie: in the wheel, or beside the checkout."""

from pathlib import Path

_ENGINE = Path(__file__).resolve().parent.parent


def data_folder(name: str) -> Path:
    """Return the folder ``recipes`` or ``schemas``."""
    packed = _ENGINE / "_data" / name
    return packed if packed.is_dir() else _ENGINE.parent / name


def builtin_file(name: str) -> Path:
    """Return the file of a layer that comes with the program, such as ``flavours/wan2.1-t2v-1.3b``."""
    return data_folder("recipes") / f"{name}.yaml"


def builtin_names() -> tuple[str, ...]:
    """Return the names of all layers that come with the program."""
    folder = data_folder("recipes")
    return tuple(sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.yaml")))
