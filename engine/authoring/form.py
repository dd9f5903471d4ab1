"""The form of a recipe file: what ``recipe fmt`` makes of it.

A file is never written anew from its values. Only what is not in form is touched: indents and spaces, the spelling of
``true`` and ``null``, the order of the outermost words (which move together with their comments), blank lines. What the
file says is read again afterwards and compared.
"""

import json
from collections import Counter

import yaml

from engine.authoring.edits import Edit, Spoilt, edited, reread
from engine.authoring.layout import laid_out
from engine.authoring.order import ordered
from engine.authoring.tokens import comments, end, start, texts, tokens
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Node, Source, Span, plain


def formed(source: Source) -> str:
    """Return the text in form. It says the same, and forming it again changes nothing.

    Raises:
        RecipeError: it would not; that is our mistake, and no reason to stop before the next file.
    """
    try:
        before = reread(source, source.text)
        text = ordered(laid_out(ended(source, before)))
        unspoilt(source, before, text)
    except Spoilt as why:
        message = f"cannot be brought into form: {why}"
        raise RecipeError([Diagnostic("RCP1009", message, Span(source, 1, 1, 2), help="the file is as it was; please report "
                           "what it says")]) from None  # fmt: skip
    return text


def unspoilt(source: Source, wanted: Node, text: str) -> None:
    """Compare what a file would become with what it shall say, and its comments with those that it has.

    Raises:
        Spoilt: they differ.
    """
    if not same(wanted, reread(source, text)):
        raise Spoilt("it would say something else")
    lost = Counter(comments(source.text)) - Counter(comments(text))
    if lost:
        raise Spoilt(f"the comment `#{next(iter(lost))}` would be lost")


def same(one: Node, other: Node) -> bool:
    """Whether two trees say the same; 1, 1.0 and true differ."""
    return json.dumps(plain(one), sort_keys=True) == json.dumps(plain(other), sort_keys=True)


def ended(source: Source, node: Node) -> str:
    """Return the text with a line end at its end; a block text that ran into the end of the file stays as it was."""
    text = source.text
    if text.endswith("\n") or same(node, reread(source, f"{text}\n")):
        return text
    above, _, last_line = text.rpartition("\n")
    if not last_line.strip(" "):  # one more line end would be part of the text
        return f"{above}\n"
    last: yaml.ScalarToken = max(texts(tokens(text)), key=end)
    head = text[start(last) :].partition("\n")[0]
    said = head.partition("#")[0].rstrip()
    return edited(text, [Edit(start(last), start(last) + len(said), said.rstrip("+") + "-")]) + "\n"
