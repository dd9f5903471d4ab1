"""Weights that wait elsewhere: the same numbers, and no more than two blocks at once."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from attends import DETOUR, EVERY_MODE, Attends, blocks_of, tokens
from optimum.quanto import QLinear, WeightQBytesTensor
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from engine.training import offload
from engine.training.adapters import Lora, adapter_state, attach, trained
from engine.training.offload import offloaded, settle, sweep
from engine.training.quantise import quantise
from engine.training.walk import Checkpointing, Course

CPU = torch.device("cpu")
AGAIN = [mode for mode in EVERY_MODE if mode.kind != "none" and mode.every == 1]
PLACES = ["memory", "disk"]


def adapted(count: int = 6, quantised: str = "", dropout: float = 0.3) -> nn.ModuleList:
    """Frozen blocks with an adapter that does something."""
    model = nn.ModuleList(blocks_of(count))
    if quantised:
        quantise(model, quantised, model, CPU)
    attach(model, Lora(rank=2, alpha=2, dropout=dropout, targets=[r"\d+\.(mix|narrow)"]), 0)
    for number, weight in enumerate(trained(model).values()):
        weight.data.normal_(std=0.3, generator=torch.Generator().manual_seed(number))
    return model


@contextmanager
def moved(model: nn.ModuleList, where: str, folder: Path, device: torch.device = CPU) -> Iterator[None]:
    with offloaded(model, device, folder if where == "disk" else None) if where else nullcontext():
        yield


def learnt(model: nn.ModuleList, course: Course, device: torch.device = CPU) -> list[Tensor]:
    """Result and gradients of two steps."""
    shown = []
    for step in range(2):
        torch.manual_seed(step)
        out = course(list(model), tokens().to(device))
        model.zero_grad()
        out.square().mean().backward()
        shown += [out.detach(), *(w.grad.clone() for w in trained(model).values() if w.grad is not None)]
    assert len(shown) == 2 * (1 + 4 * len(model))
    return shown


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("detours", [(), (DETOUR,)], ids=["straight", "around"])
@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_offload_changes_no_bit(mode: Checkpointing, detours: tuple, where: str, tmp_path: Path) -> None:
    course, model = Course(mode, detours), adapted()
    with moved(model, where, tmp_path):
        away = learnt(model, course)
    for one, other in zip(learnt(adapted(), course), away, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("mode", AGAIN, ids=str)
@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_weights_in_8_bits_travel_as_they_are(
    kind: str, mode: Checkpointing, where: str, tmp_path: Path
) -> None:
    model = adapted(quantised=kind)
    with moved(model, where, tmp_path):
        assert isinstance(model[0].out, QLinear)
        away = learnt(model, Course(mode))
    for one, other in zip(learnt(adapted(quantised=kind), Course(mode)), away, strict=True):
        assert torch.equal(one, other)
    assert isinstance(model[0].out.weight, WeightQBytesTensor)


def frozen_bytes(block: nn.Module) -> int:
    return sum(w.nbytes for w in block.parameters() if not w.requires_grad)


class Watched:
    """The weights that were brought to the device, and the most that were there at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.brought: list[tuple[StorageWeakRef, int]] = []
        self.most = 0
        make_room = offload._Parked.room

        def room(parked: offload._Parked, device: torch.device | None = None) -> list[nn.Parameter]:
            weights = make_room(parked, device)
            if device is None:  # in the end, where they came from
                return weights
            storages = [part.untyped_storage() for weight in weights for part in offload._parts(weight)]
            self.brought += [(StorageWeakRef(storage), storage.nbytes()) for storage in storages]
            self.most = max(self.most, self.now())
            return weights

        monkeypatch.setattr(offload._Parked, "room", room)

    def now(self) -> int:
        self.brought = [one for one in self.brought if not one[0].expired()]
        return sum(size for _, size in self.brought)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("detours", [(), (DETOUR,)], ids=["straight", "around"])
@pytest.mark.parametrize("mode", AGAIN, ids=str)
def test_the_device_holds_two_blocks_and_no_more(
    mode: Checkpointing, detours: tuple, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adapted()
    each, watched = frozen_bytes(model[0]), Watched(monkeypatch)
    with moved(model, where, tmp_path):
        learnt(model, Course(mode, detours))
        assert watched.now() <= each  # the one that is likely to be next
    assert watched.most == 2 * each


def test_blocks_that_are_not_computed_again_gather_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted()
    each, watched = frozen_bytes(model[0]), Watched(monkeypatch)
    with offloaded(model, CPU):
        learnt(model, Course())
    assert watched.most > 5 * each  # which is why a rule refuses it


def test_without_gradients_blocks_go_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted()
    each, watched = frozen_bytes(model[0]), Watched(monkeypatch)
    with offloaded(model, CPU), torch.no_grad():
        for _ in range(3):
            Course()(list(model), tokens())
    assert watched.most == 2 * each


def alive(sizes: set[int]) -> int:
    """Bytes of the float32 tensors of these sizes that Python knows."""
    gc.collect()
    found = [one for one in gc.get_objects() if issubclass(type(one), Tensor) and one.device.type == "cpu"]
    storages = {one.data_ptr(): one.nbytes for one in found if one.numel() in sizes}
    return sum(storages.values())


def test_weights_on_disk_are_gone_from_memory(tmp_path: Path) -> None:
    model = adapted(dropout=0)
    sizes = {8 * 64, 24 * 8}  # of the large matrices
    before = alive(sizes)
    with offloaded(model, CPU, tmp_path):
        assert {w.device.type for block in model for w in block.parameters() if not w.requires_grad} == {
            "meta"
        }
        assert before - alive(sizes) == 6 * 4 * (2 * 8 * 64 + 24 * 8)
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) > 6 * 4 * 2 * 8 * 64


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("where", PLACES)
def test_the_model_is_whole_again_even_after_an_error(where: str, tmp_path: Path) -> None:
    model = adapted()
    before, trained_before = state(model), {name: id(w) for name, w in trained(model).items()}

    def breaks_off() -> None:
        with moved(model, where, tmp_path):
            learnt(model, Course(Checkpointing("blocks")))
            raise FloatingPointError

    with pytest.raises(FloatingPointError):
        breaks_off()
    assert list(tmp_path.iterdir()) == []
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert {name: id(w) for name, w in trained(model).items()} == trained_before
    learnt(model, Course())


