"""Bring the weights of the model into the store: build a micro model, or link a commit of the Hub."""

import json

from engine.device import choose
from engine.endings import StageError
from engine.hub import link_commit
from engine.seam import Work
from engine.stages.fetch_model.spec import FetchModelRuntime, FetchModelSpec
from engine.wan.build import build
from engine.wan.numbers import WrongModel, check_numbers
from engine.words.model import BuiltModel

# what training and sampling read: no second copy of the weights in another format, no pickles
FILES = ("model_index.json", "*/*.json", "*/*.safetensors", "tokenizer/*")


def fetch_model(work: Work[FetchModelSpec, FetchModelRuntime]) -> None:
    """Fill the output with a model in diffusers layout.

    Raises:
        StageError: the device is not there, the Hub cannot be reached, or the weights are not those of the flavour.
    """
    choose(work.runtime.device, work.runtime.threads, work.runtime.devices)
    spec = work.spec
    if isinstance(spec.source, BuiltModel):
        build(work.output, spec.transformer, spec.codec, spec.text_encoder, spec.source.seed)
    else:
        commit = link_commit(
            "model", spec.source.repository, spec.source.revision, FILES, work.output, work.stopping
        )
        about = {"repository": spec.source.repository, "commit": commit}
        (work.output / "source.json").write_text(json.dumps(about))
    try:
        check_numbers(work.output, spec.transformer, spec.codec, spec.text_encoder)
    except WrongModel as error:
        raise StageError(str(error)) from error
