"""Train the adapter: latents and embeddings in, ``adapter.safetensors`` out, checkpoints on the way."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.device import PRECISIONS, choose
from engine.endings import Interrupted, StageError
from engine.seam import Work
from engine.stages.encode_text.spec import EMPTY
from engine.stages.train.layers import linear_layers, match
from engine.stages.train.spec import TrainRuntime, TrainSpec
from engine.tensors import load_tensors
from engine.training import checkpoints, noise
from engine.training.loop import Metrics, NotFinite, Settings, Stopped
from engine.training.loop import train as train_loop
from engine.training.lora import NoSuchLayers, adapter_state, add_lora, load_adapter_state, trainable
from engine.training.optimizers import OPTIMIZERS, flatten, restore
from engine.training.order import Group, Order
from engine.wan.attention import NoSuchKernels, use_kernels
from engine.wan.denoise import predict
from engine.wan.feed_forward import chunk_feed_forward
from engine.wan.load import load_transformer
from engine.wan.text import pad_text

Training = Work[TrainSpec, TrainRuntime]


def train(work: Training) -> None:
    """Write ``adapter/adapter.safetensors`` and ``log/steps.jsonl``.

    Raises:
        StageError: a target matches no layer, the kernels are not there, the loss is not finite, or the disk is full.
        Interrupted: the state is in a checkpoint.
    """
    spec, runtime = work.spec, work.runtime
    device = choose(runtime.device, runtime.threads)
    model = _adapted_model(work, device)
    work.shared.mkdir(parents=True, exist_ok=True)
    run = _Run(work, model, _optimizer(spec, model), load_samples(work), device)
    start = run.resume()
    with (work.shared / LOG).open("a") as log:
        log.write("\n")  # ends a line that a crash may have torn
    try:
        train_loop(
            run.loss_of, trainable(model), run.optimizer, run.samples.order, _settings(spec, runtime), start=start,
            on_step=run.on_step, save=run.save, stopping=work.stopping,
        )  # fmt: skip
    except Stopped as stopped:
        raise Interrupted from stopped
    except NotFinite as error:
        raise StageError(f"{error}; the last good checkpoint is kept. Lower `train.learning_rate`, or look at these "
                         f"clips: {', '.join(run.samples.names(error.samples))}") from error  # fmt: skip
    except checkpoints.NoRoom as error:
        raise StageError(str(error)) from error
    (work.output / "adapter").mkdir()
    save_file(adapter_state(model), work.output / "adapter" / "adapter.safetensors")
    _write_log(work)


def _adapted_model(work: Training, device: torch.device) -> torch.nn.Module:
    """Load the denoiser, give it its adapter, and let it work as the machine can."""
    lora, runtime = work.spec.lora, work.runtime
    layers = match(linear_layers(work.spec.transformer), lora.targets).names  # as the plan said
    model = load_transformer(
        work.inputs["fetch_model/transformer"].parent, PRECISIONS[work.spec.precision], device
    )
    try:
        add_lora(
            model,
            rank=lora.rank,
            alpha=lora.alpha,
            dropout=lora.dropout,
            targets=[re.escape(name) for name in layers],
            seed=work.spec.seed,
        )
        use_kernels(model, runtime.attention, device)
    except NoSuchLayers as error:
        raise StageError(f"train.lora.targets: {error}") from error
    except NoSuchKernels as error:
        raise StageError(f"train.attention: {error}") from error
    model.train()
    if runtime.gradient_checkpointing:
        model.enable_gradient_checkpointing()
        chunk_feed_forward(model, runtime.feed_forward_chunks)
    return model


@dataclass(frozen=True, slots=True)
class Samples:
    """What is trained on: sample i pairs a clip's latents with the embeddings of its captions, one or more variants."""

    clips: tuple[str, ...]
    latents: tuple[str, ...]  # keys of items
    captions: tuple[tuple[str, ...], ...]  # keys of items
    empty: str
    order: Order

    def names(self, indices: Sequence[int]) -> list[str]:
        """Return the clips of some samples, once each."""
        return sorted({self.clips[index] for index in indices})


def load_samples(work: Training) -> Samples:
    """Pair clips with their captions, and order them by bucket."""
    said = json.loads((work.inputs["survey/samples"] / "samples.json").read_text())
    latents = json.loads((work.inputs["encode_video/latents"] / "latents.json").read_text())
    texts = json.loads((work.inputs["encode_text/captions"] / "captions.json").read_text())
    return Samples(
        clips=tuple(work.files.get(latents[sample["clip"]]["media"], sample["clip"]) for sample in said),
        latents=tuple(latents[sample["clip"]]["item"] for sample in said),
        captions=tuple(tuple(texts[caption] for caption in sample["captions"]) for sample in said),
        empty=texts[EMPTY],
        order=_order(work),
    )


def _order(work: Training) -> Order:
    groups = json.loads((work.inputs["survey/samples"] / "groups.json").read_text())
    buckets: dict[tuple[int, ...], list[Group]] = {}
    for group in groups:
        buckets.setdefault(tuple(group["bucket"]), []).append(Group(tuple(group["samples"]), group["take"]))
    # by shape, so that it does not matter which bucket was met first
    in_turn = tuple(tuple(buckets[bucket]) for bucket in sorted(buckets))
    return Order(in_turn, work.spec.batch_size, work.spec.seed)


