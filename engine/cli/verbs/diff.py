"""``recipe diff``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine import pipeline
from engine.cli.findings import reporting
from engine.cli.options import AllowFile, AsFormat, Format, print_json
from engine.language.files import Access
from engine.language.merge import Origin
from engine.language.write import one_line
from engine.plan.compare import Affected, Change

EXIT_DIFFER = 1


def command(
    old: Annotated[Path, typer.Argument(help="A recipe.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
    allow_file: AllowFile = False,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Show which values differ between two recipes, and which stages would run again. Exits with 1 where they differ."""
    with reporting(as_format):
        words, stages = pipeline.diff(old, new, Access(allow_file=allow_file))
    if as_format is Format.JSON:
        print_json({"words": [_as_json(change) for change in words],
                    "stages": [{"stage": one.stage, "effect": one.effect, "because": one.because} for one in stages]})  # fmt: skip
    else:
        typer.echo("\n".join([*map(_line, words), *([""] if words else []), *_effects(stages)]))
    if words:
        raise typer.Exit(EXIT_DIFFER)


def _line(change: Change) -> str:
    return f"{change.path}: {_said(change.before)} → {_said(change.after)}"


def _said(origin: Origin | None) -> str:
    return f"{one_line(origin.value)} ({origin.span})" if origin else "unset"


def _effects(stages: list[Affected]) -> list[str]:
    if not stages:
        return ["no stage runs again"]
    return [
        f"{one.stage:<13} {one.effect}" + (f": {', '.join(one.because)}" if one.because else "")
        for one in stages
    ]


def _as_json(change: Change) -> dict[str, Any]:
    return {"word": change.path, **{name: origin.as_json() if origin else None
                                    for name, origin in (("before", change.before), ("after", change.after))}}  # fmt: skip
