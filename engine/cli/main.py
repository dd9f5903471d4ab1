"""``recipe VERB …``: the verbs, and what each exit code means.

| code | meaning |
| --- | --- |
| 0 | done, valid, or nothing to do |
| 1 | the recipe is wrong, or what it points at; or two recipes differ |
| 2 | the command line is wrong |
| 4 | a stage could not do its work |
| 5 | refused: a text built to do harm, an origin that is not trusted, a reference that can move |
| 6 | the lock is stale |
| 8 | this machine cannot: a folder cannot be read or written, the disk is full, a program is missing or too old |
| 70 | a mistake of the program |
| 75 | interrupted with everything safe: run again to go on |
| 130 | interrupted before anything ran |
"""

import gc
import sys
import traceback
from importlib import import_module
from typing import Annotated

import typer

from engine import VERSION
from engine.cli.findings import print_findings
from engine.endings import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED, Bug, Interrupted, StageError
from engine.language.diagnostics import RecipeError

EXIT_MACHINE = 8

VERBS = {  # in the order of `recipe --help`: verb → its file in engine/cli/verbs
    "validate": "validate",
    "plan": "plan",
    "run": "run",
    "survey": "survey",
    "resolve": "resolve",
    "why": "why",
    "diff": "diff",
    "lock": "lock",
    "vendor": "vendor",
    "card": "card",
    "verify": "verify",
    "init": "init",
    "list": "list_",
    "show": "show_",
    "copy": "copy",
    "doc": "doc",
    "explain": "explain",
    "schema": "schema",
    "fmt": "fmt",
    "migrate": "migrate",
    "import": "import_",
}


def program(asked: str) -> typer.Typer:
    """Return the command line with the verb that was asked for; with all of them where it is none of ours."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                      help="Recipes that train Wan video LoRAs.")  # fmt: skip
    app.callback()(_options)
    # one verb loads what it needs and nothing else: that is half of the time that `recipe validate` has
    for verb in [asked] if asked in VERBS else VERBS:
        app.command(verb)(import_module(f"engine.cli.verbs.{VERBS[verb]}").command)
    return app


def main() -> None:
    """Run the program and turn what can go wrong into words and an exit code."""
    app = program(sys.argv[1] if len(sys.argv) > 1 else "")
    gc.freeze()  # what was loaded stays: collecting it at the end would cost as much as a plan
    gc.enable()
    try:
        app()
    except RecipeError as error:
        print_findings(error.findings)
        sys.exit(error.exit_code)
    except StageError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except OSError as error:
        typer.echo(f"error: {error.filename or 'this machine'}: {error.strerror or error}", err=True)
        sys.exit(EXIT_MACHINE)
    except Interrupted:
        typer.echo("stopped; everything so far is kept. Run the same command to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Bug as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_BUG)
    except Exception:  # noqa: BLE001 - the outermost frame: what nobody foresaw is our mistake, and we want all of it
        traceback.print_exc()
        typer.echo("error: this is a mistake of the program; please report the lines above", err=True)
        sys.exit(EXIT_BUG)


def _options(
    version: Annotated[bool, typer.Option("--version", help="Say the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(VERSION)
        raise typer.Exit
