"""Begin a recipe from a few answers: which model, which clips, which machine, what to look at."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from engine.authoring.browse import BuiltinKind, builtins, find
from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.language.files import BUILTIN
from engine.language.nodes import Plain, Source
from engine.language.secrets import hidden
from engine.language.suggest import did_you_mean
from engine.language.versions import API_VERSION
from engine.language.write import in_recipe, one_line
from engine.shipped import schema_file

QUESTIONS = {
    "model": "Which Wan is trained?",
    "data": "In which folder are the clips? Videos and images, also those in folders below it.",
    "captions": "Where are the words about each clip?",
    "hardware": "On which machine will it run? It changes how it is trained, never what is learnt.",
    "prompt": "What shall the sample videos show, made before and after training? One or two sentences.",
    "title": "What is the recipe called? One line, for people.",
}
CAPTIONS = {
    "beside": "a text file beside each clip, cat.mp4 and cat.txt",
    "filename": "the file name",
    "one:TEXT": "the same words for every clip",
}
DEFAULT_MODEL = "wan2.1-t2v-1.3b"
_HUB = (
    "for a dataset of the Hub, begin with any folder and write `data.source` anew: `recipe doc data.source`"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a recipe needs to begin. Each is an option of the command line of the same name."""

    model: str
    data: str
    captions: str
    hardware: str
    prompt: str
    title: str


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in a folder of clips, told from the names of its files."""

    clips: Counter[str]
    captioned: int

    @classmethod
    def of(cls, path: Path) -> "Folder":
        """Look at a folder and those in it."""
        files = [file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES]
        beside = sum(file.with_suffix(".txt").is_file() for file in files)
        return cls(Counter(file.suffix.lower() for file in files), beside)

    @property
    def captions(self) -> str:
        """Where the words about its clips seem to be: whoever wrote one text beside a clip meant to write all."""
        return "beside" if self.captioned or not self.clips else "filename"

    def __str__(self) -> str:
        if not self.clips:
            return "no clips yet"
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.clips.most_common())
        total = sum(self.clips.values())
        said = f"{_many(total)} ({kinds}), {self.captioned} of them with a text file beside"
        more = f"; `recipe plan` names the {_many(total - self.captioned)} without"
        return said + (more if 0 < self.captioned < total else "")


def models() -> dict[str, str]:
    """Return the models that can be trained, with their titles."""
    return {one.short: one.title for one in builtins() if one.kind is BuiltinKind.FLAVOUR}


def machines() -> dict[str, str]:
    """Return the machines that are known, with their titles."""
    return {one.short: one.title for one in builtins() if one.kind is BuiltinKind.HARDWARE}


def machine_for(model: str) -> str:
    """Return the machine to offer for a model: only the micro one trains without a GPU."""
    return "cpu" if model.endswith("-micro") else next(name for name in machines() if name != "cpu")


def recipe_text(answers: Answers, file: Path) -> str:
    """Return the recipe; paths in it are relative to where it will lie."""
    layers = [f"{BUILTIN}{find(name).name}" for name in (answers.model, answers.hardware)]
    extends = ", ".join(f'"{layer}"' for layer in layers)
    data = Path(answers.data).expanduser()
    path = str(data) if data.is_absolute() else os.path.relpath(data, file.parent)
    return (
        f"# yaml-language-server: $schema={schema_file('layer').as_uri()}\n"
        f"apiVersion: {API_VERSION}\n"
        "kind: recipe\n"
        f"extends: [{extends}]\n"
        f"title: {one_line(answers.title)}\n"
        "\n"
        "data:\n"
        f"  source: {in_recipe({'kind': 'folder', 'path': path})}\n"
        f"  captions: {in_recipe(_captions(answers.captions))}\n"
        "\n"
        "sample:\n"
        f"  prompts: {in_recipe({_name(answers.prompt): answers.prompt})}\n"
    )


def command_line(answers: Answers, file: Path) -> str:
    """Return the command that gives the same answers."""
    said = [(f"--{field.name}", getattr(answers, field.name)) for field in fields(answers)]
    return shlex.join(["recipe", "init", str(file), *(part for pair in said for part in pair), "--yes"])


def no_folder(said: str) -> str:
    """Say why an answer is no folder of clips; nothing where it is one."""
    if not said.strip():
        return "say the folder that the clips are in"
    if "://" in said:
        shown = hidden(Source("--data", said, Path()))[0].text
        return f"{shown} is an address, and only folders are taken here; {_HUB}"
    try:
        path = Path(said).expanduser()
        if path.is_dir():
            return ""
        there = path.exists()
    except (RuntimeError, OSError, ValueError) as error:  # no such user; no such name
        return f"{said} is not a folder: {getattr(error, 'strerror', None) or str(error).rstrip('.')}"
    if there:
        return f"{path.absolute()} is not a folder"
    missing = f"there is no folder {path.absolute()}"
    return f"{missing}; {_HUB}" if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", said) else missing


def no_captions(said: str) -> str:
    """Say why an answer is none of the ways of ``CAPTIONS``; nothing where it is."""
    if said in ("beside", "filename"):
        return ""
    if said == "one:TEXT":
        return "write your words in place of TEXT, such as one:an old cartoon"
    known = said.startswith("one:") and said.removeprefix("one:").strip()
    return "" if known else f"{said!r} is none of {', '.join(CAPTIONS)}"


def no_choice(said: str, known: Mapping[str, str]) -> str:
    """Say why an answer is none of the names that there are; nothing where it is one."""
    near = did_you_mean(said, known)
    return "" if said in known else f"{said!r} is none of {', '.join(known)}{f'; {near}' if near else ''}"


def no_text(said: str) -> str:
    """Say why an answer is no text; nothing where it is one."""
    if not said.strip():
        return "it is empty; write a few words"
    return (
        ""
        if said.isascii() or said.encode(errors="replace").decode() == said
        else "it has bytes that are no letters in UTF-8"
    )


def _many(count: int) -> str:
    return f"{count} clip{'s' if count != 1 else ''}"


def _captions(said: str) -> Plain:
    return {"kind": "one", "text": said.removeprefix("one:")} if said.startswith("one:") else {"kind": said}


def _name(prompt: str) -> str:
    """Return a short name for a prompt, fit for a file name."""
    return "-".join(re.findall(r"[a-z0-9]+", prompt.lower())[:3]) or "first"
