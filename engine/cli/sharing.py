"""What the verbs that use shared layers have in common: what may be read, and asking whom to trust."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import Access
from engine.language.pins import lock_file
from engine.language.resolve import Resolved
from engine.language.trust import Stranger, is_origin, strangers, trust
from engine.sharing.lock import held_lock, stale

Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust", metavar="ORIGIN", help="Use layers of this repository, or of those below it, in this run."
    ),
]
LockedRun = Annotated[bool, typer.Option("--locked", help="Stop where the lock is missing or out of date.")]
FrozenRun = Annotated[bool, typer.Option("--frozen", help="Take the lock as it is, out of date or not.")]


def ask_for_trust(recipe: Path, access: Access, said: Sequence[str]) -> None:
    """Ask about every repository that is new here; where nobody can answer, stop.

    Raises:
        RecipeError: an origin is not trusted.
    """
    if odd := [origin for origin in said if not is_origin(origin)]:
        raise typer.BadParameter(f"{odd[0]} is not an origin, such as https://github.com/org/recipes")
    for stranger in strangers(recipe, access, said):
        if not (sys.stdin.isatty() and _agreed(stranger)):
            raise RecipeError([stranger.finding])
        trust([stranger.origin])


def look_at_lock(resolved: Resolved, access: Access, *, locked: bool, frozen: bool) -> tuple[Diagnostic, ...]:
    """Hold a run against its lock as far as was asked; returns as warnings what is out of date.

    Raises:
        RecipeError: the lock is missing or out of date, and that was not to be.
    """
    recipe = resolved.file
    if locked and frozen:
        raise typer.BadParameter("--locked and --frozen exclude each other")
    if frozen:
        held_lock(recipe)
        return ()
    found = stale(recipe, access, resolved) if locked or lock_file(recipe).exists() else ()
    if found and locked:
        raise RecipeError(found)
    return tuple(replace(one, severity="warning") for one in found)


def _agreed(stranger: Stranger) -> bool:
    typer.echo(f"This recipe uses layers of {stranger.origin}, which is new here.")
    for name, said in (
        ("commit", stranger.commits),
        ("files", stranger.files),
        ("licence", stranger.licences or ("not said",)),
    ):
        typer.echo(f"  {name:<8} {', '.join(said)}")
    return typer.confirm("Use it, now and later?")
