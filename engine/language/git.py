"""Read single files of commits with the git executable, out of one bare repository for each remote.

There is never a work tree: links, hooks, filters and submodules have nothing to act on. What the cache holds is
believed only as far as it adds up: commit, trees and file are hashed on the way from the commit that was asked for to
the content that is returned. Reading knows no remote and so cannot reach one; ``fetch`` and ``commit_of`` can.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from engine.language.address import Address, Refused, is_commit, is_cut_short
from engine.language.suggest import did_you_mean, nearest

MAX_FILE = 1 << 20  # bytes of a layer
MAX_TREE = 8 << 20  # bytes of a folder's list
PATIENCE = 120  # seconds for one exchange with a remote
MOST_REFS = 20_000  # that are looked through for a near name
LOG_LINES, LOG_DEPTH = 20, 200

# what a repository could say in a configuration, said by us
_ALWAYS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
)
_FETCH = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
    "--filter=blob:none",
)


class _Missing(Exception):
    """The cache does not hold an object."""

    def __init__(self, oid: str) -> None:
        super().__init__(oid)
        self.oid = oid


@dataclass(frozen=True, slots=True)
class Repository:
    """The cache of one remote.

    Attributes:
        folder: a bare repository; made when something is fetched.
        remote: where it comes from.
        hashed: how it names its objects.
    """

    folder: Path
    remote: str
    hashed: str

    @classmethod
    def of(cls, address: Address, cache: Path) -> "Repository":
        """Return the cache of the remote of a pinned address, below a folder."""
        hashed = _hashed(address.ref)
        name = hashlib.sha256(f"{hashed} {address.remote}".encode()).hexdigest()[:32]
        return cls(cache / f"{name}.git", address.remote, hashed)

    def read(self, commit: str, file: str) -> tuple[str, bytes]:
        """Return git's name of a file of a commit, and its content. Reaches no network and changes nothing.

        Raises:
            Refused: it was not fetched, does not exist, or is not a small plain file.
        """
        try:
            return self._walk(commit, file)
        except _Missing:
            raise Refused(
                "RCP5104", f"{self.remote} at {commit[:12]} was not fetched yet",
                "run `recipe lock` to fetch it; only `recipe lock` and `recipe run` use the network",
            ) from None  # fmt: skip

    def fetch(self, commit: str, file: str) -> tuple[str, bytes]:
        """Like ``read``, after fetching what is missing: the commit with its folders, then the one file."""
        for _ in range(2):
            try:
                return self._walk(commit, file)
            except _Missing as gone:
                self._fetch(gone.oid, depth=1)
        return self.read(commit, file)

    def log(self, old: str, new: str) -> list[str]:
        """Return one line for each commit between two, newest first; nothing where the remote does not tell."""
        try:
            self._fetch(new, depth=LOG_DEPTH)
            said = self._ask(
                "log", "--oneline", "--no-decorate", f"--max-count={LOG_LINES}", f"{old}..{new}", "--"
            )
        except Refused:
            return []
        return [_printable(line) for line in said.splitlines()]

    def _walk(self, commit: str, file: str) -> tuple[str, bytes]:
        """Go from a commit through its folders to a file, believing nothing that does not hash to its name."""
        said = self._object("commit", commit, MAX_FILE)
        oid, mode = said.partition(b"\n")[0].removeprefix(b"tree ").decode(), b"40000"
        for part in file.split("/"):
            if mode != b"40000":
                raise _odd(mode, file, self.remote)
            inside = {
                name: (mode, oid) for name, mode, oid in _entries(self._object("tree", oid, MAX_TREE), commit)
            }
            if part.encode() not in inside:
                names = (_printable(name.decode(errors="replace")) for name in inside)
                raise Refused(
                    "RCP2201",
                    f"{self.remote} has no file `{file}` at {commit[:12]}",
                    _near(file, part, names),
                )
            mode, oid = inside[part.encode()]
        if mode not in (b"100644", b"100755"):
            raise _odd(mode, file, self.remote)
        return oid, self._object("blob", oid, MAX_FILE)

    def _object(self, kind: str, oid: str, limit: int) -> bytes:
        if not is_commit(oid):
            raise self._damaged(oid)
        command = [*_git(self.folder), "cat-file", kind, oid]
        with subprocess.Popen(  # noqa: S603 - git, and the digits of a name
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(""),
        ) as process:
            assert process.stdout is not None, "it is a pipe"
            assert process.stderr is not None, "so is this"
            content = process.stdout.read(limit + 1)
            if len(content) > limit:
                process.kill()
                raise Refused("RCP5003", f"a {kind} of {self.remote} is larger than {limit:,} bytes")
            said = process.stderr.read().decode(errors="replace")
        if process.returncode:
            raise self._damaged(oid) if "corrupt" in said or "inflate" in said else _Missing(oid)
        whole = f"{kind} {len(content)}\0".encode() + content
        if hashlib.new(self.hashed, whole, usedforsecurity=False).hexdigest() != oid:
            raise self._damaged(oid)
        return content

    def _damaged(self, oid: str) -> Refused:
        return Refused("RCP5008", f"the cached copy of {self.remote} is damaged: {oid[:12]} is not what its name says",
                       f"remove {self.folder} and run `recipe lock`: it is fetched again")  # fmt: skip

    def _fetch(self, oid: str, depth: int) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.with_suffix(".lock")):
            if not (self.folder / "HEAD").is_file():
                self._ask("init", "--quiet", "--bare", "--template=", f"--object-format={self.hashed}")
            self._ask(*_FETCH, f"--depth={depth}", "origin", oid)

    def _ask(self, *arguments: str) -> str:
        return _ask(self.folder, self.remote, *arguments)


def commit_of(remote: str, ref: str) -> str:
    """Ask a remote which commit a branch or a tag is.

    Raises:
        Refused: it cannot be reached, or has none of that name.
    """
    names = (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}")  # the commit of a tag first
    said = _ask(Path(os.devnull), remote, "ls-remote", "--quiet", "origin", *names)
    found = {name: oid for oid, _, name in (line.partition("\t") for line in said.splitlines())}
    commit = next((found[name] for name in names if name in found), "")
    if not is_commit(commit):
        raise Refused("RCP5104", f"{remote} has no branch and no tag `{ref}`", _instead(remote, ref))
    return commit


def _instead(remote: str, ref: str) -> str:
    """Say what was meant by a branch or tag that a remote does not have: a near name, or the whole of a commit."""
    said = _ask(Path(os.devnull), remote, "ls-remote", "--quiet", "--heads", "--tags", "origin")
    known = [line.partition("\t")[::2] for line in said.splitlines()[:MOST_REFS]]
    if is_cut_short(ref):
        whole = next((oid for oid, _ in known if oid.startswith(ref) and is_commit(oid)), "")
        return f"a commit is written with all its 40 digits{f': {whole}' if whole else ''}"
    names = {
        _printable(name).removeprefix("refs/heads/").removeprefix("refs/tags/").removesuffix("^{}")
        for _, name in known
    }
    return did_you_mean(ref, sorted(names))


def _near(file: str, part: str, names: Iterable[str]) -> str:
    """Say which file was meant by one that is not there, if a folder on its way has a name that is near."""
    near = nearest(part, names)
    before = file.split("/")[: file.split("/").index(part)]
    return f"did you mean `{'/'.join([*before, near])}`?" if near else ""


def _ask(folder: Path, remote: str, *arguments: str) -> str:
    """Run git with a remote at hand."""
    known = (f"remote.origin.url={remote}", "remote.origin.promisor=true",
             "remote.origin.partialCloneFilter=blob:none")  # fmt: skip
    command = [*_git(folder), *(part for setting in known for part in ("-c", setting)), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - git; what comes from an address was taken apart before
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
            env=_environment(remote.partition(":")[0]), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Refused("RCP5104", f"{remote} does not answer", "run the same again later") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["git gave no reason"]
        reason = _printable(said[0]).removeprefix("fatal: ")
        raise Refused("RCP5104", f"{remote} cannot be read: {reason}", "what was fetched before still works")
    return done.stdout.decode(errors="replace")


def _git(folder: Path) -> list[str]:
    if (git := shutil.which("git")) is None:
        raise Refused("RCP5105", "layers in repositories are read with git, and git is not installed",
                      "install it, such as with `apt install git`, or take a copy made by `recipe vendor`")  # fmt: skip
    return [git, f"--git-dir={folder}", *_ALWAYS]


def _environment(protocol: str) -> dict[str, str]:
    """The user's environment without what steers git; no protocol but the one at hand, and nobody is asked anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_ALLOW_PROTOCOL": protocol,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
        "GIT_HTTP_LOW_SPEED_TIME": "30",
        "LC_ALL": "C",
    }


def _entries(tree: bytes, commit: str) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield name, mode and object of everything in a folder."""
    at, width = 0, len(commit) // 2
    while at < len(tree):
        space = tree.index(b" ", at)
        end = tree.index(b"\0", space)
        yield tree[space + 1 : end], tree[at:space], tree[end + 1 : end + 1 + width].hex()
        at = end + 1 + width


def _odd(mode: bytes, file: str, remote: str) -> Refused:
    kinds = {b"120000": "goes through a link", b"160000": "goes through a submodule", b"40000": "is a folder"}
    what = kinds.get(mode, "goes through a file" if mode.startswith(b"100") else "is not a file")
    return Refused(
        "RCP5003", f"`{file}` of {remote} {what}", "a layer is a plain file of the repository itself"
    )


def _hashed(oid: str) -> str:
    return "sha1" if len(oid) == 40 else "sha256"


def _printable(line: str) -> str:
    """Titles of commits and answers of servers are a stranger's words: nothing in them may steer the terminal."""
    return "".join(sign for sign in line if sign.isprintable())
