"""A file and everything that it extends, written out in one: values as they were written, with their comments."""

from collections.abc import Iterator
from pathlib import Path

from engine.authoring.form import same
from engine.authoring.remarks import remarks_at
from engine.authoring.tokens import lines
from engine.language.diagnostics import RecipeError
from engine.language.layers import load_layers
from engine.language.merge import Leaf, Section, merge
from engine.language.nodes import Entry, Plain, Source, plain
from engine.language.read import read_text
from engine.language.write import one_line
from engine.words.table import HEADER_WORDS, SECTIONS

_NOT_FLAT = ("extends", "requires")


def flat(path: Path, name: str) -> str:
    """Return the text of one file that says what a file and its layers say together.

    Args:
        path: the file.
        name: how to name it at the head of the text.

    Raises:
        RecipeError: a layer cannot be read, or layers contradict each other.
    """
    layers, findings = load_layers(path)
    merged, conflicts = merge(layers, layers[-1].node.span) if layers else (None, [])
    if merged is None or any(found.severity == "error" for found in [*findings, *conflicts]):
        raise RecipeError([*findings, *conflicts])
    own = layers[-1].node
    own_header = {entry.key: entry for entry in own.entries if entry.key not in _NOT_FLAT}
    header = [line for word in HEADER_WORDS if word in own_header for line in _header(own_header[word])]
    names = " → ".join([*(layer.name for layer in layers[:-1]), name])
    head = [f"# In one file: {names}", *_head(own.span.source)]
    parts = [[*head, *header]]
    parts += [list(_words(word, merged.words[word], "")) for word in SECTIONS if word in merged.words]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _header(entry: Entry) -> Iterator[str]:
    remarks = remarks_at(entry.key_span)
    yield from remarks.above
    yield f"{entry.key}: {one_line(plain(entry.value))}{remarks.beside and f'  {remarks.beside}'}"


def _words(name: str, below: Section | Leaf, indent: str) -> Iterator[str]:
    span = below.origins[0].span if isinstance(below, Leaf) else below.span
    remarks = remarks_at(span)
    beside = remarks.beside and f"  {remarks.beside}"
    yield from (f"{indent}{line}" for line in remarks.above)
    if isinstance(below, Leaf):
        yield f"{indent}{one_line(name)}: {_value(below)}{beside}"
    elif not below.words:
        yield f"{indent}{one_line(name)}: {{}}{beside}"
    else:
        yield f"{indent}{one_line(name)}:{beside}"
        for inner, value in below.words.items():
            yield from _words(inner, value, f"{indent}  ")


def _value(leaf: Leaf) -> str:
    """Return a value as it was written where that fits into a line: `1e-4` stays `1e-4`."""
    span = leaf.origins[0].span
    text = span.whole_line[span.column - 1 : span.end - 1]
    return text if _reads_as(text, leaf.value) else one_line(leaf.value)


def _reads_as(text: str, value: Plain) -> bool:
    one, findings = read_text(Source("", f"- {text}", Path()))
    other, _ = read_text(Source("", f"- {one_line(value)}", Path()))
    return not findings and one is not None and other is not None and same(one, other)


def _head(source: Source) -> Iterator[str]:
    for line in lines(source.text):
        if not line.comment:
            return
        yield line.text
