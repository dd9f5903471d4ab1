"""Rules about several devices: each needs work, and must be there; and those that share blocks work in step."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, datasets, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

_EQUALLY = "sharded blocks must run equally often on all devices"


def devices_have_work(recipe: "Recipe", at: At) -> Findings:
    """A step's batch is split among the devices: with fewer samples than devices, some would only wait for the others."""
    devices, batch = recipe.hardware.devices, recipe.train.batch_size
    if devices > batch:
        samples = "1 sample" if batch == 1 else f"{batch} samples"
        yield found(
            at, "RCP4090", "hardware.devices", f"{devices} devices share a batch of {samples}: {devices - batch} would have nothing to do",
            f"write `devices: {batch}`, or a `train.batch_size` of {devices} or more, which is another training",
            because="train.batch_size",
        )  # fmt: skip


def devices_are_there(recipe: "Recipe", at: At) -> Findings:
    """A Mac has one graphics device, and torch has no way for several of them to talk."""
    devices = recipe.hardware.devices
    if devices > 1 and recipe.hardware.device == "mps":
        yield found(
            at, "RCP4091", "hardware.devices", f"`mps` is one device, and {devices} are asked for",
            "write `devices: 1`", because="hardware.device",
        )  # fmt: skip


def shards_have_devices(recipe: "Recipe", at: At) -> Findings:
    """One device keeps everything, whatever is asked."""
    if recipe.hardware.shard and recipe.hardware.devices == 1:
        yield found(
            at, "RCP4092", "hardware.shard", "with one device there is nobody to share the blocks with: nothing is sharded",
            "write `shard: false`, or more devices; on one device `train.offload` saves memory",
            because="hardware.devices", severity="warning",
        )  # fmt: skip


def shards_meet(recipe: "Recipe", at: At) -> Findings:
    """A sharded block runs on all devices at the same time, and only what is frozen and plain is cut into parts."""
    if not recipe.hardware.shard or recipe.hardware.devices == 1:
        return
    for path, message, help_ in _in_the_way(recipe):
        yield found(
            at, "RCP4093", path, message, f"{help_}, or `hardware.shard: false`", because="hardware.shard"
        )


def _in_the_way(recipe: "Recipe") -> Iterator[tuple[str, str, str]]:
    """Yield each word that cannot be had with sharded blocks, why, and what to write instead."""
    train, devices = recipe.train, recipe.hardware.devices
    if train.batch_size % devices and train.batch_size > devices:  # with fewer, another rule has spoken
        near = train.batch_size // devices * devices
        why = f"{devices} devices cannot have equal shares of {train.batch_size} samples, and {_EQUALLY}"
        yield "train.batch_size", why, f"write {near} or {near + devices}"
    if train.offload.kind != "none":
        why = "a block that is offloaded waits outside of the devices, and a sharded one lies on them"
        yield "train.offload.kind", why, "write `offload: {kind: none}`"
    if train.quantize != "none":
        why = f"torch cuts weights in {train.quantize} into parts by widening them again, so they would save nothing"
        yield "train.quantize", why, "write `quantize: none`"
    if train.adapter.kind == "full":
        why = "only frozen blocks are sharded, and here all weights are trained"
        yield "train.adapter.kind", why, "write `kind: lora`"
    if train.rollout.kind != "none":
        why = f"which samples are rolled out is drawn, so it is not the same on all devices, and {_EQUALLY}"
        yield "train.rollout.kind", why, "write `rollout: {kind: none}`"
    for path, dataset in datasets(recipe).items():
        if dataset.role == "regularise":
            why = f"samples that regularise go through the model twice, and {_EQUALLY}"
            yield f"{path}.role", why, "take this dataset out"
