"""A recipe file and the files that it extends, in the order in which they are laid on each other.

Parents come before the file, left to right, each with its own parents first; a file that is reached twice is laid
once, where it was first reached. What a name of a layer means is said in ``files.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.language.address import Refused
from engine.language.builtin import builtin_names
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import BUILTIN, OFFLINE, Access, Files, Place, located, name_of, shown
from engine.language.fragments import inclusions, piece
from engine.language.nodes import Items, Mapping, Node, Scalar, Span, plain
from engine.language.suggest import did_you_mean
from engine.language.versions import current

MAX_LAYERS = 64
MAX_CHARACTERS = 16 << 20  # of all layers together


@dataclass(frozen=True, slots=True)
class Layer:
    """One file, or one override, that a recipe is made of.

    Attributes:
        built_on: names of the layers that it extends, and of those that they extend.
        included_by: kind of the file that a fragment is taken in by; what that may not say, the fragment may not.
    """

    name: str
    node: Mapping
    built_on: frozenset[str] = frozenset()
    included_by: str = ""

    @property
    def kind(self) -> str:
        """What the file says it is; empty where it does not say."""
        entry = self.node.get("kind")
        said = plain(entry.value) if entry else ""
        return said if isinstance(said, str) else ""


def load_layers(path: Path, access: Access = OFFLINE) -> tuple[list[Layer], list[Diagnostic]]:
    """Return the layers of a recipe, lowest first, and what was wrong with reading them."""
    loader = _Loader(Files(located(path), access))
    loader.load(located(path), shown(path), ())
    return loader.layers, loader.findings


class _Loader:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.layers: list[Layer] = []
        self.findings: list[Diagnostic] = []
        self.taken = 0  # files, the recipe left out
        self.characters = 0  # of all texts
        self.full = False
        self.done: dict[Place, frozenset[str]] = {}  # names of a file and of all that it is built on

    def load(self, place: Place, name: str, below: tuple[Place, ...]) -> None:
        node = self._read(place, name)
        self.done[place] = frozenset([name])
        if node is None:
            return
        if not isinstance(node, Mapping):
            self._add("RCP2002", "a recipe file is a mapping of words to values", node.span)
            return
        node, findings = current(node)
        self.findings += findings
        if any(found.code == "RCP3002" for found in findings):
            return  # its words are not ours
        built_on = frozenset[str]().union(*(self._parent(said, (*below, place)) for said in parents(node)))
        for at, said in inclusions(node):
            self._fragment(at, said, (*below, place), Layer(name, node).kind)
        self.done[place] |= built_on
        self.layers.append(Layer(name, node, built_on))

    def _read(self, place: Place, name: str) -> Node | None:
        node, findings = self.files.read(place, name)
        self.findings += findings
        self.characters += len(node.span.source.text) if node else 0
        return node

    def _fragment(self, at: tuple[str, ...], said: Scalar, below: tuple[Place, ...], kind: str) -> None:
        """Lay a fragment right below the file that includes it."""
        place = self._found(said, below)
        if place is None or not self._room(said):
            return
        if isinstance(place, Path) and not place.is_file():
            self._add("RCP2207", f"there is no fragment `{said.value}`", said.span, f"looked for {place}")
            return
        node = self._read(place, name_of(place, str(said.value)))
        if isinstance(node, Mapping):
            taken, findings = piece(node, at, said)
            self.findings += findings
            self.layers += [Layer(node.span.source.name, taken, included_by=kind)] if taken else []

    def _parent(self, said: Scalar, below: tuple[Place, ...]) -> frozenset[str]:
        """Load a layer that another extends; returns the names of all that it brings."""
        text, place = str(said.value), self._found(said, below)
        if place is None:
            return frozenset()
        if place in below:
            steps = (*below[below.index(place) :], place)
            chain = " → ".join(name_of(step, "") for step in steps)
            self._add("RCP2201", f"`{text}` extends itself: {chain}", said.span, "take one of the steps out")
        elif isinstance(place, Path) and not place.is_file():
            named = [BUILTIN + name for name in builtin_names() if name.endswith(f"/{text}")]
            near = (f"write `{named[0]}`" if named else
                    did_you_mean(text, [BUILTIN + name for name in builtin_names()]))  # fmt: skip
            self._add("RCP2201", f"there is no layer `{text}`", said.span, near or f"looked for {place}")
        elif place not in self.done and self._room(said):
            self.load(place, name_of(place, text), below)
            if (
                self.layers
                and self.layers[-1].name == name_of(place, text)
                and self.layers[-1].kind == "fragment"
            ):
                self._add(
                    "RCP2201", f"`{text}` is a fragment", said.span, "take it in at its place by `$include`"
                )
        return self.done.get(place, frozenset())

    def _room(self, said: Scalar) -> bool:
        """Take one more file in; past a limit say so once."""
        if self.full:
            return False
        self.taken += 1
        if self.taken > MAX_LAYERS or self.characters > MAX_CHARACTERS:
            self.full = True
            limits = f"more than {MAX_LAYERS} layers and fragments, or {MAX_CHARACTERS:,} characters of them"
            self._add("RCP1005", limits, said.span)
        return not self.full

    def _found(self, said: Scalar, below: tuple[Place, ...]) -> Place | None:
        """Return what a name means; None, with a finding, where it is not read."""
        try:
            return self.files.find(said, below)
        except Refused as no:
            # a password in an address is said once, and that was when the text was read
            if not any(found.code == "RCP5201" and _holds(said.span, found.span) for found in self.findings):
                self._add(no.code, no.message, said.span, no.help)
        except RecipeError as error:
            self.findings += error.findings
        return None

    def _add(self, code: str, message: str, span: Span, help_: str = "") -> None:
        self.findings.append(Diagnostic(code, message, span, path="extends", help=help_))


def parents(node: Mapping) -> Sequence[Scalar]:
    """Return the names under ``extends``; values of another kind are left to the schema's findings."""
    entry = node.get("extends")
    if entry is None or not isinstance(entry.value, Items):
        return ()
    return [item for item in entry.value.items if isinstance(item, Scalar) and isinstance(item.value, str)]


def _holds(outer: Span, inner: Span) -> bool:
    return (
        outer.source == inner.source
        and outer.line == inner.line
        and outer.column <= inner.column
        and inner.end <= outer.end
    )
