"""Make the same videos with and without the adapter, and put them side by side."""

from engine.seam import Foresight, Runtime, Spec, Stage, View, at
from engine.words.adapter import Dora, Full, Loha, Lokr, Lora


class SampleSpec(Spec):
    """What decides the videos."""

    prompts: dict[str, str] = at("sample.prompts")
    negative: str = at("sample.negative")
    width: int = at("sample.width")
    height: int = at("sample.height")
    frames: int = at("sample.frames")
    sampler: str = at("sample.sampler")
    steps: int = at("sample.steps")
    guidance: float = at("sample.guidance")
    shift: float = at("sample.shift")
    seed: int = at("sample.seed")
    fps: int = at("model.fps")
    max_tokens: int = at("model.text_encoder.max_tokens")
    precision: str = at("train.precision")
    adapter: Lora | Dora | Lokr | Loha | Full = at("train.adapter")


class SampleRuntime(Runtime):
    """Where and with which kernels sampling works."""

    attention: str = at("sample.attention")
    device: str = at("hardware.device")
    threads: int = at("hardware.threads")


def _foresee(view: View) -> Foresight:
    """Each prompt gives a video before and one after."""
    return Foresight(amount=2 * len(view.spec.prompts), unit="videos")


SAMPLE = Stage(
    name="sample",
    version=1,
    spec=SampleSpec,
    runtime=SampleRuntime,
    needs=(
        "fetch_model/transformer",
        "fetch_model/vae",
        "encode_text/prompts",
        "export/lora",
    ),
    entry="engine.stages.sample.run:sample",
    does="make videos before and after, and a contact sheet",
    foresee=_foresee,
)
