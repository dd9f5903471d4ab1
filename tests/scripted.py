"""A runner that does every stage's work without torch: real specs, real keys, real store, small files.

What it writes is a function of the order alone, as it is for the real stages.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from engine.endings import Interrupted, StageError
from engine.execute.events import Event
from engine.execute.runner import Order, make_work
from engine.seam import Stage, Work, canonical, digest_of
from engine.stages.encode_features.spec import features
from engine.stages.encode_text.spec import texts
from engine.stages.encode_video.spec import latents
from engine.stages.survey.run import survey

PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")


def _fetch_model(work: Work) -> None:
    for part in PARTS:
        (work.output / part).mkdir()
        (work.output / part / "weights").write_bytes(canonical([part, work.spec.model_dump(mode="json")]))


def _rehearse(work: Work) -> None:
    (work.output / "report").mkdir()
    (work.output / "report" / "rehearsal.json").write_text("{}")


def _encode(work: Work, keys: set[str]) -> int:
    missing = [key for key in sorted(keys) if not work.items.has(key)]
    for key in missing:
        with work.items.publish(key) as item:
            (item / "item").write_text(key)
    return len(missing)


def _encode_text(work: Work) -> None:
    found = texts(work.spec, (work.inputs["survey/texts"] / "texts.json").read_bytes(), work.digests)
    made = _encode(work, {key for keys in found.values() for key in keys.values()})
    work.tell("progress", done=made, total=made, unit="texts")
    for part, keys in found.items():
        (work.output / part).mkdir()
        (work.output / part / f"{part}.json").write_bytes(canonical(keys))


def _encode_video(work: Work) -> None:
    found = latents(work.spec, (work.inputs["survey/clips"] / "clips.json").read_bytes(), work.digests)
    made = _encode(work, {latent["item"] for latent in found.values()})
    work.tell("progress", done=made, total=made, unit="clips")
    (work.output / "latents").mkdir()
    (work.output / "latents" / "latents.json").write_bytes(canonical(found))


def _fetch_teacher(work: Work) -> None:
    (work.output / "teacher").mkdir()
    (work.output / "teacher" / "weights").write_bytes(canonical(work.spec.model_dump(mode="json")))


def _encode_features(work: Work) -> None:
    found = features(work.spec, (work.inputs["survey/clips"] / "clips.json").read_bytes(), work.digests)
    made = _encode(work, set(found.values()))
    work.tell("progress", done=made, total=made, unit="clips")
    (work.output / "features").mkdir()
    (work.output / "features" / "features.json").write_bytes(canonical(found))


def _train(work: Work) -> None:
    for step in range(work.runtime.checkpoint_every, work.spec.steps + 1, work.runtime.checkpoint_every):
        folder = work.shared / f"step-{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text("{}")
    (work.output / "adapter").mkdir()
    (work.output / "log").mkdir()
    (work.output / "log" / "steps.jsonl").write_text("{}\n")
    header = canonical({"__metadata__": {"made": digest_of([work.identity, work.spec.steps])}})
    (work.output / "adapter" / "adapter.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def _export(work: Work) -> None:
    (work.output / "lora").mkdir()
    shutil.copy(
        work.inputs["train/adapter"] / "adapter.safetensors", work.output / "lora" / "lora.safetensors"
    )


def _sample(work: Work) -> None:
    (work.output / "videos").mkdir()
    for name in work.spec.prompts:
        (work.output / "videos" / f"{name}-after.mp4").write_text(name)


WORK: dict[str, Callable[[Work], None]] = {
    "fetch_model": _fetch_model,
    "fetch_teacher": _fetch_teacher,
    "rehearse": _rehearse,
    "survey": survey,
    "encode_text": _encode_text,
    "encode_video": _encode_video,
    "encode_features": _encode_features,
    "train": _train,
    "export": _export,
    "sample": _sample,
}


class Scripted:
    """Does the work above and notes which stages ran and how many items each made."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.made: dict[str, int] = {}
        self.fails_at = ""
        self.stops_at = ""

    def stopping(self) -> bool:
        return False

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Event], None]) -> None:
        self.ran.append(stage.name)

        def tell(type_: str, **said: object) -> None:
            if type_ == "progress" and said["unit"] in ("texts", "clips"):  # items, and not what is looked at
                self.made[stage.name] = int(str(said["done"]))
            notify({"type": type_, **said})

        work = make_work(stage, order, tell, lambda: False)
        if stage.name == self.fails_at:
            raise StageError("as asked")
        if stage.name == self.stops_at:
            raise Interrupted
        WORK[stage.name](work)
