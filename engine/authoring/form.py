"""The form of a recipe file: what ``recipe fmt`` makes of it.

A file is never written anew from its values. Only what is not in form is touched: indents and spaces, the spelling of
``true`` and ``null``, the order of the outermost words (which move together with their comments), blank lines. What the
file says is read again afterwards and compared.
"""

import json

import yaml

from engine.authoring.edits import Edit, edited, reread
from engine.authoring.layout import laid_out
from engine.authoring.order import ordered
from engine.authoring.tokens import end, start, texts, tokens
from engine.language.nodes import Node, Source, plain


def formed(source: Source) -> str:
    """Return the text in form. It says the same, and forming it again changes nothing."""
    before = reread(source, source.text)
    text = ordered(laid_out(ended(source, before)))
    if not same(before, reread(source, text)):
        raise RuntimeError(f"{source.name}: forming it would change what it says. The file was left alone.")
    return text


def same(one: Node, other: Node) -> bool:
    """Whether two trees say the same; 1, 1.0 and true differ."""
    return json.dumps(plain(one), sort_keys=True) == json.dumps(plain(other), sort_keys=True)


def ended(source: Source, node: Node) -> str:
    """Return the text with a line end at its end; a block text that ran into the end of the file stays as it was."""
    text = source.text
    if text.endswith("\n") or same(node, reread(source, f"{text}\n")):
        return text
    last: yaml.ScalarToken = max(texts(tokens(text)), key=end)
    head = text[start(last) :].partition("\n")[0]
    said = head.partition("#")[0].rstrip()
    return edited(text, [Edit(start(last), start(last) + len(said), said.rstrip("+") + "-")]) + "\n"
