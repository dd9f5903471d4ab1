"""``recipe why``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.findings import reporting
from engine.cli.options import (
    AllowFile,
    AsFormat,
    Format,
    RecipeFile,
    Sets,
    SetsJson,
    Unsets,
    overrides,
    print_json,
)
from engine.language.excerpts import excerpt
from engine.language.files import Access
from engine.language.merge import Leaf, Section, found, leaves
from engine.language.resolve import compose
from engine.language.suggest import did_you_mean
from engine.language.write import one_line
from engine.words.table import MEANINGS


def command(
    word: Annotated[
        str, typer.Argument(help="A word or a section, such as train.adapter.rank.", show_default=False)
    ],
    recipe: RecipeFile,
    sets: Sets = None,
    jsons: SetsJson = None,
    unsets: Unsets = None,
    allow_file: AllowFile = False,
    as_format: AsFormat = Format.TEXT,
) -> None:
    """Show who set a word: every layer that spoke of it, the winner first."""
    if Path(word).is_file() and not recipe.exists():
        word, recipe = str(recipe), Path(word)  # the other way round is as natural
    with reporting(as_format):
        made = compose(recipe, overrides(sets, jsons, unsets), Access(allow_file=allow_file))
    there = found(made.merged, word)
    if there is None:
        raise typer.BadParameter(_absent(word, made.merged), param_hint="word")
    words = {word: there} if isinstance(there, Leaf) else dict(leaves(there, f"{word}."))
    if as_format is Format.JSON:
        print_json({path: [origin.as_json() for origin in leaf.origins] for path, leaf in words.items()})
    elif isinstance(there, Section):
        typer.echo("\n".join(_section(word, there)))
    else:
        typer.echo("\n".join(_stack(word, there)))
    if made.wrong:
        typer.echo(f"\nthe recipe has problems: recipe validate {recipe}", err=True)


def _stack(word: str, leaf: Leaf) -> Iterator[str]:
    yield f"{word}: {one_line(leaf.value)}"
    above = ""
    for origin in leaf.origins:
        said = f"  {one_line(origin.value)}  {origin.span}"
        yield said + (f"  overridden by {above}" if above else "")
        if (line := excerpt(origin.span)) is not None:
            yield f"    {line[0]} | {line[1]}"
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


def _absent(word: str, merged: Section) -> str:
    """Say why a word has no value: it is none, or a choice went another way."""
    if word in MEANINGS:
        above = word.rpartition(".")[0]
        kind = found(merged, f"{above}.kind")
        return f"`{word}` is not in this recipe" + (
            f": `{above}.kind` is {kind.value}, set at {kind.origins[0].span}"
            if isinstance(kind, Leaf)
            else ""
        )
    named = [path for path in MEANINGS if path.rpartition(".")[2] == word]
    near = f"did you mean `{named[0]}`?" if named else did_you_mean(word, MEANINGS)
    return f"there is no word `{word}`; {near}".rstrip("; ")
