"""``recipe why``."""

from collections.abc import Iterator
from typing import Annotated

import typer

from engine.cli.findings import reporting
from engine.cli.options import (
    AsFormat,
    Format,
    RecipeFile,
    Sets,
    SetsJson,
    Unsets,
    overrides,
    print_json,
)
from engine.language.merge import Leaf, Section, found, leaves
from engine.language.resolve import Resolved, resolve
from engine.language.suggest import did_you_mean
from engine.language.write import one_line
from engine.words.table import MEANINGS


def command(
    word: Annotated[
        str, typer.Argument(help="A word or a section, such as train.lora.rank.", show_default=False)
    ],
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Show who set a word: every layer that spoke of it, the winner first."""
    with reporting(as_format):
        made = resolve(recipe, overrides(sets, jsons, unsets))
    there = found(made.merged, word)
    if there is None:
        raise typer.BadParameter(_absent(word, made), param_hint="word")
    words = {word: there} if isinstance(there, Leaf) else dict(leaves(there, f"{word}."))
    if as_format is Format.JSON:
        print_json({path: [origin.as_json() for origin in leaf.origins] for path, leaf in words.items()})
    elif isinstance(there, Section):
        typer.echo("\n".join(_section(word, there)))
    else:
        typer.echo("\n".join(_stack(word, there)))


def _stack(word: str, leaf: Leaf) -> Iterator[str]:
    yield f"{word}: {one_line(leaf.value)}"
    above = ""
    for origin in leaf.origins:
        said = f"  {one_line(origin.value)}  {origin.span}"
        yield said + (f"  overridden by {above}" if above else "")
        yield f"    {origin.span.line:>5} | {origin.span.whole_line}"
        above = origin.layer


def _section(word: str, section: Section) -> Iterator[str]:
    words = list(leaves(section, f"{word}."))
    width = max((len(path) for path, _ in words), default=0)
    for path, leaf in words:
        yield f"{path:<{width}}  {one_line(leaf.value)}  {leaf.origins[0].span}"
    if section.replaced is not None:
        dropped = ", ".join(path for path, _ in leaves(section.replaced) if path != "kind")
        yield f"the kind changed at {section.span}, which replaced the section at {section.replaced.span}" + (
            f": it said {dropped}" if dropped else ""
        )


def _absent(word: str, made: Resolved) -> str:
    """Say why a word has no value: it is none, or a choice went another way."""
    if word in MEANINGS:
        above = word.rpartition(".")[0]
        kind = made.origin(f"{above}.kind")
        return f"`{word}` is not in this recipe" + (
            f": `{above}.kind` is {kind.value}, set at {kind.span}" if kind else ""
        )
    return f"there is no word `{word}`; {did_you_mean(word, MEANINGS)}".rstrip("; ")