def test_what_a_killed_process_left_of_its_blocks_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "step-00000001").mkdir()
    (tmp_path / "steps.jsonl").touch()
    child = os.fork()
    if child == 0:
        with offloaded(adapted(2), CPU, tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert len([*tmp_path.glob("*/*.safetensors")]) == 2, "a block each"
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"step-00000001", "steps.jsonl"}
    sweep(tmp_path)  # with nothing to do


def test_a_block_that_fails_leaves_its_weights_where_they_waited(tmp_path: Path) -> None:
    model = adapted()
    with offloaded(model, CPU, tmp_path):
        with pytest.raises(RuntimeError):
            model[2](torch.zeros(1, 2, 3), None)  # a wrong width
        assert {w.device.type for w in model[2].parameters() if not w.requires_grad} == {"meta"}
        learnt(model, Course(Checkpointing("blocks")))


def test_names_and_the_adapter_are_as_ever_while_blocks_are_away(tmp_path: Path) -> None:
    model = adapted()
    names, adapter = list(model.state_dict()), adapter_state(model)
    with offloaded(model, CPU, tmp_path):
        assert list(model.state_dict()) == names
        for name, value in adapter_state(model).items():
            assert torch.equal(value, adapter[name])


def test_files_that_cannot_be_written_leave_the_blocks_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, written = adapted(), []
    before = state(model)

    def full(tensors: dict[str, Tensor], file: Path) -> None:
        written.append(file)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        save(tensors, file)

    save = offload.save_file
    monkeypatch.setattr(offload, "save_file", full)
    with pytest.raises(OSError, match="No space"), offloaded(model, CPU, tmp_path):
        pytest.fail("nothing is to be done with half of the blocks away")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(tmp_path.iterdir()) == []


def test_the_next_block_is_fetched_ahead_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    model, fetched = adapted(), []
    fill = offload._Carrier._fill
    monkeypatch.setattr(
        offload._Carrier,
        "_fill",
        lambda self, number, room: (fetched.append(number), fill(self, number, room)),
    )
    with offloaded(model, CPU):
        learnt(model, Course(Checkpointing("blocks")))
    # of two steps the first waits for its first block; the last is still there for the way back, and the first for the next step
    there, back = [1, 2, 3, 4, 5], [4, 3, 2, 1, 0]
    assert fetched == [0, *there, *back, *there, *back]


def test_all_but_the_frozen_weights_of_blocks_settles_on_the_device() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.blocks = nn.Linear(8, 8), adapted(2)
            self.register_buffer("table", torch.zeros(3))

    model = Model()
    told = {name: id(parameter) for name, parameter in model.named_parameters()}
    model.first.requires_grad_(False)
    settle(model, model.blocks, torch.device("cpu"))
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == told


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("mode", EVERY_MODE, ids=str)
def test_on_a_gpu_blocks_that_wait_elsewhere_answer_and_learn_the_same(
    mode: Checkpointing, where: str, tmp_path: Path
) -> None:
    device = torch.device("cuda")
    held = learnt(adapted(dropout=0).to(device), Course(mode), device)
    model = adapted(dropout=0)
    settle(model, model, device)
    with moved(model, where, tmp_path, device):
        assert {w.device.type for w in model.parameters() if w.requires_grad} == {"cuda"}
        assert not any(w.is_cuda for w in model.parameters() if not w.requires_grad)
        away = learnt(model, Course(mode), device)
    for one, other in zip(held, away, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)  # its kernels may add in any order


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_two_blocks_are_the_most_that_is_held() -> None:
    device, model = torch.device("cuda"), nn.ModuleList(Wide() for _ in range(12))
    attach(model, Lora(rank=2, alpha=2, dropout=0, targets=[r"\d+\.mix"]), 0)
    settle(model, model, device)
    hidden = torch.zeros(1, 1, 8, device=device)
    with offloaded(model, device):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        Course(Checkpointing("blocks"))(list(model), hidden).sum().backward()
        torch.cuda.synchronize()
        assert torch.cuda.max_memory_allocated() - before < 2.5 * frozen_bytes(Wide())


class Wide(Attends):
    """A block of 16 MiB."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(8, 2**18), nn.Linear(2**18, 8)
        for weight in (*self.wide.parameters(), *self.narrow.parameters()):
            weight.requires_grad_(False)
