"""What is trained on, read item by item: latents, the embeddings of captions, and what CREPA's teacher saw."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.seam import Work
from engine.stages.encode_text.spec import EMPTY
from engine.stages.train.spec import TrainRuntime, TrainSpec
from engine.tensors import load_tensors
from engine.training.noise import generator
from engine.training.order import Group, Order
from engine.wan.text import pad_text

Training = Work[TrainSpec, TrainRuntime]


@dataclass(frozen=True, slots=True)
class Samples:
    """Sample i pairs a clip's latents with the embeddings of its captions, one or more variants.

    Attributes:
        clips: their files, for people.
        ids: their names in the survey, which follow from their content.
        latents, captions, features, empty: keys of items; of features there are none without CREPA.
        regularised: whether a sample teaches what the model without the adapter makes of it.
        held_out: the samples that are evaluated and not trained on.
    """

    clips: tuple[str, ...]
    ids: tuple[str, ...]
    latents: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    features: tuple[str, ...]
    regularised: tuple[bool, ...]
    held_out: tuple[int, ...]
    empty: str
    order: Order

    def names(self, indices: Sequence[int]) -> list[str]:
        """Return the clips of some samples, once each: file and folder, as clips that were fetched lie deep in the store."""
        return sorted({"/".join(Path(self.clips[index]).parts[-2:]) for index in indices})


def load_samples(work: Training) -> Samples:
    """Pair clips with their captions, and order them by bucket."""
    said = _read(work, "survey/samples", "samples.json")
    latents = _read(work, "encode_video/latents", "latents.json")
    texts = _read(work, "encode_text/captions", "captions.json")
    features = _read(work, FEATURES, "features.json") if FEATURES in work.inputs else {}
    return Samples(
        clips=tuple(work.files.get(latents[sample["clip"]]["media"], sample["clip"]) for sample in said),
        ids=tuple(sample["clip"] for sample in said),
        latents=tuple(latents[sample["clip"]]["item"] for sample in said),
        captions=tuple(tuple(texts[caption] for caption in sample["captions"]) for sample in said),
        features=tuple(features[sample["clip"]] for sample in said) if features else (),
        regularised=tuple(sample["role"] == "regularise" for sample in said),
        held_out=tuple(_read(work, "survey/samples", "evaluation.json")),
        empty=texts[EMPTY],
        order=_order(work),
    )


FEATURES = "encode_features/features"


def _read(work: Training, part: str, name: str) -> Any:
    return json.loads((work.inputs[part] / name).read_text())


def _order(work: Training) -> Order:
    buckets: dict[tuple[int, ...], list[Group]] = {}
    for group in _read(work, "survey/samples", "groups.json"):
        buckets.setdefault(tuple(group["bucket"]), []).append(Group(tuple(group["samples"]), group["take"]))
    # by shape, so that it does not matter which bucket was met first
    in_turn = tuple(tuple(buckets[bucket]) for bucket in sorted(buckets))
    return Order(in_turn, work.spec.batch_size, work.spec.seed)


KEPT = 256 << 20
"""Bytes of items that stay in memory once they were read. All come round equally often, so none makes room for another."""


class Reader:
    """Reads the tensors of samples from the store of items."""

    def __init__(self, work: Training, samples: Samples) -> None:
        """Begin with nothing in memory."""
        self.work, self.samples = work, samples
        self._kept: dict[str, Tensor] = {}
        self._room = KEPT

    def latent(self, index: int) -> Tensor:
        """Return the latents of a sample, ``(C, F, H, W)``, float32."""
        return self._item("encode_video", self.samples.latents[index], "latent", "latent_CFHW").float()

    def feature(self, index: int) -> Tensor:
        """Return the teacher's patch tokens of a sample, ``(T, P, D)``, as they were kept."""
        return self._item("encode_features", self.samples.features[index], "feature", "feature_TPD")

    def text(self, index: int, position: int) -> Tensor:
        """Return what a sample reads at a position, ``(L, D)``, float32: one of its captions, or by chance the empty one."""
        spec = self.work.spec
        dropped = torch.rand((), generator=generator(spec.seed, "caption", position)) < spec.caption_dropout
        variants = self.samples.captions[index]
        variant = int(torch.randint(len(variants), (), generator=generator(spec.seed, "variant", position)))
        return self._padded(self.samples.empty if dropped else variants[variant])

    def first_text(self, index: int) -> Tensor:
        """Return the first caption of a sample, ``(L, D)``, float32: the one that it is evaluated with."""
        return self._padded(self.samples.captions[index][0])

    def _padded(self, key: str) -> Tensor:
        text_LD = self._item("encode_text", key, "text", "text_LD").float()
        return pad_text(text_LD, self.work.spec.max_tokens)

    def _item(self, maker: str, key: str, file: str, name: str) -> Tensor:
        if (kept := self._kept.get(key)) is not None:
            return kept
        tensor = load_tensors(self.work.items.open(f"{maker}/{key}"), file)[name]
        if tensor.nbytes <= self._room:
            self._kept[key], self._room = tensor, self._room - tensor.nbytes
        return tensor
