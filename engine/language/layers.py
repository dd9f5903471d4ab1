"""A recipe file and the files that it extends, in the order in which they are laid on each other.

Parents come before the file, left to right, each with its own parents first; a file that is reached twice is laid
once, where it was first reached. ``builtin:NAME`` is a file that comes with the program; anything else is a path,
relative to the file that says it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.language.builtin import builtin_file, builtin_names
from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Entry, Items, Mapping, Node, Scalar, Source, Span, plain
from engine.language.read import read_file, read_text
from engine.language.suggest import did_you_mean
from engine.words.recipe import HEADER_WORDS

BUILTIN = "builtin:"
MAX_LAYERS = 64
LONGEST = 200  # characters of a path that is looked for


@dataclass(frozen=True, slots=True)
class Layer:
    """One file, or one override, that a recipe is made of."""

    name: str
    node: Mapping

    @property
    def kind(self) -> str:
        """What the file says it is; empty where it does not say."""
        entry = self.node.get("kind")
        said = plain(entry.value) if entry else ""
        return said if isinstance(said, str) else ""


def load_layers(path: Path) -> tuple[list[Layer], list[Diagnostic]]:
    """Return the layers of a recipe, lowest first, and what was wrong with reading them."""
    loader = _Loader()
    loader.load(path.resolve(), shown(path), ())
    return loader.layers, loader.findings


def override(text: str, number: int) -> tuple[Layer | None, list[Diagnostic]]:
    """Read one ``--set path=value`` as a layer; the value is YAML."""
    name = f"--set #{number}"
    source = Source(name, text, Path.cwd())
    keys, equals, value = text.partition("=")
    whole = Span(source, 1, 1, len(text) + 1)
    if not equals or not all(keys.split(".")):
        return None, [
            Diagnostic("RCP2401", f"`{text}` is not path=value", whole, help="such as train.steps=400")
        ]
    if keys.partition(".")[0] in HEADER_WORDS:
        help_ = "the header says what a file is; set it in the file"
        return None, [Diagnostic("RCP2401", f"`{keys}` cannot be set from outside", whole, help=help_)]
    # the value is read behind spaces as wide as its path, so that a finding's caret stands under it
    node, findings = read_text(Source(name, " " * (len(keys) + 1) + value, Path.cwd()))
    if node is None or findings:
        return None, [Diagnostic("RCP2401", found.message, _in(found.span, source)) for found in findings]
    node = _moved(node, source)
    for key in reversed(keys.split(".")):
        start = text.index(key)
        node = Mapping((Entry(key, Span(source, 1, start + 1, start + len(key) + 1), node),), whole)
    assert isinstance(node, Mapping), "a path has at least one key"
    return Layer(name, node), []


def shown(path: Path) -> str:
    """Return a path as people like to read it: relative where it lies below this folder."""
    full = path.resolve()
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(path)


class _Loader:
    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.findings: list[Diagnostic] = []
        self.done: set[Path] = set()

    def load(self, path: Path, name: str, below: tuple[Path, ...]) -> None:
        node, findings = read_file(path, name)
        self.findings += findings
        self.done.add(path)
        if node is None:
            return
        if not isinstance(node, Mapping):
            self._add("RCP2002", "a recipe file is a mapping of words to values", node.span)
            return
        for parent in _parents(node):
            self._parent(parent, (*below, path))
        self.layers.append(Layer(name, node))

    def _parent(self, said: Scalar, below: tuple[Path, ...]) -> None:
        text = str(said.value)
        path = _located(text, said.span)
        if path in below:
            chain = " → ".join(shown(file) for file in (*below[below.index(path) :], path))
            self._add("RCP2201", f"`{text}` extends itself: {chain}", said.span, "take one of the steps out")
        elif not path.is_file():
            near = did_you_mean(text, [BUILTIN + name for name in builtin_names()])
            self._add("RCP2201", f"there is no layer `{text}`", said.span, near or f"looked for {path}")
        elif len(below) >= MAX_LAYERS:
            self._add("RCP1005", f"more than {MAX_LAYERS} layers on each other", said.span)
        elif path not in self.done:
            self.load(path, text if text.startswith(BUILTIN) else shown(path), below)

    def _add(self, code: str, message: str, span: Span, help_: str = "") -> None:
        self.findings.append(Diagnostic(code, message, span, path="extends", help=help_))


def _parents(node: Mapping) -> Sequence[Scalar]:
    """The names under ``extends``; values of another kind are left to the schema's findings."""
    entry = node.get("extends")
    if entry is None or not isinstance(entry.value, Items):
        return ()
    return [item for item in entry.value.items if isinstance(item, Scalar) and isinstance(item.value, str)]


def _located(text: str, span: Span) -> Path:
    if text.startswith(BUILTIN):
        return builtin_file(text.removeprefix(BUILTIN)).resolve()
    # a name that no file can have is one that is not there
    return (span.source.folder / text[:LONGEST].replace("\0", "")).resolve()


def _in(span: Span, source: Source) -> Span:
    return Span(source, span.line, span.column, span.end)


def _moved(node: Node, source: Source) -> Node:
    """Give a tree that was read from a padded copy the text that the person typed."""
    span = _in(node.span, source)
    match node:
        case Scalar(value):
            return Scalar(value, span)
        case Items(items):
            return Items(tuple(_moved(item, source) for item in items), span)
        case Mapping(entries):
            moved = (
                Entry(entry.key, _in(entry.key_span, source), _moved(entry.value, source))
                for entry in entries
            )
            return Mapping(tuple(moved), span)
