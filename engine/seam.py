"""The seam between the engine and the work that it orders. The only file that both sides import.

Above it nothing knows what a tensor is; below it nothing knows what a recipe is. They meet in a ``Stage``, which can
be read without torch, and in ``Work``: a spec, input folders, an output folder. A stage has nothing else that it
could read, so a key made of *stage, version, spec and the digests of its inputs* cannot lie.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field


def at(path: str) -> Any:
    """Declare which word, or which section, of a recipe a field of a spec is."""
    return Field(json_schema_extra={"path": path})


class Spec(BaseModel):
    """What decides the output of a stage: the words of the recipe that it reads, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class Runtime(BaseModel):
    """What decides only how fast or where a stage works; in no key."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


S = TypeVar("S", bound=Spec)
R = TypeVar("R", bound=Runtime)


class Part(Protocol):
    """A named piece of an artifact: a folder of files whose content has a digest."""

    @property
    def digest(self) -> str:
        """Digest over the names and contents of all files."""

    def read(self, name: str) -> bytes:
        """Return the content of one file."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A part that does not exist yet, but whose content is already known, byte for byte."""

    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """Digest over the names and contents of all files."""
        return digest_of({name: blake3(content).hexdigest() for name, content in self.files.items()})

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        return self.files[name]


class NotMade(Exception):
    """A stage asked for the content of an input that must be made first."""


@dataclass(frozen=True, slots=True)
class Unmade:
    """A part that must be made first: nothing can be told of it, but what stands beside it can still be counted."""

    @property
    def digest(self) -> str:
        """A stand-in, never part of a key that is used."""
        return "unmade"

    def read(self, name: str) -> bytes:
        """There is nothing to read yet."""
        raise NotMade(name)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong with what the recipe points at, such as a clip.

    Attributes:
        word: the word to point at.
        rule: the word that makes it a trouble, where that is another one.
    """

    code: str
    word: str
    message: str
    help: str = ""
    warning: bool = False
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a stage can tell before it runs, without torch.

    Attributes:
        leaves: digests of what it reads outside of the store, such as the user's clips; part of the key.
        outputs: the parts whose content is known beforehand.
        items: keys of the items that it needs, in the store of items.
        amount, unit: how much it has to do in all, such as 400 steps or 12 clips.
        bytes: disk that its output will take, at most; None where that cannot be told.
        files: where the content with a given digest lies on this machine.
        troubles: what is wrong with what it would read.
        notes: what people should know, such as "75 frames of 81 used".
    """

    leaves: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Part] = field(default_factory=dict)
    items: Sequence[str] = ()
    amount: int | None = None
    unit: str = "items"
    bytes: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    troubles: Sequence[Trouble] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What a stage may look at to foresee.

    Attributes:
        tell: hears how many files of how many were looked at.
        keep: whether what is learnt about files may be written down.
    """

    spec: Any
    runtime: Any
    inputs: Mapping[str, Part]
    folders: Mapping[str, Path]  # of the inputs that exist on disk
    memo: Path  # what was learnt about files earlier; may not exist
    tell: Callable[[int, int], None] = lambda _, __: None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """What the planner must know about a stage.

    Attributes:
        name: its name in plans, logs and folders.
        version: raised by hand when the same inputs would give other outputs.
        spec, runtime: models whose fields are the words that it reads.
        needs: the parts of other stages that it reads, as ``stage/part``.
        entry: ``module:function`` that does the work; imported only to run it.
        does: what it does, for people.
        applies: whether a recipe has this stage at all.
        foresee: what it can tell beforehand.
        progress: given the folder that attempts share, how far the newest of them came (and of how much).
        network: whether it may use the network.
        processes: given the runtime, how many processes share the work; all see the same ``Work``, whose folders the
            first alone writes to.
    """

    name: str
    version: int
    spec: type[Spec]
    runtime: type[Runtime]
    needs: tuple[str, ...]
    entry: str
    does: str
    applies: Callable[[Any], bool] = lambda _: True
    foresee: Callable[[View], Foresight] = lambda _: Foresight()
    progress: Callable[[Any, Path], int | None] = lambda _, __: None
    network: Callable[[Any], bool] = lambda _: False
    processes: Callable[[Any], int] = lambda _: 1


class Items(Protocol):
    """The store of items, as a stage sees it: one small folder an item, whole or not there."""

    def has(self, key: str) -> bool:
        """Whether the item is there."""

    def open(self, key: str) -> Path:
        """Return the folder of an item after verifying it. Raises StageError where it is damaged."""

    def publish(self, key: str) -> AbstractContextManager[Path]:
        """Give a folder to fill; it becomes the item when the block ends well."""


@dataclass(frozen=True)
class Work(Generic[S, R]):
    """One step, as its stage sees it.

    Attributes:
        inputs: folder of each needed part, by ``stage/part``.
        digests: digest of each input and leaf, as planned.
        output: an empty folder to fill; it is published when the stage returns.
        shared: a folder that survives a failed attempt and is found again by the next one.
        identity: names the work apart from how long it goes on; two runs of the same training share it.
        files: where the content with a given digest lies.
        memo: a folder for what was learnt about files, to spare looking again.
        items: the store of items.
        tell: report an event: ``tell("progress", done=3, total=12)``.
        stopping: whether someone asked to stop; polled in every long loop.
    """

    spec: S
    runtime: R
    inputs: Mapping[str, Path]
    digests: Mapping[str, str]
    output: Path
    shared: Path
    identity: str
    files: Mapping[str, str]
    memo: Path
    items: Items
    tell: Callable[..., None]
    stopping: Callable[[], bool]


def canonical(value: object) -> bytes:
    """Write plain data in one way only: sorted keys, no spaces, shortest numbers."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_of(value: object) -> str:
    """Return the digest of plain data: 64 hexadecimal digits of BLAKE3."""
    return blake3(canonical(value)).hexdigest()