@dataclass(frozen=True, slots=True)
class _Run:
    """A training on its way: everything that a step touches."""

    work: Training
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    samples: Samples
    device: torch.device

    def loss_of(self, indices: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Return the flow-matching loss of some samples; every draw is a function of seed and position."""
        spec, dtype = self.work.spec, PRECISIONS[self.work.spec.precision]
        latent_BCFHW = torch.stack([self._latent(index) for index in indices])
        text_BLD = torch.stack([self._text(index, at) for index, at in zip(indices, positions, strict=True)])
        levels = _levels(spec)
        draws = [noise.generator(spec.seed, "noise", position) for position in positions]
        sigma_B = torch.stack([noise.draw_sigma(levels, spec.noise.shift, rng) for rng in draws])
        noise_BCFHW = torch.stack([torch.randn(latent_BCFHW.shape[1:], generator=rng) for rng in draws])
        noisy_BCFHW, target_BCFHW = noise.add_noise(latent_BCFHW, noise_BCFHW, sigma_B)
        # no autocast: it would run the time embedder in bfloat16, which the reference and the stock pipeline do not
        prediction_BCFHW = predict(
            self.model,
            noisy_BCFHW.to(self.device, dtype),
            sigma_B.to(self.device),
            text_BLD.to(self.device, dtype),
        )
        return noise.flow_loss(prediction_BCFHW, target_BCFHW.to(self.device))

    def _latent(self, index: int) -> Tensor:
        return _item(self.work, "encode_video", self.samples.latents[index], "latent", "latent_CFHW")

    def _text(self, index: int, position: int) -> Tensor:
        spec = self.work.spec
        dropped = (
            torch.rand((), generator=noise.generator(spec.seed, "caption", position)) < spec.caption_dropout
        )
        key = self.samples.empty if dropped else self._variant(index, position)
        return pad_text(_item(self.work, "encode_text", key, "text", "text_LD"), spec.max_tokens)

    def _variant(self, index: int, position: int) -> str:
        variants = self.samples.captions[index]
        rng = noise.generator(self.work.spec.seed, "variant", position)
        return variants[int(torch.randint(len(variants), (), generator=rng))]

    def resume(self) -> int:
        """Take up the newest whole checkpoint; returns the steps that are done."""
        found = checkpoints.newest(self.work.shared, self.work.identity, self.work.spec.steps, self._say)
        if found is None:
            return 0
        try:
            load_adapter_state(self.model, found.tensors("adapter"))
            restore(self.optimizer, found.tensors("optimizer"), found.record["optimizer"])
        except ValueError as error:
            raise StageError(
                f"cannot go on from {found.folder}: {error}; move that folder away to train anew"
            ) from error
        self._say(f"going on from step {found.step}")
        return found.step

    def save(self, step: int) -> None:
        """Commit a checkpoint, and only then let older ones go."""
        tensors, rest = flatten(self.optimizer)
        record = {"lineage": self.work.identity, "step": step, "optimizer": rest}
        checkpoints.commit(
            self.work.shared, step, {"adapter": adapter_state(self.model), "optimizer": tensors}, record
        )
        checkpoints.rotate(self.work.shared, self.work.runtime.checkpoints_kept)
        self.work.tell("checkpoint", step=step)

    def on_step(self, metrics: Metrics) -> None:
        """Report a step and note it in the log that attempts share."""
        with (self.work.shared / LOG).open("a") as log:
            log.write(json.dumps(asdict(metrics)) + "\n")
        note = f"loss {metrics.loss:.4f}"
        self.work.tell("progress", done=metrics.step, total=self.work.spec.steps, unit="steps", note=note)

    def _say(self, message: str) -> None:
        self.work.tell("message", message=message)


LOG = "steps.jsonl"


def _item(work: Training, maker: str, key: str, file: str, name: str) -> Tensor:
    return load_tensors(work.items.open(f"{maker}/{key}"), file)[name].float()


def _levels(spec: TrainSpec) -> noise.Levels:
    said = spec.noise.levels
    return noise.LogitNormal(said.mean, said.scale) if said.kind == "logit_normal" else noise.Uniform()


def _optimizer(spec: TrainSpec, model: torch.nn.Module) -> torch.optim.Optimizer:
    settings = spec.optimizer.model_dump(exclude={"kind"})
    return OPTIMIZERS[spec.optimizer.kind](trainable(model), lr=spec.learning_rate, **settings)


def _settings(spec: TrainSpec, runtime: TrainRuntime) -> Settings:
    return Settings(
        steps=spec.steps, micro_batch=runtime.micro_batch, learning_rate=spec.learning_rate,
        schedule=spec.schedule.kind, warmup_steps=spec.schedule.warmup_steps, clip=spec.clip.kind,
        clip_limit=getattr(spec.clip, "limit", 0.0), seed=spec.seed, save_every=runtime.checkpoint_every,
    )  # fmt: skip


def _write_log(work: Training) -> None:
    """Hand on what each step showed; a step that was done twice after a crash counts once, as it was done last."""
    (work.output / "log").mkdir()
    steps: dict[int, str] = {}
    for line in (work.shared / LOG).read_text().splitlines():
        try:
            steps[json.loads(line)["step"]] = line
        except ValueError:  # a crash tore the last line of an attempt
            continue
    kept = [steps[step] for step in sorted(steps) if step <= work.spec.steps]
    Path(work.output / "log" / LOG).write_text("\n".join(kept) + "\n")
