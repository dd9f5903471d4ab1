"""What a dataset of ``data.more`` does not say, it has from ``data``: completed once, after the layers were merged.

The rule is that of layers: mappings merge, everything else is replaced, and a section of another ``kind`` takes the whole
place. A value that comes from ``data`` keeps the place where it was written.
"""

from engine.language.merge import Leaf, Section, found
from engine.shipped import schema

_OWN = "source"  # where clips come from is what makes a dataset one


def inherit(merged: Section) -> None:
    """Give every dataset what it does not say."""
    data, more = found(merged, "data"), found(merged, "data.more")
    if isinstance(data, Section) and isinstance(more, Section):
        shared = [name for name in schema("resolved")["$defs"]["Dataset"]["properties"] if name != _OWN]
        for dataset in more.words.values():
            if isinstance(dataset, Section):
                _under(dataset, {name: data.words[name] for name in shared if name in data.words})


def _under(own: Section, below: dict[str, Section | Leaf]) -> None:
    for name, word in below.items():
        mine = own.words.get(name)
        if mine is None:
            own.words[name] = _copy(word)
        elif isinstance(mine, Section) and isinstance(word, Section) and not _other_kind(mine, word):
            _under(mine, word.words)


def _other_kind(mine: Section, below: Section) -> bool:
    said, had = mine.words.get("kind"), below.words.get("kind")
    return isinstance(said, Leaf) and isinstance(had, Leaf) and said.value != had.value


def _copy(word: Section | Leaf) -> Section | Leaf:
    if isinstance(word, Leaf):
        return Leaf(word.origins)
    return Section(word.span, {name: _copy(below) for name, below in word.words.items()})
