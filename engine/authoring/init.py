"""Begin a recipe from a few answers: which model, which clips, which machine, what to look at."""

import os
import re
import shlex
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

from engine.authoring.browse import BuiltinKind, builtins, find
from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.language.files import BUILTIN
from engine.language.nodes import Plain
from engine.language.versions import API_VERSION
from engine.language.write import one_line
from engine.shipped import schema_file

CAPTIONS = {
    "beside": "a text file beside each clip, cat.mp4 and cat.txt",
    "filename": "the file name",
    "one:TEXT": "the same words for every clip",
}
DEFAULT_MODEL = "wan2.1-t2v-1.3b"


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
        """Where the words about its clips seem to be."""
        return "beside" if 2 * self.captioned >= sum(self.clips.values()) else "filename"

    def __str__(self) -> str:
        if not self.clips:
            return "no clips yet"
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.clips.most_common())
        return f"{sum(self.clips.values())} clips ({kinds}), {self.captioned} of them with a text file beside"


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
        f"  source: {one_line({'kind': 'folder', 'path': path})}\n"
        f"  captions: {one_line(_captions(answers.captions))}\n"
        "\n"
        "sample:\n"
        f"  prompts: {one_line({_name(answers.prompt): answers.prompt})}\n"
    )


def command_line(answers: Answers, file: Path) -> str:
    """Return the command that gives the same answers."""
    said = [(f"--{field.name}", getattr(answers, field.name)) for field in fields(answers)]
    return shlex.join(["recipe", "init", str(file), *(part for pair in said for part in pair), "--yes"])


def captions_are_known(said: str) -> bool:
    """Whether captions are said in one of the ways of ``CAPTIONS``."""
    return said in ("beside", "filename") or (said.startswith("one:") and len(said) > len("one:"))


def _captions(said: str) -> Plain:
    return {"kind": "one", "text": said.removeprefix("one:")} if said.startswith("one:") else {"kind": said}


def _name(prompt: str) -> str:
    """Return a short name for a prompt, fit for a file name."""
    return "-".join(re.findall(r"[a-z0-9]+", prompt.lower())[:3]) or "first"
