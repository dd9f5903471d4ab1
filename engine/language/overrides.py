"""What is said on the command line, as the last layers: ``--set``, ``--set-json`` and ``--unset``."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.language.diagnostics import Diagnostic
from engine.language.layers import Layer
from engine.language.nodes import Entry, Items, Mapping, Node, Scalar, Source, Span
from engine.language.read import read_text
from engine.language.secrets import hidden
from engine.words.table import HEADER_WORDS


@dataclass(frozen=True, slots=True)
class Override:
    """One option of the command line.

    Attributes:
        option: ``--set`` (the value is YAML), ``--set-json`` (the value is JSON) or ``--unset`` (a path alone).
    """

    option: str
    text: str


def sets(*texts: str) -> tuple[Override, ...]:
    """Return ``path=value`` texts as so many ``--set``."""
    return tuple(Override("--set", text) for text in texts)


def override_layers(said: Iterable[Override]) -> tuple[list[Layer], list[Diagnostic]]:
    """Read options as layers, in order; each is a layer of its own."""
    layers, findings = list[Layer](), list[Diagnostic]()
    count: dict[str, int] = {}
    for one in said:
        count[one.option] = count.get(one.option, 0) + 1
        layer, wrong = _read(one, f"{one.option} #{count[one.option]}")
        findings += wrong
        layers += [layer] if layer else []
    return layers, findings


def _read(said: Override, name: str) -> tuple[Layer | None, list[Diagnostic]]:
    source, secrets = hidden(Source(name, said.text, Path.cwd()))
    if secrets:
        return None, secrets
    keys, equals, value = said.text.partition("=")
    whole = Span(source, 1, 1, len(said.text) + 1)
    unset = said.option == "--unset"
    if bool(equals) is unset or not all(keys.split(".")):
        form, example = ("a path", "train.optimizer.epsilon") if unset else ("path=value", "train.steps=400")
        return None, [Diagnostic("RCP2401", f"`{said.text}` is not {form}", whole, help=f"such as {example}")]
    if keys.partition(".")[0] in HEADER_WORDS:
        help_ = "the header says what a file is; set it in the file"
        return None, [Diagnostic("RCP2401", f"`{keys}` cannot be set from outside", whole, help=help_)]
    if not unset and (not value.strip() or value.lstrip().startswith("#")):
        help_ = f"`--unset {keys}` takes a word away; an empty text is `{keys}=''`"
        return None, [Diagnostic("RCP2401", f"`{said.text}` has no value", whole, help=help_)]
    node, findings = (_unset(whole), []) if unset else _value(said, source, len(keys) + 1, value)
    if node is None:
        return None, findings
    for end in _ends_of_keys(keys):
        key = keys[:end].rpartition(".")[2]
        node = Mapping((Entry(key, Span(source, 1, end - len(key) + 1, end + 1), node),), whole)
    assert isinstance(node, Mapping), "a path has at least one key"
    return Layer(name, node), findings


def _ends_of_keys(keys: str) -> list[int]:
    """Where the keys of a dotted path end in the text, last key first."""
    return [index for index in range(len(keys), 0, -1) if index == len(keys) or keys[index] == "."]


def _unset(span: Span) -> Node:
    return Mapping((Entry("$unset", span, Scalar(True, span)),), span)


def _value(said: Override, source: Source, column: int, value: str) -> tuple[Node | None, list[Diagnostic]]:
    if said.option == "--set-json":
        span = Span(source, 1, column + 1, len(said.text) + 1)
        try:
            value = json.dumps(json.loads(value), ensure_ascii=False)  # YAML has other escapes than JSON
        except ValueError as error:
            return None, [
                Diagnostic("RCP2401", f"not JSON: {error}", span, help="texts stand in double quotes")
            ]
        except RecursionError:
            return None, [Diagnostic("RCP1005", "nested too deep", span)]
    # the value is read behind spaces as wide as its path, so that a finding's caret stands under it
    node, findings = read_text(Source(source.name, " " * column + value, source.folder))
    findings = [replace(found, span=_in(found.span, source)) for found in findings]
    if node is None or any(found.severity == "error" for found in findings):
        return None, [replace(found, code="RCP2401") for found in findings]
    return _moved(node, source), findings


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
