"""``recipe migrate``."""

from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer

from engine.authoring.edits import readable
from engine.authoring.migrate import brought_up
from engine.cli.in_place import Change, go_over
from engine.language.characters import BOM


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recipe files.", show_default=False)],
    write: Annotated[bool, typer.Option("--write", help="Write the files in place.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 where a file is of an older version.")
    ] = False,
) -> None:
    """Bring recipe files to the current version of the language; without --write, show what would change."""
    change = Change(_brought_up, "brought up", "of an older version")
    old = go_over(files, change, write=write, show=None if write or check else _difference)
    raise typer.Exit(1 if check and old else 0)


def _brought_up(file: Path) -> str | None:
    source, node = readable(file)
    text = brought_up(source, node)
    return None if text == source.text else _in_bytes_like(file.read_bytes(), text)


def _in_bytes_like(old: bytes, text: str) -> str:
    """Give lines the ends that they have in the file, and the file its first mark, so that a diff shows nothing else."""
    text = text.replace("\n", "\r\n") if b"\r\n" in old else text
    return BOM + text if old.startswith(BOM.encode()) else text


def _difference(file: Path, new: str) -> str:
    old = file.read_text(encoding="utf-8").splitlines()
    said = unified_diff(old, new.splitlines(), "as it is", "as it would be", lineterm="")
    return "".join(f"{line}\n" for line in said)
