"""Whom a person trusts: the origins of layers that may decide what runs on this machine.

A person is asked once for each new repository; the answer is a line in a small file. A line covers the repositories
below it: ``https://github.com/org`` covers ``…/org/recipes``, and neither ``…/org-evil`` nor ``…/org/../evil``. Both
are compared as host and names, never as text.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from platformdirs import user_config_path

from engine.language.address import Refused, parse_address
from engine.language.diagnostics import Diagnostic
from engine.language.files import Access
from engine.language.fragments import inclusions
from engine.language.layers import Layer, load_layers, parents
from engine.language.nodes import Mapping, Scalar, Span, plain

_ONE = ".git"  # at the end of a line: this repository alone
_ABOUT = (
    "# Repositories whose recipe layers may run here, one a line; `recipe run` asks about others.\n"
    "# A line without .git at its end, such as that of an organisation, is all that lies below it.\n"
)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A repository that a recipe builds on and that was not trusted yet.

    Attributes:
        origin: the repository.
        commits, files: what of it is used.
        licences: what its layers say under ``meta.licence``.
        span: where it is named first.
    """

    origin: str
    commits: tuple[str, ...]
    files: tuple[str, ...]
    licences: tuple[str, ...]
    span: Span

    @property
    def finding(self) -> Diagnostic:
        """What is said where nobody can be asked."""
        return Diagnostic(
            "RCP5007", f"layers of {self.origin} were not used here before", self.span, "extends",
            f"read {', '.join(self.files)} at {self.commits[0][:12]}; then run with --trust {self.origin}",
        )  # fmt: skip


def strangers(recipe: Path, access: Access, also: Sequence[str] = ()) -> tuple[Stranger, ...]:
    """Return the repositories of a recipe that neither the person's file nor ``also`` covers."""
    layers, _ = load_layers(recipe, access)
    trusted = (*trusted_origins(), *also)
    used = dict[str, list[Layer]]()
    for layer in layers:
        blob = layer.node.span.source.blob
        if blob is not None and not any(covers(origin, blob.asked.remote) for origin in trusted):
            used.setdefault(blob.asked.remote, []).append(layer)
    return tuple(_stranger(origin, mine, layers) for origin, mine in used.items())


def covers(trusted: str, remote: str) -> bool:
    """Whether a trusted origin is a repository, or what it lies below."""
    above, below = _origin(trusted), _origin(remote)
    if above is None or below is None:
        return False
    # a line that ends with .git is that repository alone
    return below == above if _is_one(trusted) else below[: len(above)] == above


def is_origin(text: str) -> bool:
    """Whether a text can be trusted at all: a host, and plain names below it."""
    return _origin(text) is not None


def trusted_origins() -> tuple[str, ...]:
    """Return what the person trusts."""
    try:
        text = _file().read_text("utf-8")
    except FileNotFoundError:
        return ()
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def trust(origins: Iterable[str]) -> None:
    """Write down that a person trusts origins."""
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    new = "".join(f"{origin if _is_one(origin) else f'{origin}{_ONE}'}\n" for origin in origins)
    with file.open("a", encoding="utf-8") as out:
        out.write(new if out.tell() else _ABOUT + new)


def _is_one(origin: str) -> bool:
    return origin.rstrip("/").endswith(_ONE)


def _file() -> Path:
    return Path(os.environ.get("RECIPE_CONFIG") or user_config_path("wan-recipes")) / "trusted-origins"


def _origin(text: str) -> tuple[str, ...] | None:
    """Take an origin apart into protocol, host and names; None where two readers could see two different things."""
    protocol, slashes, rest = text.removeprefix("git+").rstrip("/").partition("://")
    host, _, path = rest.partition("/")
    names = [unquote(name) for name in path.split("/")] if path else []
    if names:
        names[-1] = names[-1].removesuffix(_ONE)
    odd = any(name in ("", ".", "..") or any(sign in name for sign in "/\\%?#@") for name in names)
    user, at, bare = host.rpartition("@")
    if (
        not slashes
        or odd
        or (at and (protocol, user) != ("ssh", "git"))
        or any(sign in bare for sign in "%?#\\")
    ):
        return None
    if not (bare or (protocol == "file" and names)):
        return None
    return (protocol, bare.lower(), *names)


def _stranger(origin: str, used: Sequence[Layer], layers: Sequence[Layer]) -> Stranger:
    blobs = [blob for layer in used if (blob := layer.node.span.source.blob) is not None]
    said = [name.span for layer in layers for name in _names(layer.node) if _remote(name) == origin]
    return Stranger(
        origin,
        tuple(dict.fromkeys(blob.commit for blob in blobs)),
        tuple(dict.fromkeys(blob.asked.file for blob in blobs)),
        tuple(dict.fromkeys(licence for layer in used if (licence := _licence(layer.node)))),
        said[0],
    )


def _names(node: Mapping) -> list[Scalar]:
    return [*parents(node), *(said for _, said in inclusions(node))]


def _remote(said: Scalar) -> str:
    try:
        return parse_address(str(said.value), allow_file=True).remote
    except Refused:
        return ""


def _licence(node: Mapping) -> str:
    meta = plain(entry.value) if (entry := node.get("meta")) else None
    said = (meta.get("licence") or meta.get("license")) if isinstance(meta, dict) else None
    # a stranger's words in a question about the stranger: nothing in them may steer the terminal
    return "".join(sign for sign in str(said or "")[:80] if sign.isprintable())
