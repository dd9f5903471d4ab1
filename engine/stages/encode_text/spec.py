"""Turn each text into embeddings, once, so that training needs no text encoder."""

import json
from collections.abc import Iterable, Mapping

from engine.seam import Foreseen, Foresight, Runtime, Spec, Stage, View, at, canonical, digest_of
from engine.words.model import TextEncoder

VERSION = 1
EMPTY = ""  # what a sample with a dropped caption sees


class EncodeTextSpec(Spec):
    """Which texts, and the encoder."""

    text_encoder: TextEncoder = at("model.text_encoder")
    precision: str = at("train.precision")
    prompts: dict[str, str] = at("sample.prompts")
    negative: str = at("sample.negative")


class EncodeTextRuntime(Runtime):
    """Where the encoder works, and how many devices training will want: better missed before hours of encoding."""

    device: str = at("hardware.device")
    devices: int = at("hardware.devices")
    threads: int = at("hardware.threads")


def texts(
    spec: EncodeTextSpec, captions: str | bytes, digests: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return each text with the key of its item, for captions and for prompts.

    Args:
        captions: the content of the survey's ``texts.json``.
        digests: of the inputs; an item is its text, the encoder's weights, and how it is cut and stored.
    """
    weights = [digests["fetch_model/text_encoder"], digests["fetch_model/tokenizer"]]
    about = [VERSION, weights, spec.text_encoder.max_tokens, spec.precision]

    def keys(wanted: Iterable[str]) -> dict[str, str]:
        return {text: digest_of(["encode_text", text, *about]) for text in sorted(set(wanted))}

    return {
        "captions": keys([*json.loads(captions), EMPTY]),
        "prompts": keys([*spec.prompts.values(), spec.negative]),
    }


def _foresee(view: View) -> Foresight:
    spec: EncodeTextSpec = view.spec
    digests = {need: part.digest for need, part in view.inputs.items()}
    found = texts(spec, view.inputs["survey/texts"].read("texts.json"), digests)
    items = sorted({key for keys in found.values() for key in keys.values()})
    size = 4 if spec.precision == "fp32" else 2
    return Foresight(
        outputs={part: Foreseen({f"{part}.json": canonical(keys)}) for part, keys in found.items()},
        items=items,
        amount=len(items),
        unit="texts",
        bytes=len(items) * spec.text_encoder.max_tokens * spec.text_encoder.width * size,
    )


ENCODE_TEXT = Stage(
    name="encode_text",
    version=VERSION,
    spec=EncodeTextSpec,
    runtime=EncodeTextRuntime,
    needs=("fetch_model/text_encoder", "fetch_model/tokenizer", "survey/texts"),
    entry="engine.stages.encode_text.run:encode_text",
    does="turn captions and prompts into embeddings",
    foresee=_foresee,
)
