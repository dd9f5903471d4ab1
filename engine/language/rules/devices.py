"""Rules about several devices: each needs work, and must be there."""

from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe


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
