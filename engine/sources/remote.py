"""Clips that lie elsewhere: every storage that fsspec opens and that is listed here, looked at and fetched file by file.

What is listed carries a key made of its name, its size and what the storage says about its version, so that nothing is
fetched twice and a changed file is fetched again. An address never holds a secret: the library of each storage finds
credentials and endpoints on the machine, in ``FSSPEC_…`` variables, in ``~/.config/fsspec`` or where it always looks.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote

from blake3 import blake3

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.sources.listing import METADATA
from engine.sources.tables import shown

PACKAGES = {
    "abfs": "adlfs",
    "az": "adlfs",
    "file": "",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "hf": "huggingface_hub",
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "sftp": "paramiko",
    "ssh": "paramiko",
}
"""How an address may begin, and the package that the storage needs. What nests addresses or runs code is not here."""

PIECE = 1 << 20
"""Bytes that are read and written at a time."""

PAUSES = (1.0, 4.0)
"""Seconds between the tries of what may work later; there is one try more than there are pauses."""

_AHEAD = 8 << 20  # bytes that one request for a piece fetches, where a file is read by ranges
_SILENCE = 60  # seconds without a byte after which a web server is given up
_SEARCHED = ("file", "http", "https", "sftp", "ssh")  # folder by folder, others by one list of names
_USER = ("abfs", "az", "sftp", "ssh")  # before an `@` stands no secret: a container, a user of the machine
# what storages say about the version of a file, the best first
_VERSIONS = ("etag", "content-md5", "digest", "md5hash", "blob_id", "generation", "last-modified", "mtime")
_LASTING = (ValueError, TypeError, NotImplementedError, FileNotFoundError, PermissionError, NotADirectoryError,
            IsADirectoryError, FileExistsError)  # fmt: skip
_BUSY = (408, 425, 429)  # answers of a server that ask to come again later, as do all from 500 on

T = TypeVar("T")


class BadUrl(ValueError):
    """An address that is not followed; ``url`` is safe to print, ``reason`` says why and what to write instead."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = shown(_without_secrets(url))
        self.reason = reason
        super().__init__(f"{self.url}: {reason}")


