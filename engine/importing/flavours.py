"""The flavours that come with the program, by where their weights come from, and what a recipe has from them."""

from functools import cache
from typing import TYPE_CHECKING, Any

from engine.language.builtin import builtin_file, builtin_names
from engine.language.layers import load_layers
from engine.language.merge import leaves, merge
from engine.language.nodes import Plain

if TYPE_CHECKING:
    from engine.importing.convert import Word

_BASE = "base/wan"


@cache
def flavours() -> dict[str, str]:
    """Return repository → flavour."""
    found: dict[str, str] = {}
    for name in builtin_names():
        repository = _words(name).get("model.source.repository") if name.startswith("flavours/") else None
        if isinstance(repository, str):
            found.setdefault(repository, name)
            found.setdefault(repository.removesuffix("-Diffusers"), name)
    return found


def base_words(extends: "Word | None") -> dict[str, Plain]:
    """Return what the flavour that was found says of each word."""
    return _words(extends.value[0].removeprefix("builtin:") if extends else _BASE)


@cache
def _words(name: str) -> dict[str, Plain]:
    layers, findings = load_layers(builtin_file(name))
    assert layers, findings
    merged, _ = merge(layers, layers[-1].node.span)
    made: dict[str, Any] = {path: leaf.value for path, leaf in leaves(merged)}
    return made


def lacking(words: "dict[str, Word]", homes: list[str]) -> list[str]:
    """Return the words that a recipe of these needs, and that nobody says, or can say but who knows the clips.

    Args:
        words: of the recipe, by their dotted paths.
        homes: where the words of its datasets stand.
    """
    known = {*base_words(words.get("extends")), *words}
    needed = ("extends", *(f"{home}.source" for home in homes), "sample.prompts")
    demanded = [
        word for word, said in words.items() if isinstance(said.value, dict) and "$required" in said.value
    ]
    silent = [
        word for word in needed if not any(path == word or path.startswith(f"{word}.") for path in known)
    ]
    return [*silent, *demanded]
