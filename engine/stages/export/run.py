"""Write the adapter in the form that other programs load."""

from safetensors.torch import load_file

from engine.seam import Work
from engine.stages.export.spec import ExportRuntime, ExportSpec
from engine.wan.lora_file import save_lora

NAME = "pytorch_lora_weights.safetensors"


def export(work: Work[ExportSpec, ExportRuntime]) -> None:
    """Write ``lora/pytorch_lora_weights.safetensors``, as ``WanPipeline.load_lora_weights`` reads it.

    Its header carries rank and alpha, without which a reader would guess the strength. The resolved recipe is added
    when the file is handed out: titles and machines are in it, which are in no key.
    """
    state = load_file(work.inputs["train/adapter"] / "adapter.safetensors")
    folder = work.output / "lora"
    folder.mkdir()
    save_lora(folder / NAME, state, work.spec.rank, work.spec.alpha)
