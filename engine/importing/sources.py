"""One reader a trainer: its files → the keys that they give, each with the part of the table that knows it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from engine.importing.documents import document, read_command_line, read_json, read_toml, wrong
from engine.importing.given import Dropped, Given, Mapped, Unsupported, flatten, given
from engine.importing.table import Table
from engine.language.nodes import Items, Mapping, Node, Plain, Scalar, Span, plain
from engine.language.trainers import looks_like

FIRST = "data"
"""Where the words of the first dataset stand."""

_FOLDERS = (
    "video_directory",
    "image_directory",
    "video_jsonl_file",
    "image_jsonl_file",
    "dataset_path",
    "folder_path",
)
_LONGEST = 60  # characters of a name


def simpletuner(known: Table, config: Path, data: Path | None) -> Iterator[Given]:
    """Read config.json and multidatabackend.json."""
    node = document("simpletuner", config)
    if not isinstance(node, Mapping):
        help_ = "name config.json, and the dataset file with --data" if looks_like(plain(node)) else ""
        raise wrong("a SimpleTuner config is one object of options and values", node.span, help_)
    yield from last_counts([_as_argument(one) for one in flatten(node, "config", known)])
    if data is not None:
        yield from _backends(known, read_json(data))


def _as_argument(one: Given) -> Given:
    """SimpleTuner turns each option into a word of its command line, and two kinds of values get lost on the way."""
    if one.verdict is None and one.value is None:
        return replace(one, verdict=Dropped("null says nothing in SimpleTuner: its default counts"))
    if one.verdict is None and one.value == "false":
        lost = "SimpleTuner leaves out an option whose value is the text `false`: its default counts"
        return replace(one, verdict=Dropped(lost))
    return one


def _backends(known: Table, node: Node) -> Iterator[Given]:
    entries = node.items if isinstance(node, Items) else (node,)
    parts = {row.part for row in known.rows} - {"config", "clips"}
    homes: list[str] = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise wrong("an entry of the dataset file is one object of keys and values", entry.span)
        kind = str(_value(entry, "dataset_type", "image"))
        part = "clips" if kind in ("video", "image", "eval") else kind if kind in parts else "other"
        if _on(_value(entry, "disabled", default=False)) or _on(_value(entry, "disable", default=False)):
            yield from flatten(entry, part, known, f"[{number}].", Dropped("this entry is disabled"))
        elif part == "clips":
            yield from _at_home(list(flatten(entry, part, known, f"[{number}].")), homes, ("id",))
        else:
            yield from flatten(entry, part, known, f"[{number}].")


def musubi(known: Table, dataset: Path, arguments: str | None) -> Iterator[Given]:
    """Read the dataset TOML and the command line, or the TOML that stands for it."""
    if arguments is not None:
        said = Path(arguments)
        toml = said.suffix == ".toml" and "\n" not in arguments and " --" not in arguments
        spoken = _settings(known, read_toml(said)) if toml else _command_line(read_command_line(arguments))
        yield from last_counts(list(spoken))
    node = document("musubi", dataset)
    assert isinstance(node, Mapping), "TOML is a table"
    for entry in node.entries:
        if entry.key == "general" and isinstance(entry.value, Mapping):
            yield from flatten(entry.value, "general", known, "general.")
        elif entry.key == "datasets" and isinstance(entry.value, Items):
            yield from _datasets(known, entry.value, "datasets")
        else:
            yield from flatten(Mapping((entry,), entry.key_span), "general", known)


def _settings(known: Table, node: Mapping) -> Iterator[Given]:
    """Musubi-tuner takes the sections of its config file apart and forgets their names."""
    for entry in node.entries:
        inner = entry.value if isinstance(entry.value, Mapping) else Mapping((entry,), entry.key_span)
        yield from flatten(inner, "arguments", known)


def _command_line(words: list[tuple[str, Span]]) -> Iterator[Given]:
    """Read options and their values; what stands before the script is for ``accelerate launch``."""
    script = next((number for number, (word, _) in enumerate(words) if word.endswith(".py")), -1)
    name: tuple[str, Span] | None = None
    values: list[str] = []
    for number, (word, span) in enumerate([*words, ("--", words[-1][1])] if words else []):
        if not word.startswith("--") and number != script:
            values.append(word)
            continue
        if name is not None:
            yield _option(*name, values, "launch" if number <= script else "arguments")
        first, equals, value = word.removeprefix("--").partition("=")
        name, values = (None if number == script else (first, span)), [value] if equals else []


def _option(name: str, span: Span, values: list[str], part: str) -> Given:
    value: Plain = True if not values else values[0] if len(values) == 1 else list[Plain](values)
    prefix = "accelerate launch --" if part == "launch" else "--"
    return given(part, name, f"{prefix}{name}", value, span)


def ai_toolkit(known: Table, config: Path) -> Iterator[Given]:
    """Read a job of ai-toolkit: ``config.process[0]`` is what trains."""
    node = document("ai-toolkit", config)
    outer = node.get("config") if isinstance(node, Mapping) else None
    processes = outer.value.get("process") if outer and isinstance(outer.value, Mapping) else None
    if not isinstance(node, Mapping) or processes is None or not isinstance(processes.value, Items):
        raise wrong("a job of ai-toolkit has a list `config.process`", node.span)
    for entry in node.entries:
        inner = entry.value
        if entry.key == "config" and isinstance(inner, Mapping):
            rest = tuple(part for part in inner.entries if part.key != "process")
            yield from flatten(Mapping(rest, inner.span), "job", known, "config.")
        else:
            yield from flatten(Mapping((entry,), entry.key_span), "job", known)
    for number, process in enumerate(processes.value.items):
        if not isinstance(process, Mapping):
            raise wrong("a process is one mapping of keys and values", process.span)
        yield from _process(known, process, f"process[{number}]." if number else "", first=number == 0)


def _process(known: Table, process: Mapping, prefix: str, *, first: bool) -> Iterator[Given]:
    verdict = (
        None if first else Unsupported("a recipe is one training: write one recipe for each", learns=True)
    )
    for entry in process.entries:
        if entry.key == "datasets" and isinstance(entry.value, Items) and first:
            yield from _datasets(known, entry.value, f"{prefix}datasets")
        else:
            yield from flatten(Mapping((entry,), entry.key_span), "process", known, prefix, verdict)


def _datasets(known: Table, items: Items, name: str) -> Iterator[Given]:
    homes: list[str] = []
    for number, item in enumerate(items.items):
        if not isinstance(item, Mapping):
            raise wrong("a dataset is one mapping of keys and values", item.span)
        yield from _at_home(list(flatten(item, "dataset", known, f"{name}[{number}].")), homes, _FOLDERS)


def _at_home(keys: list[Given], homes: list[str], names: tuple[str, ...]) -> Iterator[Given]:
    """Say where the words of a dataset stand: those of the first in ``data``, those of another under a name of its own.

    Args:
        keys: of the dataset.
        homes: those that are taken; the new one is added.
        names: keys that call the dataset something, the best first.
    """
    if not keys:
        return
    home = f"{FIRST}.more.{_name(keys, homes, names)}" if homes else FIRST
    for one in keys:
        named = homes and one.key == "id" and one.verdict is None
        yield replace(one, home=home, verdict=Mapped((home,)) if named else one.verdict)
    homes.append(home)


def _name(keys: list[Given], homes: list[str], names: tuple[str, ...]) -> str:
    """Return a legal name that no other dataset has: that of its folder, or what the trainer calls it."""
    values = {one.key: one.value for one in keys}
    said = next((values[name] for name in names if isinstance(values.get(name), str)), "")
    last = PurePosixPath(str(said).replace("\\", "/")).name
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", last)[:_LONGEST].strip("-_") or "clips"
    made, number = plain, 1
    while f"{FIRST}.more.{made}" in homes:
        number += 1
        made = f"{plain}-{number}"
    return made


def last_counts(keys: list[Given]) -> list[Given]:
    """Of a key that is said twice, as ``seed`` and as ``--seed``, the last counts."""
    last = {(one.part, one.key): number for number, one in enumerate(keys)}
    again = Dropped("it is said again further down")
    return [
        one if last[one.part, one.key] == number else replace(one, verdict=again)
        for number, one in enumerate(keys)
    ]


def _value(node: Mapping, key: str, default: Plain) -> Plain:
    entry = node.get(key)
    return plain(entry.value) if entry is not None and isinstance(entry.value, Scalar) else default


def _on(value: Plain) -> bool:
    return value is True or value == "true"
