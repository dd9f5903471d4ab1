"""What a step costs beside its arithmetic: training as a stage does it, against a bare torch loop of the same work.

    OMP_NUM_THREADS=1 python tests/bench/step_loop.py [--rounds 5] [--steps 60] [--set train.batch_size=4 …]

Both train the same adapter on the micro model with the same batches, optimizer and clipping, in turn in one process: so
many steps of the one, so many of the other. The bare loop has all latents and texts in memory and draws its noise from one
generator; ours reads the store, draws by position, tells events, writes its log. Time is that of the processor, so that
what else the machine does counts little.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine import pipeline
from engine.execute.runner import InItsOwnProcess, Order, make_work
from engine.language.overrides import sets
from engine.seam import Stage
from engine.stages.train.asked import settings_of
from engine.stages.train.prepare import optimizer_of
from engine.stages.train.run import _model, _run
from engine.stages.train.samples import load_samples
from engine.training import adapters
from engine.training.devices import one
from engine.training.loop import Watch, _step
from engine.wan.denoise import TIMES

MICRO = Path(__file__).resolve().parents[2] / "recipes/examples/micro-cartoon.yaml"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, InItsOwnProcess() as own:
        store = Path(folder) / "store"
        given = sets(*asked.set)
        for last in ("encode_video", "train"):
            made, resolved, _ = pipeline.plan(MICRO, given, store, until=last)
            runner = own if last == "encode_video" else Measured(own, asked.rounds, asked.steps)
            try:
                pipeline.run(made, resolved, store, Path(folder) / "out", lambda _: None, runner)
            except Done:
                return


class Done(Exception):
    """The figures are printed."""


class Measured:
    """Does every stage as usual, and measures instead of training."""

    def __init__(self, own: InItsOwnProcess, rounds: int, steps: int) -> None:
        self.own, self.rounds, self.steps = own, rounds, steps

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Any], None]) -> None:
        if stage.name != "train":
            self.own.run(stage, order, log, notify)
            return
        measure(make_work(stage, order, lambda *_, **__: None, lambda: False), self.rounds, self.steps)
        raise Done

    def stopping(self) -> bool:
        return False


def measure(work: Any, rounds: int, steps: int) -> None:
    torch.set_num_threads(1)
    ours, bare = ours_of(work), bare_of(work)
    ours(steps), bare(steps)  # warm-up
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for name, run in (("ours", ours), ("bare", bare)):
            began = time.process_time()
            run(steps)
            times[name].append((time.process_time() - began) / steps)
    mine, theirs = (statistics.median(times[name]) for name in ("ours", "bare"))
    ratios = [one / other for one, other in zip(times["ours"], times["bare"], strict=True)]
    print(f"{rounds} rounds of {steps} steps, batch {work.spec.batch_size}: ours {mine * 1e3:.2f} ms, bare {theirs * 1e3:.2f} ms, "
          f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip


def ours_of(work: Any) -> Callable[[int], None]:
    """Steps as the stage takes them: loop, log and events."""
    device = torch.device("cpu")
    work.shared.mkdir(parents=True, exist_ok=True)
    run = _run(work, _model(work, device)[0], load_samples(work), device, one())
    settings = settings_of(work.spec, work.runtime, run.reader.samples.order, run.state)
    watch = Watch(run.on_step, lambda: True, lambda: None, lambda: False)

    def go(steps: int) -> None:
        for _ in range(steps):
            watch.on_step(_step(run.loss_of, run.state, run.reader.samples.order, settings, one()))

    return go


def bare_of(work: Any) -> Callable[[int], None]:
    """The same work as a person would write it, with everything in memory."""
    from engine.stages.train.samples import Reader

    spec, samples = work.spec, load_samples(work)
    reader, order = Reader(work, samples), samples.order
    latents = [reader.latent(index) for index in range(len(samples.latents))]
    texts = [reader.first_text(index) for index in range(len(samples.latents))]
    model = _model(work, torch.device("cpu"))[0]
    parameters = list(adapters.trained(model).values())
    optimizer, rng, step = (
        optimizer_of(spec, parameters, spec.learning_rate, spec.seed),
        torch.Generator().manual_seed(0),
        0,
    )

    def go(steps: int) -> None:
        nonlocal step
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            batch = order.batch(step)
            latent = torch.stack([latents[index] for index in batch])
            text = torch.stack([texts[index] for index in batch])
            noise = torch.randn(latent.shape, generator=rng)
            sigma = torch.sigmoid(torch.randn(len(batch), generator=rng))
            sigma = 3 * sigma / (1 + 2 * sigma)
            at = sigma.view(-1, 1, 1, 1, 1)
            said = model(
                hidden_states=(1 - at) * latent + at * noise, timestep=sigma * TIMES, encoder_hidden_states=text,
                return_dict=False,
            )[0]  # fmt: skip
            loss = torch.nn.functional.mse_loss(said, noise - latent)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            loss.item()
            step += 1

    return go


if __name__ == "__main__":
    main()
