"""Encode each text that has no embedding yet, and write down which embedding belongs to which text."""

from safetensors.torch import save_file

from engine.device import PRECISIONS, choose
from engine.endings import Interrupted, StageError
from engine.seam import Work, canonical
from engine.stages.encode_text.spec import EncodeTextRuntime, EncodeTextSpec, texts
from engine.wan.load import load_text_encoder
from engine.wan.text import encode_texts


def encode_text(work: Work[EncodeTextSpec, EncodeTextRuntime]) -> None:
    """Write ``captions/captions.json`` and ``prompts/prompts.json``: text → key of its embedding.

    An embedding is the item ``text.safetensors`` with ``text_LD``, cut to the text's own length.
    """
    wanted = texts(work.spec, (work.inputs["survey/texts"] / "texts.json").read_bytes(), work.digests)
    missing = {key: text for keys in wanted.values() for text, key in keys.items() if not work.items.has(key)}
    if missing:
        device = choose(work.runtime.device, work.runtime.threads, work.runtime.devices)
        folder = work.inputs["fetch_model/text_encoder"].parent
        try:
            tokenizer, encoder = load_text_encoder(folder, PRECISIONS[work.spec.precision], device)
        except ValueError as error:
            raise StageError(str(error)) from error
        for done, (key, text) in enumerate(missing.items(), start=1):
            if work.stopping():
                raise Interrupted
            (text_LD,) = encode_texts(tokenizer, encoder, [text], work.spec.text_encoder.max_tokens)
            if text_LD.shape[0] == work.spec.text_encoder.max_tokens:
                work.tell(
                    "message", message=f"a text of {text_LD.shape[0]} tokens or more was cut: {text[:60]}…"
                )
            with work.items.publish(key) as item:
                save_file({"text_LD": text_LD}, item / "text.safetensors")
            work.tell("progress", done=done, total=len(missing), unit="texts")
    for part, keys in wanted.items():
        (work.output / part).mkdir()
        (work.output / part / f"{part}.json").write_bytes(canonical(keys))
