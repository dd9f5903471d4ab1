"""The lock beside a recipe, as far as the language needs it: which commit a reference that can move stands for.

``x.lock.yaml`` lies beside ``x.yaml``. It is derived: ``recipe lock`` writes it, and can always write it anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.language.address import Refused, is_commit, parse_address
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Mapping as Words
from engine.language.nodes import Plain, Source, Span, plain
from engine.language.read import read_file

VERSION, REVISION = (
    1,
    0,
)  # of the lock's form: a newer version is refused, a newer revision is read all the same
MARK = "by `recipe lock`: do not edit it"  # which tells a lock from a file that only has its name
MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ")
NOT_OURS = "`recipe lock` did not write it, and leaves it alone: call it something else, or take it away if it was to be the lock"

Pins = Mapping[tuple[str, str], str]  # remote and reference → commit


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was read.

    Attributes:
        node: with the places of its facts.
        facts: the same as plain data.
    """

    node: Words
    facts: dict[str, Plain]

    @property
    def pins(self) -> Pins:
        """The commits that it holds references to."""
        found = dict[tuple[str, str], str]()
        layers = self.facts.get("layers")
        for layer in layers if isinstance(layers, list) else []:
            if isinstance(layer, dict) and "commit" in layer:
                try:
                    address = parse_address(str(layer.get("ref")), allow_file=True)
                except Refused:
                    continue
                if is_commit(str(layer["commit"])):
                    found[address.remote, address.ref] = str(layer["commit"])
        return found


def lock_file(recipe: Path) -> Path:
    """Return where the lock of a recipe lies."""
    return recipe.with_name(f"{recipe.stem}.lock.yaml")


def written_by_lock(file: Path) -> bool:
    """Whether a file was written by ``recipe lock``, and so may be written anew."""
    return MARK in file.read_text("utf-8", errors="replace")


def read_lock(recipe: Path) -> Lock | None:
    """Return the lock of a recipe; None where there is none.

    Raises:
        RecipeError: it cannot be read, or a newer program wrote it.
    """
    file = lock_file(recipe)
    if not file.is_file():  # which also keeps away from pipes and devices
        return None
    node, findings = read_file(file, file.name)
    if findings or not isinstance(node, Words):
        span = findings[0].span if findings else _start(file)
        torn = span.source.text.startswith(MARKERS) or any(
            f"\n{mark}" in span.source.text for mark in MARKERS
        )
        what = "has the marks of a merge conflict" if torn else "cannot be read"
        raise RecipeError([Diagnostic("RCP5102", f"{file.name} {what}", span, help=_way_out(file, recipe))])
    facts = plain(node)
    assert isinstance(facts, dict), "a mapping"
    version = facts.get("version")
    span = entry.value.span if (entry := node.get("version")) else node.span
    if not isinstance(version, int) or isinstance(version, bool):
        raise RecipeError(
            [Diagnostic("RCP5102", f"{file.name} says no version", span, "version", _way_out(file, recipe))]
        )
    if version > VERSION:
        message = f"{file.name} has version {version}; this program reads up to {VERSION}"
        raise RecipeError([Diagnostic("RCP5103", message, span, "version", "upgrade the program")])
    return Lock(node, facts)


def _way_out(file: Path, recipe: Path) -> str:
    try:
        return f"it is derived: run `recipe lock {recipe.name}`" if written_by_lock(file) else NOT_OURS
    except OSError:
        return "make it readable"


def _start(file: Path) -> Span:
    return Span(Source(file.name, "", file.parent), 1, 1, 2)