class Unreachable(Exception):
    """Storage, or one file in it, that cannot be read.

    Attributes:
        url: the address that was checked, or that of a file below it.
        reason: continues a sentence that starts with the address; one line without secrets.
        passing: whether the same may work later.
    """

    def __init__(self, url: str, reason: str, passing: bool = False) -> None:
        self.url = shown(url)
        self.reason = reason
        self.passing = passing
        super().__init__(f"{self.url}: {reason}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the storage lists it.

    Attributes:
        url: the folder that was listed.
        path: what the storage calls the file.
        name: where it lies below the folder, with ``/`` between folders; never leads out of it.
        size: in bytes.
        version: what the storage says about its content, such as an ETag or a time; empty where it says nothing, and
            then only a change of the size is seen.
    """

    url: str
    path: str
    name: str
    size: int
    version: str

    @property
    def key(self) -> str:
        """The file at this version: 64 hexadecimal digits."""
        return blake3(json.dumps([self.url, self.name, self.size, self.version]).encode()).hexdigest()


def checked(url: str) -> str:
    """Return the address of a folder without the slash at its end. Reaches nothing.

    Raises:
        BadUrl: it is none that can be followed, or holds what may be a secret.
    """
    protocol, marks, rest = url.partition("://")
    if not marks or protocol not in PACKAGES or "::" in rest:
        known = " ".join(f"{name}://" for name in PACKAGES)
        if not marks:
            raise BadUrl(url, "is no address; for a folder of this machine write `kind: folder`")
        raise BadUrl(url, f"is no address of storage that is known here; one begins with one of {known}")
    host, _, path = rest.rstrip("/").partition("/")
    user, at, machine = host.rpartition("@")
    port = machine.partition(":")[2] or "0"
    if (at and (":" in user or protocol not in _USER)) or not port.isdecimal():
        reason = "holds a name or a password; take it out, and give it to this machine as the storage's tools want it"
        raise BadUrl(url, reason)
    if "?" in rest:
        raise BadUrl(url, "holds a `?`; what follows it is often a token. Name the folder alone")
    if not url.isprintable() or ".." in path.split("/"):
        raise BadUrl(url, "holds what no plain address holds, such as `..` or a line break")
    if (protocol == "file") == bool(host):
        reason = (
            "begins with three slashes: file:///home/…" if protocol == "file" else "says no host or bucket"
        )
        raise BadUrl(url, reason)
    return url.rstrip("/") if path else f"{protocol}://{host}"


def list_remote(url: str) -> list[RemoteFile]:
    """List the clips in a folder and its subfolders, with the words beside them: text files and ``metadata`` tables.

    Hidden files and folders are passed over, as in a folder on this machine. An address of a single file lists that.

    Returns:
        The files by name; none where there are only others.

    Raises:
        BadUrl: see ``checked``.
        Unreachable: it cannot be read, there is nothing, or a name in it would lead out of the folder or is that of
            both a file and a folder.
    """
    url = checked(url)
    return _patiently(lambda: _list(url))


def download(file: RemoteFile, target: Path, told: Callable[[int], None]) -> None:
    """Fetch a file; ``target`` is written, and removed again where that does not end well.

    What was listed is what is kept: its size is held against the list, and so is its version once all of it is there.
    The file is fetched in pieces of at most 1 MiB, from its beginning, up to three times where that may help.

    Args:
        file: as ``list_remote`` gave it.
        target: where to write; its folder exists.
        told: hears after each piece how many bytes of the file are there; starts anew with each try. What it raises
            ends the download.

    Raises:
        Unreachable: it cannot be read, or is no longer what was listed.
        OSError: it cannot be written.
    """
    try:
        _patiently(lambda: _fetch(file, target, told))
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _list(url: str) -> list[RemoteFile]:
    with _asking(url):
        storage, root = _storage(url)
        storage.invalidate_cache()
        errors = {"on_error": "raise"} if url.startswith(tuple(f"{name}:" for name in _SEARCHED)) else {}
        found: Mapping[str, Mapping[str, Any]] = storage.find(root, detail=True, **errors)
    if not found:
        raise Unreachable(url, "there is nothing; is the name right, and is it a folder?")
    files = []
    for path, info in found.items():
        name = _name(url, root, path)
        if info.get("type") != "directory" and _is_wanted(url, name):
            files.append(_listed(url, storage, path, name, info))
    _refuse_both({file.name for file in files}, url)
    return sorted(files, key=lambda file: file.name)


def _refuse_both(names: set[str], url: str) -> None:
    """Refuse a file that is the folder of another: storage has them side by side, a disk cannot."""
    for name in sorted(names):
        for above in map(str, PurePosixPath(name).parents):
            if above in names:
                raise Unreachable(
                    url, f"holds {shown(above)} as both a file and a folder; rename one of them"
                )


def _name(url: str, root: str, path: str) -> str:
    """Return where a file lies below the folder that was listed; its own name where it was itself asked for."""
    root = root.rstrip("/")
    name = path.removeprefix(f"{root}/") if path != root else PurePosixPath(path).name
    return unquote(name) if url.startswith("http") else name


def _is_wanted(url: str, name: str) -> bool:
    """Whether a file is a clip or holds words about clips; a name that leads out of the folder is refused instead."""
    plain = PurePosixPath(name)
    if plain.suffix.lower() not in VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".txt"} and plain.name not in METADATA:
        return False
    parts = re.split(r"[/\\]", name)
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise Unreachable(
            url, f"holds {shown(name)}, a name that leads out of the folder; rename or remove it"
        )
    return not any(part.startswith(".") for part in parts)


def _listed(url: str, storage: Any, path: str, name: str, info: Mapping[str, Any]) -> RemoteFile:
    """Return a file as it was listed; where the list tells too little of it, the storage is asked for this one."""
    if info.get("size") is None or info.get("type") == "other":  # a web page, a link on this machine
        with _asking(f"{url}/{name}"):
            info = storage.info(path)
    if not isinstance(size := info.get("size"), int):
        raise Unreachable(
            f"{url}/{name}", "the server does not say how long it is, so a part looks like the whole"
        )
    return RemoteFile(url, path, name, size, _version(info))


def _version(info: Mapping[str, Any]) -> str:
    """Return what a storage says about the version of a file, the same from a list and for the file alone."""
    said = {field.lower(): value for field, value in info.items()}
    field = next((field for field in _VERSIONS if said.get(field)), None)
    return "" if field is None else f"{field} {said[field]}".replace('"', "")


def _fetch(file: RemoteFile, target: Path, told: Callable[[int], None]) -> None:
    """Try once. Only what the storage does is said of the storage: a full disk here is no fault of it."""
    arrived = 0
    with target.open("wb") as out:
        for piece in _pieces(file):
            out.write(piece)
            arrived += len(piece)
            told(arrived)
            if arrived > file.size:
                break
    address = f"{file.url}/{file.name}"
    with _asking(address):
        storage, _ = _storage(file.url)
        storage.invalidate_cache(file.path)  # some answer with what they listed
        info = storage.info(file.path)
    if (info.get("size"), _version(info)) != (file.size, file.version):
        raise Unreachable(address, "was changed after it was listed; list it again")
    if arrived != file.size:
        raise Unreachable(address, f"{arrived:,} bytes arrived, {file.size:,} were announced", passing=True)


def _pieces(file: RemoteFile) -> Iterator[bytes]:
    """Yield the content of a file."""
    address = f"{file.url}/{file.name}"
    with _asking(address):
        source = _open(file)
    with source:
        while True:
            with _asking(address):
                piece = source.read(PIECE)
            if not piece:
                return
            yield piece


def _open(file: RemoteFile) -> Any:
    """Open a file to be read from its beginning to its end.

    Not every web server answers for ranges, so there a file is one answer, as long as it keeps coming; the others are
    asked for ranges, so that a broken connection costs one of them.
    """
    storage, _ = _storage(file.url)
    if file.url.startswith("http"):
        return storage.open(file.path, "rb", block_size=0, size=file.size)
    return storage.open(file.path, "rb", block_size=_AHEAD)


def _storage(url: str) -> tuple[Any, str]:
    """Return the storage of an address, and what the storage calls the folder; fsspec is slow to load."""
    from fsspec.core import url_to_fs

    try:
        storage, root = url_to_fs(url)
        if url.startswith(
            "http"
        ):  # its library gives up each answer after five minutes, however fast it comes
            from aiohttp import ClientTimeout

            patience = ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)
            storage.client_kwargs.setdefault("timeout", patience)
    except ImportError:
        package = PACKAGES[url.partition("://")[0]]
        raise Unreachable(
            url, f"needs the package {package}; install it with: pip install {package}"
        ) from None
    return storage, root


def _patiently(ask: Callable[[], T]) -> T:
    """Ask again, after a pause, as long as it may work later."""
    for pause in PAUSES:
        try:
            return ask()
        except Unreachable as error:
            if not error.passing:
                raise
            time.sleep(pause)
    return ask()


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """Say in our words what goes wrong in the library of a storage: each has exceptions of its own.

    Their text may hold signed addresses, and the traceback holds their text; neither is handed on.
    """
    try:
        yield
    except Unreachable:
        raise
    except Exception as error:  # noqa: BLE001 - of libraries that are not imported here
        raise Unreachable(url, _reason(error), _is_passing(error)) from None


def _is_passing(error: BaseException) -> bool:
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _BUSY
    # the web's storage says of everything that it is not there, because of what really happened
    return not isinstance(error.__cause__ or error, _LASTING)


def _reason(error: BaseException) -> str:
    status, cause = _status(error), error.__cause__ or error
    if status == 404 or (status is None and isinstance(cause, FileNotFoundError)):
        return "is not there"
    if status in (401, 403) or isinstance(error, PermissionError):
        return "access is refused; give this machine the credentials as the tools of that storage want them"
    lines = _without_secrets(str(cause)).strip().splitlines()
    said = shown(lines[0]) if lines else type(cause).__name__
    return f"the server answers {status}: {said}" if status is not None else f"cannot be read: {said}"


def _status(error: BaseException) -> int | None:
    """Return the number with which a server refused, wherever the library keeps it: aiohttp, botocore, httpx."""
    for one in (error, error.__cause__):
        answer = getattr(one, "response", None)
        inside = (
            answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
        )
        for status in (getattr(one, "status", None), inside, getattr(answer, "status_code", None)):
            if isinstance(status, int):
                return status
    return None


def _without_secrets(text: str) -> str:
    """Hide what an address may hold: a name with a password, and what follows a question mark."""
    return re.sub(r"\?\S*", "?…", re.sub(r"//[^/\s@]*:[^\s@]*@|//[^/\s@:]*@", "//…@", text))
