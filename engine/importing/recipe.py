"""Files of another trainer → a recipe, with what became of every key. Read this first."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.importing.convert import Word
from engine.importing.datasets import convert_datasets, homes_of
from engine.importing.flavours import base_words, lacking
from engine.importing.given import Dropped, Given, Mapped, Outcome, Unsupported
from engine.importing.sources import ai_toolkit, musubi, simpletuner
from engine.importing.table import Table, table
from engine.importing.write import one_line, write
from engine.language.check import check_layer
from engine.language.layers import Layer
from engine.language.nodes import Mapping, Source
from engine.language.read import read_text


@dataclass(frozen=True, slots=True)
class Imported:
    """A recipe, and what became of every key of its source.

    Attributes:
        text: the recipe.
        outcomes: every key that was given, in the order of the files.
        lacks: words that the source says nothing of, and that a recipe needs.
    """

    tool: str
    text: str
    outcomes: tuple[tuple[Given, Outcome], ...]
    lacks: tuple[str, ...]

    @property
    def unsupported(self) -> list[tuple[Given, Unsupported]]:
        """What cannot be said here, first what changes what is learnt."""
        found = [(one, outcome) for one, outcome in self.outcomes if isinstance(outcome, Unsupported)]
        return sorted(found, key=lambda pair: not pair[1].learns)


def from_simpletuner(config: Path, data: Path | None) -> Imported:
    """Import config.json and multidatabackend.json."""
    known = table("simpletuner")
    return _recipe(known, simpletuner(known, config, data), [config, *([data] if data else [])])


def from_musubi(dataset: Path, arguments: str | None) -> Imported:
    """Import a dataset TOML, and the command line that trains with it: itself, or a file that holds it."""
    known = table("musubi")
    spoken = [Path("its command line")] if arguments is not None else []
    return _recipe(known, musubi(known, dataset, arguments), [dataset, *spoken])


def from_ai_toolkit(config: Path) -> Imported:
    """Import a job of ai-toolkit."""
    known = table("ai-toolkit")
    return _recipe(known, ai_toolkit(known, config), [config])


def report(imported: Imported) -> str:
    """Say what became of every key, in three groups."""
    groups: tuple[tuple[str, list[tuple[Given, str]]], ...] = (
        ("mapped", [(one, f"→ {', '.join(outcome.words)}") for one, outcome in imported.outcomes if isinstance(outcome, Mapped)]),
        ("dropped", [(one, outcome.reason) for one, outcome in imported.outcomes if isinstance(outcome, Dropped)]),
        ("unsupported", [(one, _first(outcome) + outcome.reason) for one, outcome in imported.unsupported]),
    )  # fmt: skip
    counts = ", ".join(f"{len(keys)} {name}" for name, keys in groups)
    lines = [f"{imported.tool}: {len(imported.outcomes)} keys: {counts}"]
    for name, keys in groups:
        lines += (
            ["", name, *(f"  {one_line(one.name):<42} {one_line(says)}" for one, says in keys)]
            if keys
            else []
        )
    if imported.lacks:
        lines += ["", f"still to say: {', '.join(imported.lacks)}"]
    return "\n".join(lines)


def _first(outcome: Unsupported) -> str:
    return "changes what is learnt: " if outcome.learns else ""


def _recipe(known: Table, keys: Iterator[Given], files: list[Path]) -> Imported:
    given = list(keys)
    outcomes, words = convert_datasets(known, given)
    _hold(given, outcomes, words)
    left = Imported("", "", tuple(zip(given, outcomes, strict=True)), ()).unsupported
    lacks = lacking(words, homes_of(given))
    text = write(known.tool, [file.name for file in files], words, left, lacks)
    return Imported(known.tool, text, tuple(zip(given, outcomes, strict=True)), tuple(lacks))


def _hold(given: list[Given], outcomes: list[Outcome], words: dict[str, Word]) -> None:
    """Take out what the vocabulary refuses; the keys that said it are unsupported, with its reason."""
    node, _ = read_text(Source("import", write("", [], _with_kinds(words), [], []), Path()))
    assert isinstance(node, Mapping), "what we write is a mapping"
    findings, _ = check_layer(Layer("import", node))
    for found in findings:
        at = found.path
        guilty = {id(one) for word, made in words.items() if _touches(word, at) for one in made.keys}
        for number, one in enumerate(given):
            if id(one) in guilty:
                outcomes[number] = Unsupported(found.message, learns=True)
        bad = [
            word
            for word, made in words.items()
            if guilty & {id(one) for one in made.keys} or _touches(word, at)
        ]
        for word in bad:
            del words[word]


def _with_kinds(words: dict[str, Word]) -> dict[str, Word]:
    """Add the kinds that sections have from the flavour: of which kind a section is decides what its words may be."""
    base = base_words(words.get("extends"))
    kinds = {f"{path.rpartition('.')[0]}.kind" for path in words} - words.keys()
    return words | {kind: Word(base[kind], ()) for kind in kinds if kind in base}


def _touches(word: str, at: str) -> bool:
    return word == at or at.startswith(f"{word}.") or word.startswith(f"{at}.")
