"""A card: a folder that says what a training was made of, so that somebody else can check it and do it again.

It holds a copy of the recipe as ``recipe vendor`` makes it, a README, and ``card.yaml`` with the keys of every stage, the
digest of the clips and the digests of its own files. Clips, and where they lie, are not in it.
"""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3

from engine import VERSION as PROGRAM
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import OFFLINE, Access
from engine.language.nodes import Mapping, Source, Span, plain
from engine.language.read import read_file
from engine.language.resolve import Resolved
from engine.plan.steps import Plan
from engine.sharing.lock import compose, stale, written
from engine.sharing.vendor import vendor

CARD = "card.yaml"
CLIPS = "survey/clips"

Facts = dict[str, Any]


class NotMade(Exception):
    """A card tells what was made, and not all of it was."""

    def __init__(self, stages: list[str]) -> None:
        super().__init__(f"run the recipe first: {', '.join(stages)} are still to be made")


def make_card(resolved: Resolved, plan: Plan, folder: Path, access: Access) -> tuple[str, ...]:
    """Write the card of a recipe that was run into a new folder; returns its files.

    Raises:
        NotMade: something of it is still to be made.
        FileExistsError: there is something at that place.
    """
    if plan.work:
        raise NotMade([step.stage.name for step in plan.work])
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise FileExistsError(17, "is there already; a card goes into a new folder", str(folder))
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        copy = vendor(resolved.file, draft, access)
        facts = _facts(resolved, plan, access)
        (draft / "README.md").write_text(_readme(resolved, facts), "utf-8")
        names = sorted([*copy.files, "README.md"])
        facts["files"] = [{"name": name, "digest": _digest(draft / name)} for name in names]
        (draft / CARD).write_text(
            written(facts, "by `recipe card`; `recipe verify` holds its folder against it."), "utf-8"
        )
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # ours, half written; gone when it became the card
    return (*names, CARD)


def verify(folder: Path) -> Facts:
    """Hold a folder against its card, and its recipe against what the card says that it comes to.

    Raises:
        RecipeError: the folder is not what its card says.
    """
    node, findings = read_file(folder / CARD, CARD)
    if findings:
        raise RecipeError(findings)
    facts = plain(node) if isinstance(node, Mapping) else None
    if not (
        isinstance(facts, dict)
        and isinstance(facts.get("files"), list)
        and isinstance(facts.get("recipe"), str)
    ):
        raise RecipeError([_found(folder, f"{CARD} is not a card")])
    if wrong := list(_changed(folder, facts)):
        raise RecipeError(wrong)
    recipe = folder / str(facts["recipe"])  # one of the files of the card, as was just seen
    now = compose(recipe, OFFLINE)["resolved"]
    if now != facts.get("resolved"):
        raise RecipeError(
            [_found(folder, f"the recipe comes to {now}, the card says {facts.get('resolved')}")]
        )
    if differences := stale(recipe, OFFLINE):
        raise RecipeError(differences)
    return facts


def _facts(resolved: Resolved, plan: Plan, access: Access) -> Facts:
    locked = compose(resolved.file, access, resolved)
    clips = next((step.digests[CLIPS] for step in plan.steps if step.digests and CLIPS in step.digests), None)
    return {
        "version": 1,
        "engine": PROGRAM,
        "recipe": resolved.file.name,
        "resolved": locked["resolved"],
        "origins": [
            {"ref": layer["ref"], "commit": layer["commit"]}
            for layer in locked["layers"]
            if "commit" in layer
        ],
        "models": locked["models"],
        "datasets": locked["datasets"],
        "clips": clips and f"b3:{clips}",
        "stages": [{"name": step.stage.name, "key": f"b3:{step.key}"} for step in plan.steps],
    }


def _readme(resolved: Resolved, facts: Facts) -> str:
    title = resolved.header.get("title") or resolved.file.stem
    about = [str(resolved.header["description"]), ""] if "description" in resolved.header else []
    origins = [f"| layer | `{layer['ref']}` at `{layer['commit']}` |" for layer in facts["origins"]]
    hub = [f"| {name} | `{one['id']}` at `{one['commit'] or one['requested']}` |"
           for name, several in (("model", facts["models"]), ("dataset", facts["datasets"])) for one in several]  # fmt: skip
    lines = [
        f"# {title}", "", *about,
        f"Trained with wan-recipes {facts['engine']}. `recipe verify .` holds this folder against its card;",
        f"`recipe run {facts['recipe']}` does the training again.", "", "| what | which |", "| --- | --- |",
        f"| recipe | [{facts['recipe']}]({facts['recipe']}), which comes to `{facts['resolved']}` |",
        *origins, *hub, f"| clips and captions | `{facts['clips']}` |",
        *(f"| {stage['name']} | `{stage['key']}` |" for stage in facts["stages"]), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _changed(folder: Path, facts: Facts) -> Iterator[Diagnostic]:
    """Find files that are not what the card says; a card cannot name a file outside of its folder."""
    listed = {str(file.get("name")) for file in facts["files"] if isinstance(file, dict)}
    if facts["recipe"] not in listed:
        yield _found(folder, f"the card's recipe `{facts['recipe']}` is not one of its files")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(there - listed - {CARD}):
        yield _found(folder, f"`{name}` is not in the card")
    for file in facts["files"]:
        name = str(file.get("name")) if isinstance(file, dict) else ""
        path = (folder / name).resolve()
        if not name or not path.is_relative_to(folder.resolve()) or not path.is_file():
            yield _found(folder, f"the card names `{name}`, which is not in its folder")
        elif _digest(path) != file.get("digest"):
            yield _found(folder, f"`{name}` is not the file that the card was made with")


def _found(folder: Path, message: str) -> Diagnostic:
    return Diagnostic(
        "RCP5106", message, Span(Source(CARD, "", folder), 1, 1, 2), help="ask its author for the card again"
    )


def _digest(path: Path) -> str:
    return f"b3:{blake3(path.read_bytes()).hexdigest()}"
