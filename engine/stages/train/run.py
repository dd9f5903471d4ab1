"""Train the adapter: latents and embeddings in, ``adapter.safetensors`` out, checkpoints on the way."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.device import PRECISIONS, choose
from engine.endings import Interrupted, StageError
from engine.stages.train.asked import batches_of, crepa_of, items_of, objective_of, settings_of
from engine.stages.train.prepare import adapted_layers, blaming, optimizer_of, prepare
from engine.stages.train.samples import Reader, Samples, Training, load_samples
from engine.stages.train.start import LEAF, Unusable, take
from engine.training import adapters, checkpoints
from engine.training.averages import Ema
from engine.training.devices import Devices, Disagree, FirstFailed, TorchIsOlder, joined
from engine.training.evaluation import Curve, Item, evaluate, still
from engine.training.loop import Losses, Metrics, NotFinite, Stopped, Watch
from engine.training.loop import train as train_loop
from engine.training.noise import NoLevel
from engine.training.objective import Objective
from engine.training.offload import offloaded, sweep
from engine.training.optimizers import MissingPackage, shown
from engine.training.quantise import Report
from engine.training.state import Best, State
from engine.training.walk import Course, Walk
from engine.wan.denoise import predict
from engine.wan.load import load_transformer
from engine.wan.lora_file import read_adapter

STEPS, EVALUATIONS = "steps.jsonl", "evaluations.jsonl"


def train(work: Training) -> None:
    """Write ``adapter/adapter.safetensors``, and the logs ``log/steps.jsonl`` and ``log/evaluations.jsonl``; of a quantised model also ``log/quantised.json``.

    Raises:
        StageError: the model cannot be made ready as asked, the loss is not finite, or the disk is full.
        Interrupted: the state is in a checkpoint.
    """
    device = choose(work.runtime.device, work.runtime.threads)
    samples = load_samples(work)
    model, report = _model(work, device)
    work.shared.mkdir(parents=True, exist_ok=True)
    with joined() as devices, _offloaded(work, model, device, devices):
        if work.runtime.shard and devices.count > 1:
            with blaming("hardware.shard", TorchIsOlder):
                devices.shard(model.blocks, device)
            work.tell(
                "message", message=f"each of {devices.count} devices keeps its part of the frozen blocks"
            )
        run = _run(work, model, samples, device, devices)
        with _told(run):
            run.resume()
            run.go()
        if devices.first:
            run.hand_on()
            if report is not None:
                (work.output / "log" / "quantised.json").write_text(json.dumps(report.as_json(), indent=1))


def _model(work: Training, device: torch.device) -> tuple[torch.nn.Module, Report | None]:
    """Load the denoiser and make it ready, before any other process waits for this one; says what was quantised."""
    folder = work.inputs["fetch_model/transformer"].parent
    model = load_transformer(folder, PRECISIONS[work.spec.precision], torch.device("cpu"))
    if work.stopping():
        raise Interrupted
    report = prepare(
        work.spec, work.runtime, model, adapted_layers(work.spec), work.spec.seed, device, work.tell
    )
    start = work.spec.start
    if start.kind == "file":
        with blaming("train.start.path", Unusable, OSError, SafetensorError):
            named = take(Path(start.path), work.spec.adapter, work.spec.transformer, work.digests[LEAF])
            state = read_adapter(Path(start.path), named)
            adapters.load_adapter_state(model, state)
            if odd := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
                raise Unusable(f"{start.path} holds infinities or what is no number, as in {odd[0]}")
    return model, report


@contextmanager
def _offloaded(
    work: Training, model: torch.nn.Module, device: torch.device, devices: Devices
) -> Iterator[None]:
    """Let blocks wait outside of the device, where that is asked for."""
    kind = work.runtime.offload.kind
    with blaming("train.offload", OSError):
        # what a kill left behind; nobody makes a folder of blocks before
        devices.by_first(lambda: sweep(work.shared))
    if kind == "none":
        yield
        return
    with ExitStack() as stack:
        with blaming("train.offload", OSError, SafetensorError):
            folder = work.shared if kind == "disk" else None
            stack.enter_context(offloaded(list(model.blocks), device, folder))
        yield


@contextmanager
def _told(run: "_Run") -> Iterator[None]:
    """Say in the words of a recipe what ended a training."""
    try:
        yield
    except Stopped as stopped:
        raise Interrupted from stopped
    except NotFinite as error:
        last = (
            f"the last good checkpoint is of step {run.saved}" if run.saved else "there is no checkpoint yet"
        )
        raise StageError(f"the loss is not finite at step {error.step}; {last}. Lower `train.learning_rate`, or look at these clips: "
                         f"{', '.join(run.reader.samples.names(error.samples))}") from error  # fmt: skip
    except (
        NoLevel
    ) as error:  # with a shift that follows from the size, some sizes may reach the range and others not
        raise StageError(f"train.noise: {error}") from error
    except (checkpoints.NotSaved, Disagree, FirstFailed) as error:
        raise StageError(str(error)) from error


def _run(
    work: Training, model: torch.nn.Module, samples: Samples, device: torch.device, devices: Devices
) -> "_Run":
    spec = work.spec
    reader = Reader(work, samples)
    crepa = crepa_of(spec, reader) if samples.features else None
    trained = adapters.trained(model)
    if crepa is not None:
        crepa.projector.to(device)
        trained |= crepa.parameters
    with blaming("train.optimizer.kind", MissingPackage):
        state = State(trained, optimizer_of(spec, list(trained.values()), spec.learning_rate, spec.seed))
    if spec.ema.kind != "none":
        where = torch.device("cpu") if work.runtime.ema_on == "cpu" else device
        settings = spec.ema.model_dump(exclude={"kind"})
        state.ema = Ema(adapters.trained(model), **settings, device=where)
    return _Run(work, model, reader, device, devices, state, objective_of(spec, work.runtime, crepa))


@dataclass(slots=True)
class _Run:
    """A training on its way: everything that a step touches.

    Attributes:
        saved: the step of the newest checkpoint; 0 before the first.
        ended: the evaluation at the end, where it came out of turn. It is in no checkpoint: a longer run that goes on from
            here has none at this step, and must not come out otherwise than one that was asked for at once.
    """

    work: Training
    model: torch.nn.Module
    reader: Reader
    device: torch.device
    devices: Devices
    state: State
    objective: Objective
    saved: int = 0
    ended: Best | None = None

    def go(self) -> None:
        """Train to the end."""
        order = self.reader.samples.order
        settings = settings_of(self.work.spec, self.work.runtime, order, self.state)
        watch = Watch(self.on_step, self.evaluate, self.save, self.work.stopping)
        self._log(STEPS, "")  # ends a line that a crash may have torn
        train_loop(self.loss_of, self.state, order, settings, watch, self.devices)

    def loss_of(self, indices: Sequence[int], positions: Sequence[int]) -> Losses:
        """Return the losses of some samples; every draw is a function of seed and position."""
        reader = self.reader
        texts = [reader.text(index, at) for index, at in zip(indices, positions, strict=True)]
        return self.objective.losses(batches_of(reader, indices, positions), self._denoiser(texts))

    def evaluate(self) -> bool:
        """Measure the loss on what is held out, of the weights and of their average; False if asked to stop.

        The best is that of the weights: their average is handed on as it is at the end.
        """
        state, curves, reader = self.state, dict[str, Curve](), self.reader
        items = items_of(self.work.spec, self.objective, reader.samples, reader)
        for which in ("last", "ema") if state.ema is not None else ("last",):
            with self._weights(which):
                measured = self._measured(items)
            # the first device's counts, or those that round otherwise would find another best, and save alone
            if (curve := self.devices.of_all(measured)[0]) is None:
                return False
            curves[which] = curve
        found = Best(state.step, curves["last"].mean)
        if state.step % self.work.spec.evaluation.every:
            self.ended = found
        else:
            state.evaluated = state.step
            if state.step and (state.best is None or found.loss < state.best.loss):
                state.best = found
        for which, curve in curves.items():
            said = {"step": state.step, "weights": which, "loss": curve.mean} | asdict(curve)
            self._log(EVALUATIONS, json.dumps(said))
            self.work.tell("evaluation", **said)
        average = f", {curves['ema'].mean:.4f} of the average" if "ema" in curves else ""
        self._say(f"evaluation loss {found.loss:.4f}{average} after step {state.step}")
        return True

    def _measured(self, items: Sequence[Item]) -> Curve | None:
        reader = self.reader

        def said(noisy_BCFHW: Tensor, sigma_B: Tensor, indices: Sequence[int]) -> Tensor:
            denoiser = self._denoiser([reader.first_text(index) for index in indices])
            return denoiser.predict(noisy_BCFHW, sigma_B, None, Course())

        return evaluate(
            said, reader.latent, items, self.model,
            self.objective.loss, seed=self.work.spec.seed, step=self.state.step,
            micro_batch=self.work.runtime.micro_batch,
            # all stop before the same forward pass: in one of sharded blocks, each waits for the others
            stopping=lambda: self.devices.any_of(self.work.stopping()),
        )  # fmt: skip

    def resume(self) -> None:
        """Take up the newest whole checkpoint."""
        work = self.work

        def newest() -> int | None:
            found = checkpoints.newest(work.shared, work.identity, work.spec.steps, self._say)
            return found.step if found else None

        # the first device alone looks, as it moves damaged ones aside
        step = self.devices.by_first(newest)
        if step is None and any(work.shared.glob("rejected/*")):
            self._say("no checkpoint can be used: training begins anew")
        if step is not None:
            found = checkpoints.at_step(work.shared, step, work.identity)
            try:
                self.state.put_back(found)
            except (ValueError, KeyError) as error:
                raise StageError(f"cannot go on from {found.folder}: {error}; move that folder away to train anew") from error  # fmt: skip
            self.saved = found.step
            self._say(f"going on from step {found.step}")
        self.devices.same_everywhere("step", str(self.state.step))

    def save(self) -> None:
        """Commit a checkpoint, and only then let older ones go."""
        self.devices.by_first(self._commit)
        self.saved = self.state.step
        self.work.tell("checkpoint", step=self.state.step)

    def _commit(self) -> None:
        parts, record = self.state.parts()
        record["lineage"] = self.work.identity
        checkpoints.commit(self.work.shared, self.state.step, parts, record)
        best = self.state.best.step if self.state.best else None
        checkpoints.rotate(self.work.shared, self.work.runtime.checkpoints_kept, best)

    def on_step(self, metrics: Metrics) -> None:
        """Report a step and note it in the log that attempts share."""
        self._log(STEPS, json.dumps(asdict(metrics)))
        self.work.tell("metrics", **asdict(metrics))
        parts = [f"loss {metrics.loss:.4f}", *(f"{name} {loss:.4f}" for name, loss in metrics.parts.items())]
        total = self.work.spec.steps
        self.work.tell("progress", done=metrics.step, total=total, unit="steps", note=" · ".join(parts))

    def hand_on(self) -> None:
        """Write the output: the weights that the recipe asks for, and what each step and each evaluation showed."""
        found = [best for best in (self.state.best, self.ended) if best is not None]
        if self.work.spec.result == "best" and found:
            best = min(found, key=lambda best: best.loss)
            self._take(best.step)
            self._say(
                f"the best weights are those of step {best.step}, with an evaluation loss of {best.loss:.4f}"
            )
        with self._weights("ema" if self.work.spec.result == "ema" else "last"):
            made = adapters.adapter_state(self.model)
        (self.work.output / "adapter").mkdir()
        (self.work.output / "log").mkdir()
        try:
            save_file(made, self.work.output / "adapter" / "adapter.safetensors")
        except SafetensorError as error:
            raise StageError(
                f"{self.work.output}: {error}; make room and run again: training is done"
            ) from error
        _hand_on_log(self.work, STEPS, 1)
        _hand_on_log(self.work, EVALUATIONS, getattr(self.work.spec.evaluation, "every", 1))

    def _take(self, step: int) -> None:
        """Go back to the weights of a step: the training is over, and its last state is safe."""
        if step != self.state.step:
            try:
                self.state.put_back(checkpoints.at_step(self.work.shared, step, self.work.identity))
            except checkpoints.Unusable as error:
                raise StageError(
                    f"the best step was {step}, and {error}; `train.result: last` hands on the last step, and trains nothing again"
                ) from error

    @contextmanager
    def _weights(self, which: str) -> Iterator[None]:
        """Let the model have their average, ``ema``, or what the optimizer holds to be trained, ``last``."""
        with self.state.ema.applied() if which == "ema" else shown(self.state.optimizer):
            yield

    def _denoiser(self, texts: Sequence[Tensor]) -> "_Denoiser":
        text_BLD = torch.stack(list(texts)).to(self.device, PRECISIONS[self.work.spec.precision])
        return _Denoiser(self.model, text_BLD)

    def _log(self, name: str, line: str) -> None:
        if self.devices.first:
            with (self.work.shared / name).open("a") as log:
                log.write(line + "\n")

    def _say(self, message: str) -> None:
        self.work.tell("message", message=message)


@dataclass(frozen=True, slots=True)
class _Denoiser:
    """The model with the texts of a batch; see ``engine.training.objective``."""

    model: torch.nn.Module
    text_BLD: Tensor

    def predict(self, noisy_BCFHW: Tensor, sigma_B: Tensor, rows: Tensor | None, walk: Walk) -> Tensor:
        text_BLD = self.text_BLD if rows is None else self.text_BLD[rows]
        # no autocast: it would run the time embedder in bfloat16, which the reference and the stock pipeline do not
        return predict(self.model, noisy_BCFHW.to(text_BLD), sigma_B.to(text_BLD.device), text_BLD, walk)

    @contextmanager
    def still(self) -> Iterator[None]:
        with still(self.model):
            yield

    @contextmanager
    def base(self) -> Iterator[None]:
        with still(self.model), adapters.without_adapter(self.model):
            yield


def _hand_on_log(work: Training, name: str, every: int) -> None:
    """Hand on a log; a step that was done twice after a crash counts once, as it was done last.

    What was evaluated out of turn, at the end of a shorter run that this one went on from, is left out: what is handed
    on must not depend on how often it was gone on.
    """
    if not (work.shared / name).is_file():
        return
    said: dict[tuple[int, str], str] = {}
    for line in (work.shared / name).read_text().splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # a crash tore the last line of an attempt
            continue
        said[told["step"], told.get("weights", "")] = line
    last = work.spec.steps
    kept = [
        line
        for (step, _), line in sorted(said.items())
        if step == last or (step < last and step % every == 0)
    ]
    Path(work.output / "log" / name).write_text("\n".join(kept) + "\n")
