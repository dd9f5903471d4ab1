"""``recipe init``."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from engine import pipeline
from engine.authoring.edits import begin
from engine.authoring.init import (
    CAPTIONS,
    DEFAULT_MODEL,
    Answers,
    Folder,
    captions_are_known,
    command_line,
    machine_for,
    machines,
    models,
    recipe_text,
)
from engine.cli.arguments import unused
from engine.cli.findings import print_findings
from engine.language.files import shown
from engine.language.suggest import did_you_mean


def command(
    out: Annotated[Path, typer.Argument(help="The new recipe.")] = Path("recipe.yaml"),
    model: Annotated[
        str | None, typer.Option(help="What is trained; `recipe list --kind flavour`.", show_default=False)
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of clips.", show_default=False)] = None,
    captions: Annotated[
        str | None, typer.Option(help="beside, filename or one:TEXT.", show_default=False)
    ] = None,
    hardware: Annotated[
        str | None, typer.Option(help="The machine; `recipe list --kind hardware`.", show_default=False)
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What the sample videos show.", show_default=False)
    ] = None,
    title: Annotated[str | None, typer.Option(help="One line for people.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing that can be guessed.")] = False,
) -> None:
    """Begin a recipe: asks on a terminal what the options do not say. Nothing is ever written over."""
    unused(out)
    ask = sys.stdin.isatty()
    _missing({"--data": data, "--prompt": prompt}, ask=ask)
    asking = _Asking(ask, guess=yes or not ask)
    model = asking.choice("model", model, models(), DEFAULT_MODEL)
    data = asking.folder(data)
    inside = Folder.of(Path(data).expanduser())
    typer.echo(f"{data}: {inside}", err=True)
    answers = Answers(
        model=model,
        data=data,
        captions=asking.answer("captions", captions, inside.captions, CAPTIONS, captions_are_known),
        hardware=asking.choice("hardware", hardware, machines(), machine_for(model)),
        prompt=asking.answer("prompt", prompt, None),
        title=asking.answer("title", title, Path(data).expanduser().resolve().name),
    )
    begin(out, recipe_text(answers, out))
    print_findings(pipeline.validate(out))
    typer.echo(
        f"{shown(out)} is written, and valid. The same again:\n  {command_line(answers, out)}\nNext: recipe plan {shown(out)}"
    )


def _missing(needed: Mapping[str, str | None], *, ask: bool) -> None:
    missing = [option for option, said in needed.items() if said is None]
    if missing and not ask:
        raise typer.BadParameter(
            f"nobody can be asked here: say {' and '.join(missing)}", param_hint="options"
        )


class _Asking:
    """Takes what an option says, or asks, or guesses."""

    def __init__(self, ask: bool, *, guess: bool) -> None:
        self.ask = ask
        self.guess = guess

    def answer(
        self,
        name: str,
        said: str | None,
        likely: str | None,
        known: Mapping[str, str] | None = None,
        good: Callable[[str], bool] = lambda text: bool(text.strip()),
    ) -> str:
        """Return an answer that is good; one that an option gives and that is not is a mistake of the command line."""
        if said is None and self.guess and likely is not None:
            return likely
        if said is None:
            for one, about in (known or {}).items():
                typer.echo(f"  {one:<18} {about}", err=True)
        while True:
            text = (
                said if said is not None else str(typer.prompt(name.capitalize(), default=likely, err=True))
            )
            if good(text):
                return text
            wrong = f"{text!r} is none of {', '.join(known)}" if known else f"{text!r} does not do"
            near = did_you_mean(text, known or ())
            if said is not None:
                raise typer.BadParameter(f"{wrong}; {near}".rstrip("; "), param_hint=f"--{name}")
            typer.echo(f"{wrong}; {near}".rstrip("; "), err=True)

    def choice(self, name: str, said: str | None, known: Mapping[str, str], likely: str) -> str:
        """Return one of the names that there are."""
        return self.answer(name, said, likely, known, lambda text: text in known)

    def folder(self, said: str | None) -> str:
        """Return a folder that is there."""
        return self.answer("data", said, None, None, lambda text: Path(text).expanduser().is_dir())
