"""Write the adapter in the form that other programs load."""

from engine.seam import Runtime, Spec, Stage, at


class ExportSpec(Spec):
    """What a reader of the file must know."""

    rank: int = at("train.lora.rank")
    alpha: float = at("train.lora.alpha")


class ExportRuntime(Runtime):
    """Nothing but the adapter matters."""


EXPORT = Stage(
    name="export",
    version=1,
    spec=ExportSpec,
    runtime=ExportRuntime,
    needs=("train/adapter",),
    entry="engine.stages.export.run:export",
    does="write the LoRA as other programs load it",
)
