"""The layers that come with the program."""

from pathlib import Path

from engine.shipped import data_folder


def builtin_file(name: str) -> Path:
    """Return the file of a layer that comes with the program, such as ``flavours/wan2.1-t2v-1.3b``."""
    return data_folder("recipes") / f"{name}.yaml"


def builtin_names() -> tuple[str, ...]:
    """Return the names of all layers that come with the program."""
    folder = data_folder("recipes")
    return tuple(sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.yaml")))
