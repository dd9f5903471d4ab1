"""``recipe run``."""

from pathlib import Path
from typing import Annotated

import typer

from engine import pipeline
from engine.cli.findings import Strict, held_to, print_findings
from engine.cli.options import (
    AllowFile,
    RecipeFile,
    Sets,
    SetsJson,
    Unsets,
    overrides,
)
from engine.cli.progress import Looking, watcher
from engine.cli.sharing import FrozenRun, LockedRun, Trust, ask_for_trust, look_at_lock
from engine.cli.show import show_outcome, show_plan
from engine.cli.store import StoreFolder, store_folder
from engine.cli.until import Until, last_stage
from engine.language.files import Access


def command(
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    store: StoreFolder = None,
    output: Annotated[Path, typer.Option(help="Folder for the files that you want to have.")] = Path(
        "outputs"
    ),
    strict: Strict = False,
    until: Until = None,
    trust: Trust = None,
    locked: LockedRun = False,
    frozen: FrozenRun = False,
    allow_file: AllowFile = False,
) -> None:
    """Do what the plan says, taking up where the last run stopped."""
    access = Access(fetch=True, allow_file=allow_file, store=store_folder(store))
    made, resolved, warnings = pipeline.plan(
        recipe, overrides(sets, jsons, unsets), store_folder(store), access, Looking().tell,
        until=last_stage(until), keep=True,
    )  # fmt: skip
    warnings += look_at_lock(resolved, access, locked=locked, frozen=frozen)
    ask_for_trust(recipe, access, trust or ())
    print_findings(held_to(warnings, strict=strict))
    typer.echo(show_plan(made))
    with watcher(len(made.work)) as watch:
        outcome = pipeline.run(made, resolved, store_folder(store), output, watch, strict=strict)
    print_findings(outcome.findings)
    typer.echo(show_outcome(outcome))
