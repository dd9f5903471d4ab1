"""Addresses of layers in git repositories: ``git+https://HOST/ORG/REPO@REF#PATH``, or ``gh:ORG/REPO@REF#PATH``.

An address comes from a stranger's file and ends up at git, so it is taken apart here and only what is understood is
put together again: three protocols, plain names, no user, no password, no way out of the repository.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

FORM = "write git+https://HOST/ORG/REPO@COMMIT#PATH"

_PROTOCOLS = ("https", "ssh", "file")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_NAME = re.compile(r"[A-Za-z0-9_.~+][A-Za-z0-9_.~+-]*")  # of a folder on the way to a repository
_FOLDER = re.compile(r"[\w.~+][\w.~+-]*")  # the same on this machine, in any script
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")
_CUT_SHORT = re.compile(r"(?=.*[0-9])[0-9a-f]{7,39}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

# where a name, a token or a password may stand: in an address of ours, and in one of any other kind
_OURS = re.compile(r"git\+(?:https?|git|ssh)://(?:(?<=ssh://)git@)?([^\s#]*)")
_PLAIN = re.compile(r"([\w.-]*|\[[\w:.]*\])(:[0-9]*)?(/[^@]*(@[^@]*)?)?")  # its one @ is that of the commit
_ANY = re.compile(r"://[^\s#\"']*")
_AUTHORITY = re.compile(r"(?<!git\+https)(?<!git\+http)(?<!git\+git)(?<!git\+ssh)://([^/?]*)")
_BARE = re.compile(r"([^@:]*|\[[^@]*\])(:[0-9]*)?")
_NAME_ALONE = re.compile(r"[\w.-]+@[^@:]*(:[0-9]*)?")  # who one is to ssh and its like is no secret


class Refused(Exception):
    """Something that is not done for a layer from elsewhere; whoever asked knows the place of the finding."""

    def __init__(self, code: str, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help_


@dataclass(frozen=True, slots=True)
class Address:
    """A file of a repository.

    Attributes:
        remote: the repository, as git is told: ``https://github.com/org/recipes``.
        ref: a commit, or a branch or tag, which can move.
        file: path in the repository.
    """

    remote: str
    ref: str
    file: str

    @property
    def pinned(self) -> bool:
        """Whether it names a commit in full, and so the same content for ever."""
        return _COMMIT.fullmatch(self.ref) is not None

    @property
    def protocol(self) -> str:
        """How git reaches the repository."""
        return self.remote.partition(":")[0]

    def at(self, commit: str) -> "Address":
        """Return the same file at a commit."""
        return replace(self, ref=commit)

    def beside(self, path: str) -> "Address":
        """Return the file that a relative path in this one names: of the same repository at the same commit.

        Raises:
            Refused: the path leads out of the repository.
        """
        parts = list(PurePosixPath(self.file).parent.parts)
        for part in _parts(path):
            if part != "..":
                parts.append(part)
            elif parts:
                parts.pop()
            else:
                raise Refused(
                    "RCP5002", f"`{path}` leads out of the repository", "a layer stays within its own"
                )
        return replace(self, file="/".join(parts))

    def __str__(self) -> str:
        return f"git+{self.remote}@{self.ref}#{self.file}"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit, and how it was asked for.

    Attributes:
        asked: the address as it was written.
        commit: what its ``ref`` stands for.
        oid: git's name of the content.
    """

    asked: Address
    commit: str
    oid: str

    @property
    def address(self) -> Address:
        """The address that names this content for ever."""
        return self.asked.at(self.commit)


def is_commit(text: str) -> bool:
    """Whether a text is a commit in full."""
    return _COMMIT.fullmatch(text) is not None


