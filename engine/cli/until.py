"""The option ``--until`` of the verbs that plan and run."""

from typing import Annotated

import typer

from engine.stages import STAGES

Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="STAGE",
        help="Stop behind this stage, such as encode_video: to encode and not train.",
    ),
]


def last_stage(said: str | None) -> str:
    """Return the name of a stage that was asked for; empty where none was.

    Raises:
        BadParameter: there is no such stage.
    """
    names = [stage.name for stage in STAGES]
    if said and said not in names:
        raise typer.BadParameter(
            f"there is no stage {said!r}; there are {', '.join(names)}", param_hint="--until"
        )
    return said or ""
