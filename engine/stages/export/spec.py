"""Write what was trained in the form that other programs load."""

from engine.seam import Runtime, Spec, Stage, at
from engine.words.adapter import Dora, Full, Loha, Lokr, Lora


class ExportSpec(Spec):
    """What a reader of the file must know."""

    adapter: Lora | Dora | Lokr | Loha | Full = at("train.adapter")


class ExportRuntime(Runtime):
    """Nothing but the adapter matters."""


EXPORT = Stage(
    name="export",
    version=2,
    spec=ExportSpec,
    runtime=ExportRuntime,
    needs=("train/adapter", "fetch_model/transformer"),
    entry="engine.stages.export.run:export",
    does="write what was trained as other programs load it",
)