def userinfo(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the name, token or password in each address of a text begins and ends.

    One may hold ``@`` and ``/``, so that nobody can tell where it ends: all is taken up to the last ``@`` before ``#``
    or a space.
    """
    for ours in _OURS.finditer(text):
        before, at, after = ours[1].rpartition("@")
        of_the_commit = "@" not in before and "/" in before and "/" not in after
        if at and not of_the_commit and not _PLAIN.fullmatch(ours[1]):
            yield ours.start(1), ours.start(1) + ours[1].rfind("@")
    for token in _ANY.finditer(text):
        end = token.start() + token[0].rfind("@")
        for found in _AUTHORITY.finditer(text, token.start(), end + 1):
            name_alone = (
                _NAME_ALONE.fullmatch(found[1]) and "http" not in text[found.start() - 5 : found.start()]
            )
            if not (_BARE.fullmatch(found[1]) or name_alone):
                yield found.start(1), end
                break


def is_cut_short(text: str) -> bool:
    """Whether a text looks like the first digits of a commit, as git shows them."""
    return _CUT_SHORT.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Whether a text is meant as an address, of whatever kind, rather than as a path."""
    return text.startswith(("git+", "gh:", "git@", "-")) or "://" in text or "::" in text


def parse_address(text: str, *, allow_file: bool) -> Address:
    """Take an address apart.

    Raises:
        Refused: it is none that layers are read from.
    """
    if not text.isprintable() or " " in text.partition("#")[0]:
        raise Refused("RCP5001", "an address with spaces or control characters", FORM)
    if any(userinfo(text)):
        raise Refused("RCP5001", "an address with a user's name or password",
                      "leave it out: who you are is the business of ssh keys, not of a file that is shared")  # fmt: skip
    place, hash_, file = text.partition("#")
    whole = f"git+https://github.com/{place[3:]}" if place.startswith("gh:") else place
    protocol, slashes, rest = whole.removeprefix("git+").partition("://")
    if not whole.startswith("git+") or not slashes or protocol not in _PROTOCOLS:
        raise Refused("RCP5001", f"`{text}` is not an address that layers are read from", FORM)
    if protocol == "file" and not allow_file:
        raise Refused("RCP5001", f"`{text}` is a repository on this machine",
                      "repositories of this machine are read with --allow-file, or with RECIPE_ALLOW_FILE=1")  # fmt: skip
    host, _, path = rest.partition("/")
    path, _, ref = path.partition("@")
    remote = f"{protocol}://{_host(host, protocol)}/{_repository(path, text, _FOLDER if protocol == 'file' else _NAME)}"
    if not _REF.fullmatch(ref) or ".." in ref:
        what = f"`{ref}` is not the name of a commit, branch or tag" if ref else f"`{text}` names no commit"
        raise Refused("RCP5001", what, FORM)
    if not hash_ or not file:
        raise Refused("RCP5001", f"`{text}` names no file of the repository", FORM)
    if ".." in (parts := _parts(file)):
        raise Refused(
            "RCP5002", f"`#{file}` leads out of the repository", "write the path from its top folder"
        )
    return Address(remote, ref.lower() if is_commit(ref.lower()) else ref, "/".join(parts))


def _host(host: str, protocol: str) -> str:
    """Return the host; only ssh needs a name before it, and that is always the same."""
    user, at, bare = host.rpartition("@")
    if bare if protocol == "file" else not _HOST.fullmatch(bare.lower()):
        raise Refused("RCP5001", f"`{bare}` is not the name of a host", FORM)
    return f"{user}{at}{bare.lower()}"


def _repository(path: str, text: str, plain: re.Pattern[str]) -> str:
    names = path.removesuffix("/").split("/")
    if odd := [name for name in names if not plain.fullmatch(name) or name in (".", "..")]:
        raise Refused("RCP5001", f"`{odd[0]}` in `{text}` is not a plain name", FORM)
    return "/".join(names)


def _parts(path: str) -> list[str]:
    """Split a path in a repository; what another reader could take for something else is refused."""
    if (
        path.startswith(("/", "~"))
        or any(sign in path for sign in ("\\", "%", ":"))
        or not path.isprintable()
    ):
        raise Refused("RCP5002", f"`{path}` is not a plain relative path", "write it as `folder/name.yaml`")
    return [part for part in path.split("/") if part not in ("", ".")]
