"""A complete recipe as text: YAML that reads back as what it was, with the origin of each value beside it if wanted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from engine.language.nodes import Plain, Scalar, Source
from engine.language.read import read_text

Comment = Callable[[str], str]


def to_yaml(values: dict[str, Any], comment: Comment = lambda _: "") -> str:
    """Write sections and words as block mappings, lists in one line.

    Args:
        values: plain data.
        comment: given the dotted path of a word, what to say behind it; empty for nothing.
    """
    return "".join(f"{line}\n" for line in _lines(values, "", "", comment))


def in_recipe(value: Plain) -> str:
    """Write a value in one line as it stands in a recipe, where no text of it is to be taken for a reference."""
    return one_line(_plainly(value))


def _plainly(value: Plain) -> Plain:
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [_plainly(item) for item in value]
    return {key: _plainly(below) for key, below in value.items()} if isinstance(value, dict) else value


def one_line(value: Plain) -> str:
    """Write a value in one line, as it can stand in a recipe."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=2**31, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _lines(values: dict[str, Any], indent: str, above: str, comment: Comment) -> Iterator[str]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value:
            yield f"{indent}{one_line(name)}:"
            yield from _lines(value, f"{indent}  ", f"{path}.", comment)
        else:
            said = comment(path)
            yield f"{indent}{one_line(name)}: {in_recipe(value)}" + (f"  # {said}" if said else "")
        if not indent:
            yield ""


class _Dumper(yaml.SafeDumper):
    """Quotes what our reader would take for something else than a text."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    node, findings = read_text(Source("", text, Path()))
    is_itself = "\n" not in text and not findings and isinstance(node, Scalar) and node.value == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_itself else '"')


_Dumper.add_representer(str, _text)
