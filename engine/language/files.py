"""Which file the name of a layer means, and its text: one that comes with the program, a path, or an address.

``builtin:NAME`` comes with the program. A path is relative to the file that says it and stays in its project, or, from
a layer of a repository, in that repository at that commit. An address is read as an object of git, see ``git.py``.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from engine.language.address import Address, Blob, Refused, is_address, is_cut_short, parse_address
from engine.language.builtin import builtin_file
from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Node, Scalar, Source, Span, leaves
from engine.language.pins import read_lock
from engine.language.read import read_file, read_text
from engine.shipped import data_folder
from engine.words.table import is_location

BUILTIN = "builtin:"
LONGEST = 200  # characters of a path that is looked for
MAX_REMOTES = 32
MAX_REMOTE_DEPTH = 8  # layers of repositories on each other

Place = Path | Address  # of a layer: a file of this machine, or of a commit


@dataclass(frozen=True, slots=True)
class Access:
    """How far reading a recipe may go.

    Attributes:
        fetch: whether what is missing is fetched; only `recipe lock` and `recipe run` use the network.
        allow_file: whether repositories of this machine may be read.
        store: the store, which holds what was fetched; that of the environment where it is not said.
        pin: says which commit a reference that can move stands for; the lock beside the recipe where it is not said.
    """

    fetch: bool = False
    allow_file: bool = False
    store: Path | None = None
    pin: Callable[[Address], str | None] | None = None


OFFLINE = Access()


class Files:
    """The files of one recipe and of its layers."""

    def __init__(self, recipe: Path, access: Access) -> None:
        self.recipe = recipe
        self.access = access
        self.project = next((above for above in recipe.parents if (above / ".git").exists()), None)
        self.fetched: dict[Address, Source] = {}

    def find(self, said: Scalar, below: tuple[Place, ...] = ()) -> Place:
        """Return what a name means where it stands; a path need not exist.

        Raises:
            Refused: it is not read.
            RecipeError: it needs the lock, and that cannot be read.
        """
        text, source = str(said.value), said.span.source
        if len(text) > LONGEST and not is_address(text):
            # cut short, it would name another file
            raise Refused(
                "RCP2201", f"there is no layer `{text[:60]}…`", f"a path has at most {LONGEST} characters"
            )
        if text.startswith(BUILTIN):
            path, ours = builtin_file(text.removeprefix(BUILTIN)).resolve(), data_folder("recipes").resolve()
            if not path.is_relative_to(ours):
                raise Refused(
                    "RCP5002", f"`{text}` leads out of the program's own layers", "see `recipe list`"
                )
            return path
        if is_address(text):
            return self._elsewhere(text, source.blob, below)
        if source.blob is not None:
            return self._take(source.blob.asked.beside(text), source.blob.commit, below)
        path = located(source.folder / text.replace("\0", ""))
        if self.project is not None and not path.is_relative_to(self.project):
            raise Refused("RCP5002", f"`{text}` leads out of the project of this recipe",
                          f"it would be {path}; who gets the recipe gets {self.project} alone: copy the file there")  # fmt: skip
        return path

    def read(self, place: Place, name: str) -> tuple[Node | None, list[Diagnostic]]:
        """Read what was found."""
        if isinstance(place, Path):
            return read_file(place, name)
        node, findings = read_text(self.fetched[place])
        return node, [*findings, *(_says_places(node) if node else ())]

    def _elsewhere(self, text: str, within: Blob | None, below: tuple[Place, ...]) -> Address:
        address = parse_address(
            text, allow_file=self.access.allow_file or os.environ.get("RECIPE_ALLOW_FILE") == "1"
        )
        if within is not None and address.protocol == "file" != within.asked.protocol:
            raise Refused("RCP5001", f"a layer from elsewhere names `{text}` on this machine")
        if address.pinned:
            return self._take(address, address.ref, below)
        if within is not None:
            raise Refused("RCP5006", f"a layer from elsewhere names `{text}`, which can move",
                          "only your own files may name branches and tags: your lock holds them; "
                          "ask its author for the digits of a commit")  # fmt: skip
        commit = self.access.pin(address) if self.access.pin else self._locked(address)
        if commit is None:
            cut = (
                "a commit is written with all its 40 digits; if it is a branch or a tag, "
                if is_cut_short(address.ref)
                else ""
            )
            raise Refused("RCP5006", f"`{address.ref}` of {address.remote} can move, and no lock holds it",
                          f"{cut}run `recipe lock {self.recipe.name}` to write down which commit is meant")  # fmt: skip
        return self._take(address, commit, below)

    def _locked(self, address: Address) -> str | None:
        lock = read_lock(self.recipe)
        return lock.pins.get((address.remote, address.ref)) if lock else None

    def _take(self, asked: Address, commit: str, below: tuple[Place, ...]) -> Address:
        """Read a file of a commit once."""
        address = asked.at(commit)
        if len({known.remote for known in self.fetched} | {address.remote}) > MAX_REMOTES:
            raise Refused("RCP5005", f"more than {MAX_REMOTES} repositories")
        if sum(isinstance(place, Address) for place in below) >= MAX_REMOTE_DEPTH:
            raise Refused("RCP5005", f"more than {MAX_REMOTE_DEPTH} layers of repositories on each other")
        if address not in self.fetched:
            oid, content = _content(address, self.access)
            try:
                text = content.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Refused("RCP1006", f"{address} is not UTF-8 (byte {error.start})") from None
            # what such a layer calls a relative path has no place of its own: it counts from the recipe
            self.fetched[address] = Source(str(address), text, self.recipe.parent, Blob(asked, commit, oid))
        return address


def name_of(place: Place, text: str) -> str:
    """Return how a layer is shown and named."""
    if isinstance(place, Address):
        return str(place)
    return text if text.startswith(BUILTIN) else shown(place)


def located(path: Path) -> Path:
    """Return the file that a path leads to; links in a circle, and pipes, lead to none and keep their name."""
    try:
        full = path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()
    return full if full.exists() or not path.exists() else path.absolute()


def shown(path: Path) -> str:
    """Return a path as people like to read it: relative where it lies below this folder."""
    full = located(path)
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(path)


def git_cache(store: Path | None) -> Path:
    """Return the folder of what was fetched from repositories."""
    from platformdirs import user_cache_path

    said = store or Path(os.environ.get("RECIPE_STORE") or user_cache_path("wan-recipes"))
    return said.absolute() / "v1" / "git"


def _content(address: Address, access: Access) -> tuple[str, bytes]:
    from engine.language.git import Repository

    repository = Repository.of(address, git_cache(access.store))
    return (repository.fetch if access.fetch else repository.read)(address.ref, address.file)


def _says_places(node: Node) -> list[Diagnostic]:
    """Find words of a layer from elsewhere that point at this machine: it cannot know what lies where."""
    found = []
    for path, entry in leaves(node):
        word = ".".join(part for part in path if not part.startswith("$"))
        if is_location(word) and isinstance(entry.value, Scalar) and _leads_away(str(entry.value.value)):
            found.append(_place(word, entry.value.span, str(entry.value.value)))
    return found


def _place(word: str, span: Span, value: str) -> Diagnostic:
    return Diagnostic("RCP5004", f"a layer from elsewhere sets `{word}` to `{value}`", span, word,
                      "where things lie on this machine is said by your own recipe; "
                      "a shared layer may name a folder beside it, such as `clips`")  # fmt: skip


def _leads_away(path: str) -> bool:
    windows = PureWindowsPath(path)  # which takes both kinds of slashes
    return bool(
        windows.anchor or windows.drive or ".." in windows.parts or path.startswith("~") or "$" in path
    )
