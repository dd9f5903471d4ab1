"""A training that is stopped, saved and taken up by a new process equals one that never stopped, to the last bit.

Property: whatever is trained, by whichever optimizer, averaged or not, routed or not, and however the batch is split.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from diffusers import WanTransformer3DModel
from hypothesis import given, settings
from hypothesis import strategies as st
from optional import needs_bitsandbytes
from torch import Tensor

from engine.training import adapters, checkpoints
from engine.training.averages import Ema
from engine.training.evaluation import still
from engine.training.loop import Losses, Settings, Stopped, Watch, train
from engine.training.noise import LOSSES, LogitNormal, generator
from engine.training.objective import Batch, Levelled, Objective
from engine.training.optimizers import make_optimizer
from engine.training.order import Group, Order
from engine.training.rollout import Rollout
from engine.training.routing import Route
from engine.training.schedules import rate_factor
from engine.training.state import State
from engine.training.walk import Checkpointing, Walk
from engine.wan.denoise import predict

STEPS, BATCH = 5, 2
ORDER = Order(((Group((0, 1, 2), 3),),), BATCH, 0)
TARGETS = [r"blocks\.\d+\.attn[12]\.to_(q|out\.0)"]
ADAPTERS = {
    "lora": adapters.Lora(2, 3.0, 0.2, TARGETS),
    "dora": adapters.Dora(2, 3.0, 0.2, TARGETS),
    "lokr": adapters.Lokr(2, 3.0, 0.2, 4, TARGETS),
    "loha": adapters.Loha(2, 3.0, 0.2, TARGETS),
    "full": adapters.Full(),
}
DECAY = {"weight_decay": 0.01}
ADAM = {"betas": [0.9, 0.99], "epsilon": 1e-8, **DECAY}
OPTIMIZERS = {
    "adamw": ADAM, "adamw_8bit": ADAM, "lion": {"betas": [0.9, 0.99], **DECAY}, "lion_8bit": {"betas": [0.9, 0.99], **DECAY},
    "adafactor": DECAY, "prodigy": ADAM, "schedule_free": ADAM, "muon": {"momentum": 0.9, **DECAY},
}  # fmt: skip
ONLY_MATRICES = ("muon",)
# what a weight in bfloat16 can be rounded by
ROUNDINGS = {"kahan": ("adamw", "lion"), "stochastic": ("adamw", "lion", "adafactor")}


@dataclass(frozen=True)
class Asked:
    adapter: str = "lora"
    optimizer: str = "adamw"
    rounding: str = "none"
    ema: bool = True
    tread: bool = True
    rollout: bool = False
    micro_batch: int = 1
    recompute: bool = True

    @property
    def sensible(self) -> bool:
        matrices = self.optimizer not in ONLY_MATRICES or self.adapter not in ("dora", "full")
        return matrices and (self.rounding == "none" or self.optimizer in ROUNDINGS[self.rounding])


@dataclass(frozen=True)
class Tiny:
    """The stock denoiser with two heads and three blocks, and the texts of a batch."""

    model: WanTransformer3DModel
    text_BLD: Tensor

    def predict(self, noisy_BCFHW: Tensor, sigma_B: Tensor, rows: Tensor | None, walk: Walk) -> Tensor:
        text_BLD = self.text_BLD if rows is None else self.text_BLD[rows]
        return predict(self.model, noisy_BCFHW.to(self.model.dtype), sigma_B, text_BLD, walk)

    def still(self) -> object:
        return still(self.model)

    @contextmanager
    def base(self) -> Iterator[None]:
        with still(self.model), adapters.without_adapter(self.model):
            yield


class Process:
    """Everything that a process makes anew when it starts: only checkpoints go from one to the next."""

    def __init__(self, asked: Asked, folder: Path) -> None:
        dtype = torch.float32 if asked.rounding == "none" else torch.bfloat16
        torch.manual_seed(0)
        self.model = WanTransformer3DModel(
            num_layers=3, num_attention_heads=2, attention_head_dim=12, ffn_dim=16, in_channels=4, out_channels=4,
            text_dim=8, freq_dim=16, rope_max_seq_len=16, patch_size=(1, 2, 2),
        ).to(dtype if asked.adapter == "full" else torch.float32)  # fmt: skip
        adapters.attach(self.model, ADAPTERS[asked.adapter], seed=1, dtype=dtype)
        self.model.train()
        named = adapters.trained(self.model)
        words = OPTIMIZERS[asked.optimizer]
        optimizer = make_optimizer(
            asked.optimizer, list(named.values()), lr=1e-2, rounding=asked.rounding, seed=2, **words
        )
        ema = Ema(named, decay=0.9, every=2, warmup=True, device=torch.device("cpu")) if asked.ema else None
        self.state, self.asked, self.folder, self.losses = (
            State(named, optimizer, ema),
            asked,
            folder,
            list[float](),
        )
        rollout = Rollout(0.5, 0.1, 3, 0.2, "uniform", 1, "corrected")
        self.objective = Objective(
            seed=3, batch_size=BATCH, steps=STEPS, noise=Levelled(LogitNormal(0, 1), 3.0, 0, 1), loss=LOSSES["l2"],
            patch=(1, 2, 2), checkpointing=Checkpointing("blocks" if asked.recompute else "none"),
            routes=(Route(1, 1, 0.5),) if asked.tread else (), rollout=rollout if asked.rollout else None, crepa=None,
        )  # fmt: skip

    def loss_of(self, samples: Sequence[int], positions: Sequence[int]) -> Losses:
        latents = [torch.randn(4, 2, 4, 4, generator=generator(9, "latent", index)) for index in samples]
        texts = [torch.randn(5, 8, generator=generator(9, "text", index)) for index in samples]
        batch = Batch(torch.stack(latents), positions, torch.zeros(len(samples), dtype=torch.bool), None)
        return self.objective.losses(batch, Tiny(self.model, torch.stack(texts).to(self.model.dtype)))

    def save(self) -> None:
        parts, record = self.state.parts()
        checkpoints.commit(self.folder, self.state.step, parts, record | {"lineage": "one"})

    def run(self, stop_after: int = STEPS) -> None:
        settings_ = Settings(
            steps=STEPS, micro_batch=self.asked.micro_batch, learning_rate=1e-2,
            factor=partial(rate_factor, "cosine", steps=STEPS, warmup=2), clip="norm", clip_limit=1.0, seed=4,
            saves=lambda step: False, evaluates=lambda step: False,
        )  # fmt: skip
        watch = Watch(
            lambda metrics: self.losses.append(metrics.loss), lambda: True, self.save,
            lambda: self.state.step >= stop_after,
        )  # fmt: skip
        train(self.loss_of, self.state, ORDER, settings_, watch)

    def everything(self) -> dict[str, Tensor]:
        parts, _ = self.state.parts()
        return {
            f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()
        }


def check(asked: Asked, stop_after: int) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        straight, first = Process(asked, Path(one)), Process(asked, Path(other))
        straight.run()
        with pytest.raises(Stopped):
            first.run(stop_after)
        torch.rand(3)  # by now the global generator is somewhere else
        second = Process(asked, Path(other))
        second.state.put_back(checkpoints.newest(Path(other), "one", STEPS, print))
        second.run()
        assert first.losses + second.losses == straight.losses
        mine, expected = second.everything(), straight.everything()
        assert mine.keys() == expected.keys()
        assert [name for name in mine if not torch.equal(mine[name], expected[name])] == []
        assert [
            name
            for name, value in second.state.trained.items()
            if not torch.equal(value, straight.state.trained[name])
        ] == []


PAIRS = [
    pytest.param(*pair, marks=needs_bitsandbytes if "8bit" in pair[1] else ())
    for pair in itertools.product(ADAPTERS, OPTIMIZERS)
    if Asked(*pair).sensible
]
# 8 bits are drawn with the others where the package is there
DRAWN = [kind for kind in OPTIMIZERS if "8bit" not in kind or find_spec("bitsandbytes")]


@pytest.mark.parametrize(("adapter", "optimizer"), PAIRS)
def test_each_adapter_resumes_exactly_with_each_optimizer(adapter: str, optimizer: str) -> None:
    check(Asked(adapter, optimizer), stop_after=2)


ASKED = st.builds(
    Asked, st.sampled_from([*ADAPTERS]), st.sampled_from(DRAWN), st.sampled_from(["none", *ROUNDINGS]), st.booleans(),
    st.booleans(), st.booleans(), st.integers(1, 3), st.booleans(),
).filter(lambda asked: asked.sensible)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ASKED, st.integers(1, STEPS - 1))
def test_any_training_resumes_exactly_from_any_step(asked: Asked, stop_after: int) -> None:
    check(asked, stop_after)


def test_what_is_compared_moves() -> None:
    with TemporaryDirectory() as folder:
        trained, fresh = Process(Asked(), Path(folder)), Process(Asked(), Path(folder))
        trained.run()
        assert all(
            not torch.equal(value, fresh.state.trained[name]) for name, value in trained.state.trained.items()
        )
        assert len(set(trained.losses)) == STEPS
