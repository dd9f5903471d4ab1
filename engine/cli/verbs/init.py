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
    QUESTIONS,
    Answers,
    Folder,
    command_line,
    machine_for,
    machines,
    models,
    no_captions,
    no_choice,
    no_folder,
    no_text,
    recipe_text,
)
from engine.cli.arguments import unused
from engine.cli.findings import print_findings
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import shown


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
    data = asking.answer("data", data, None, no_folder)
    inside = Folder.of(Path(data).expanduser())
    typer.echo(f"{data}: {inside}", err=True)
    answers = Answers(
        model=model,
        data=data,
        captions=asking.answer("captions", captions, inside.captions, no_captions, CAPTIONS),
        hardware=asking.choice("hardware", hardware, machines(), machine_for(model)),
        prompt=asking.answer("prompt", prompt, None),
        title=asking.answer("title", title, Path(data).expanduser().resolve().name or data),
    )
    print_findings(_begun(out, recipe_text(answers, out)))
    typer.echo(
        f"{shown(out)} is written, and valid. The same again:\n  {command_line(answers, out)}\nNext: recipe plan {shown(out)}"
    )


def _begun(out: Path, text: str) -> tuple[Diagnostic, ...]:
    """Write the recipe if it is valid; nothing is left of one that is not. Returns its warnings.

    Raises:
        RecipeError: an answer makes it wrong, such as a token in a prompt.
    """
    try:
        begin(out, text)
        return pipeline.validate(out)
    except RecipeError:
        out.unlink()  # it is ours, and was not there before
        raise


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
        trouble: Callable[[str], str] = no_text,
        known: Mapping[str, str] | None = None,
    ) -> str:
        """Return an answer that will do; one that an option gives and that will not is a mistake of the command line.

        Args:
            name: of the option, and of the question.
            said: what the option says.
            likely: what to guess, and to offer.
            trouble: says why an answer will not do; nothing where it will.
            known: answers to choose from, with what they are.
        """
        if said is None and self.guess and likely is not None:
            return likely
        if said is not None:
            if wrong := trouble(said) or no_text(said):
                raise typer.BadParameter(wrong, param_hint=f"--{name}")
            return said
        names = list(known or ())
        typer.echo(f"\n{QUESTIONS[name]}", err=True)
        for number, one in enumerate(names, start=1):
            typer.echo(f"  {number}  {one:<18} {(known or {})[one]}", err=True)
        while True:
            text = str(
                typer.prompt(
                    f"{name.capitalize()}{' (number or name)' if names else ''}", default=likely, err=True
                )
            )
            text = names[int(text) - 1] if text in map(str, range(1, len(names) + 1)) else text
            if not (wrong := trouble(text) or no_text(text)):
                return text
            typer.echo(wrong, err=True)

    def choice(self, name: str, said: str | None, known: Mapping[str, str], likely: str) -> str:
        """Return one of the names that there are."""
        return self.answer(name, said, likely, lambda text: no_choice(text, known), known)
