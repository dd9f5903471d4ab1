"""Write what was trained in the form that other programs load."""

from safetensors.torch import load_file

from engine.seam import Work
from engine.stages.export.spec import ExportRuntime, ExportSpec
from engine.wan.lora_file import save_lora, save_lycoris, save_transformer

NAME = "pytorch_lora_weights.safetensors"


def export(work: Work[ExportSpec, ExportRuntime]) -> None:
    """Write ``lora/pytorch_lora_weights.safetensors``; or, where all weights were trained, ``lora/transformer/``.

    LoRA and DoRA are as ``WanPipeline.load_lora_weights`` reads them, LoKr and LoHa as ComfyUI does, and a whole
    denoiser as ``WanTransformer3DModel.from_pretrained``. The resolved recipe is added when the files are handed out:
    titles and machines are in it, which are in no key.
    """
    adapter, folder = work.spec.adapter, work.output / "lora"
    state = load_file(work.inputs["train/adapter"] / "adapter.safetensors")
    folder.mkdir()
    if adapter.kind == "full":
        save_transformer(folder / "transformer", work.inputs["fetch_model/transformer"], state)
    elif adapter.kind in {"lora", "dora"}:
        save_lora(folder / NAME, state, adapter.rank, adapter.alpha)
    else:
        save_lycoris(folder / NAME, state, adapter.alpha)
