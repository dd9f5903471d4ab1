"""What a recipe asks of training, in training's own records."""

from collections.abc import Sequence
from functools import partial

import torch

from engine.stages.train.samples import Reader, Samples
from engine.stages.train.spec import TrainRuntime, TrainSpec
from engine.training import noise, routing
from engine.training.crepa import Crepa, Projector
from engine.training.evaluation import Item
from engine.training.loop import Settings
from engine.training.objective import Batch, Levelled, Objective
from engine.training.order import Order
from engine.training.rollout import Rollout
from engine.training.schedules import rate_factor
from engine.training.state import State
from engine.training.walk import Checkpointing
from engine.words.noise import Noise

PATCH = (1, 2, 2)  # latents of a token of Wan, along time, height and width

LEVELS = {
    "logit_normal": noise.LogitNormal,
    "uniform": noise.Uniform,
    "beta": noise.Beta,
    "mode": noise.Mode,
    "fixed": lambda values: noise.Fixed(tuple(values)),
}


def objective_of(spec: TrainSpec, runtime: TrainRuntime, crepa: Crepa | None) -> Objective:
    """Return what is learnt of a batch."""
    routes = [routing.Route(**route.model_dump()) for route in getattr(spec.tread, "routes", ())]
    words = spec.loss.model_dump(exclude={"kind"})
    rollout = spec.rollout.model_dump(exclude={"kind"})
    return Objective(
        seed=spec.seed,
        batch_size=spec.batch_size,
        steps=spec.steps,
        noise=levelled(spec.noise),
        loss=partial(noise.LOSSES[spec.loss.kind], **words),
        patch=PATCH,
        checkpointing=Checkpointing(**runtime.gradient_checkpointing.model_dump()),
        routes=routing.resolve(routes, spec.transformer.layers),
        rollout=None if spec.rollout.kind == "none" else Rollout(**rollout),
        crepa=crepa,
    )


def levelled(said: Noise) -> Levelled:
    """Return which noise levels are learnt."""
    levels = LEVELS[said.levels.kind](**said.levels.model_dump(exclude={"kind"}))
    shift = said.shift.factor if said.shift.kind == "fixed" else None
    return Levelled(levels, shift, said.lowest, said.highest)


def crepa_of(spec: TrainSpec, reader: Reader) -> Crepa:
    """Return the alignment, with a projector between the widths of model and teacher."""
    said, width = spec.crepa, spec.transformer.heads * spec.transformer.head_width
    projector = Projector(width, reader.feature(0).shape[-1], spec.seed)
    return Crepa(projector, said.block, said.weight, said.falls, said.distance, said.neighbours, said.decay)


def settings_of(spec: TrainSpec, runtime: TrainRuntime, order: Order, state: State) -> Settings:
    """Return what the loop is told; a step that is the best so far is saved at once."""
    words = spec.schedule.model_dump(exclude={"kind", "warmup_steps"})
    factor = partial(
        rate_factor, spec.schedule.kind, steps=spec.steps, warmup=spec.schedule.warmup_steps, **words
    )

    def turn(step: int) -> int:
        """How often a checkpoint was due up to a step."""
        return (
            step if runtime.checkpoint_unit == "steps" else order.epochs(step)
        ) // runtime.checkpoint_every

    def saves(step: int) -> bool:
        best = state.best is not None and state.best.step == step
        return best or turn(step) > turn(step - 1)

    def evaluates(step: int) -> bool:
        every = getattr(spec.evaluation, "every", 0)
        return every > 0 and (step % every == 0 or step >= spec.steps)

    return Settings(
        steps=spec.steps, micro_batch=runtime.micro_batch, learning_rate=spec.learning_rate, factor=factor,
        clip=spec.clip.kind, clip_limit=getattr(spec.clip, "limit", 0.0), seed=spec.seed, saves=saves,
        evaluates=evaluates,
    )  # fmt: skip


def batches_of(reader: Reader, indices: Sequence[int], positions: Sequence[int]) -> Batch:
    """Return samples that go through the model together."""
    samples = reader.samples
    features = torch.stack([reader.feature(index) for index in indices]) if samples.features else None
    return Batch(
        latent_BCFHW=torch.stack([reader.latent(index) for index in indices]),
        positions=positions,
        regularised_B=torch.tensor([samples.regularised[index] for index in indices]),
        feature_BTPD=features,
    )


def items_of(spec: TrainSpec, objective: Objective, samples: Samples, reader: Reader) -> list[Item]:
    """Return the held-out samples that are evaluated, each at the noise levels that its size is learnt at."""
    said, items = spec.noise, list[Item]()
    for index in samples.held_out[: spec.evaluation.samples]:
        shift = objective.noise.shift_for(objective.grid(reader.latent(index)[None]))
        sigmas = noise.evenly_spread(spec.evaluation.levels, shift, said.lowest, said.highest)
        items.append(Item(index, samples.ids[index], tuple(sigmas.tolist())))
    return items
