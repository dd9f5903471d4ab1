"""The files that come with the program: list them, find one, and begin with a copy of one."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.language.builtin import builtin_file, builtin_names
from engine.language.files import BUILTIN
from engine.language.nodes import Mapping, Plain, plain
from engine.language.read import read_file
from engine.language.suggest import did_you_mean
from engine.language.versions import API_VERSION
from engine.language.write import one_line


class BuiltinKind(StrEnum):
    """What a file that comes with the program is for; the value is the start of its folder's name."""

    EXAMPLE = "example"
    FLAVOUR = "flavour"
    HARDWARE = "hardware"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Builtin:
    """A file that comes with the program."""

    name: str
    kind: BuiltinKind
    header: dict[str, Plain]

    @property
    def file(self) -> Path:
        """Where it lies."""
        return builtin_file(self.name)

    @property
    def title(self) -> str:
        """What it says it is, in one line."""
        return str(self.header.get("title", ""))

    @property
    def short(self) -> str:
        """Its name without the folder."""
        return self.name.rpartition("/")[2]


def builtins() -> tuple[Builtin, ...]:
    """Return all of them, examples first."""
    found = [_builtin(name) for name in builtin_names()]
    return tuple(sorted(found, key=lambda one: (list(BuiltinKind).index(one.kind), one.name)))


def find(said: str) -> Builtin:
    """Return the file that a person means: its name, with or without ``builtin:``, or its last part where that is enough.

    Raises:
        LookupError: there is none, or there are several; the message says what there is.
    """
    every = {one.name: one for one in builtins()}
    name = said.removeprefix(BUILTIN)
    fitting = [name] if name in every else [known for known, one in every.items() if one.short == name]
    if len(fitting) > 1:
        raise LookupError(f"`{said}` could be {' or '.join(fitting)}")
    if not fitting:
        near = did_you_mean(name, [*every, *(one.short for one in every.values())])
        raise LookupError(f"nothing called `{said}` comes with the program; {near or 'see `recipe list`'}")
    return every[fitting[0]]


def child(parent: Builtin) -> str:
    """Return a file that builds on another and says nothing of its own yet."""
    return (
        f"apiVersion: {API_VERSION}\n"
        f"kind: {parent.header['kind']}\n"
        f'extends: ["{BUILTIN}{parent.name}"]\n'
        f"title: {one_line(parent.title)}\n"
        "\n"
        f"# Say here what is to be otherwise; `recipe show {parent.name} --resolved` shows every word.\n"
    )


def _builtin(name: str) -> Builtin:
    node, _ = read_file(builtin_file(name), f"{BUILTIN}{name}")
    assert isinstance(node, Mapping), "what comes with the program can be read"
    header = {entry.key: plain(entry.value) for entry in node.entries if not isinstance(entry.value, Mapping)}
    folder = name.partition("/")[0]
    return Builtin(name, next(kind for kind in BuiltinKind if folder.startswith(kind)), header)
