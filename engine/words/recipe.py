"""A recipe from end to end: its header and its sections."""

from typing import Any, Literal, get_args

from engine.words.data import Data
from engine.words.hardware import Hardware
from engine.words.model import Model
from engine.words.sample import Sample
from engine.words.train import Train
from engine.words.word import LABEL, Words, section, word

API_VERSION = "wan-recipe/v1"

Kind = Literal["base", "flavour", "hardware", "fragment", "recipe"]
KINDS: tuple[str, ...] = get_args(Kind)


class Requires(Words):
    """What a file needs of the program that reads it."""

    engine: str = word("Versions of the program, such as `>=0.2`.", LABEL, pattern=r"^[0-9<>=!~., ]+$")


class Header(Words):
    """What a file says about itself. It is not inherited."""

    apiVersion: Literal["wan-recipe/v1"] = word("Version of the language.", LABEL)
    kind: Kind = word("What the file is; only a recipe runs.", LABEL)
    extends: list[str] = word(
        "Layers that this file completes, later ones winning: `builtin:NAME` or a path.", LABEL
    )
    requires: Requires = section("What this file needs of the program.")
    title: str = word("One line for people.", LABEL)
    description: str = word("More for people.", LABEL)
    tags: list[str] = word("Keywords for people.", LABEL)
    meta: dict[str, Any] = word("Anything; never read.", LABEL)


class Recipe(Words):
    """A complete recipe: nothing left implicit."""

    model: Model = section("Which Wan it is, where its weights come from, and its numbers.")
    data: Data = section("Which clips, at which size, with which words about them.")
    train: Train = section("What is learnt, how long, and how fast.")
    sample: Sample = section("The videos that show what was learnt.")
    hardware: Hardware = section("The machine.")
