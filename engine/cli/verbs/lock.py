"""``recipe lock``."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import AllowFile, RecipeFile
from engine.cli.store import StoreFolder, store_folder
from engine.language.diagnostics import RecipeError
from engine.language.files import Access, shown
from engine.language.pins import lock_file
from engine.sharing.lock import Locked, NoSuchReference, lock, stale


def command(
    recipe: RecipeFile,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="With --upgrade: move these only, such as `disney` of …#disney.yaml.", show_default=False
        ),
    ] = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Move branches and tags to what they are now.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 6 where the lock is out of date.")
    ] = False,
    allow_file: AllowFile = False,
    store: StoreFolder = None,
) -> None:
    """Write down what a recipe stands on: commits, digests, and every word that counts. Fetches what is missing."""
    if (names and not upgrade) or (check and upgrade):
        raise typer.BadParameter("names go with --upgrade, and --check stands alone")
    where = store_folder(store)
    if check:
        _check(recipe, Access(allow_file=allow_file, store=where))
        return
    access = Access(fetch=True, allow_file=allow_file, store=where)
    try:
        _show(lock(recipe, access, (names or []) if upgrade else None))
    except NoSuchReference as error:
        raise typer.BadParameter(str(error)) from None


def _check(recipe: Path, access: Access) -> None:
    if found := stale(recipe, access):
        raise RecipeError(found)
    typer.echo(f"{shown(lock_file(recipe))}: up to date")


def _show(done: Locked) -> None:
    for move in done.moves:
        typer.echo(f"{move.address}: {move.old[:12]} → {move.new[:12]}")
        for line in move.log:
            typer.echo(f"  {line}")
    what = "written" if done.changed else "unchanged"
    typer.echo(f"{shown(done.file)}: {what}, {done.layers} layer{'s' if done.layers != 1 else ''}")
