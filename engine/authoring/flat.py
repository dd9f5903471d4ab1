"""A file and everything that it extends, written out in one: values as they were written, with their comments."""

from collections.abc import Iterator
from pathlib import Path

from engine.authoring.form import same
from engine.authoring.tokens import lines
from engine.language.diagnostics import RecipeError
from engine.language.layers import load_layers
from engine.language.merge import Leaf, Section, merge
from engine.language.nodes import Plain, Source, Span, plain
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
    said = {entry.key: plain(entry.value) for entry in own.entries}
    header = [
        f"{word}: {one_line(said[word])}" for word in HEADER_WORDS if word in said and word not in _NOT_FLAT
    ]
    names = " → ".join([*(layer.name for layer in layers[:-1]), name])
    head = [f"# In one file: {names}", *_head(own.span.source)]
    parts = [[*head, *header]]
    parts += [list(_words(word, merged.words[word], "")) for word in SECTIONS if word in merged.words]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _words(name: str, below: Section | Leaf, indent: str) -> Iterator[str]:
    span = below.origins[0].span if isinstance(below, Leaf) else below.span
    yield from (f"{indent}{line}" for line in _above(span))
    if isinstance(below, Leaf):
        yield f"{indent}{one_line(name)}: {_value(below)}{_beside(span)}"
    elif not below.words:
        yield f"{indent}{one_line(name)}: {{}}"
    else:
        yield f"{indent}{one_line(name)}:"
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


def _above(span: Span) -> list[str]:
    """Return the comments right above a line."""
    text = [line.text for line in lines(span.source.text)]
    first = span.line - 1
    while first and text[first - 1].lstrip().startswith("#"):
        first -= 1
    # what stands at the head of a file is about the file
    return [line.strip() for line in text[first : span.line - 1]] if first else []


def _beside(span: Span) -> str:
    """Return the comment behind a value; one that a whole line of words shares is said once, by the last of them."""
    rest = span.whole_line[span.end - 1 :].lstrip(" }]")
    return f"  {rest}" if rest.startswith("#") else ""


def _head(source: Source) -> Iterator[str]:
    for line in lines(source.text):
        if not line.comment:
            return
        yield line.text
