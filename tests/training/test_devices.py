"""Two processes that train together do what one does, and do it at the same step."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.distributed import fsdp
from training import on_devices
from training import sharded as sharded_ones

from engine.training import devices
from engine.training.devices import Devices, TorchIsOlder, joined, one

HERE = Path(__file__).parent
Seen = list[dict[str, Any]]


def together(script: Path, folder: Path, options: Sequence[str] = ()) -> Seen:
    """Run a script once for each process, as people do; returns what each wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script), str(folder), *options],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return together(HERE / "on_devices.py", tmp_path_factory.mktemp("together"))


TRAININGS = {"even": (4, 2), "uneven": (5, 2), "fewer samples than devices": (1, 2)}
trainings = pytest.mark.parametrize("name", TRAININGS)


@trainings
def test_two_devices_split_the_positions_of_every_step(seen: Seen, name: str) -> None:
    size = TRAININGS[name][0]
    mine, others = (set(device[name]["positions"]) for device in seen)
    assert sum(len(device[name]["positions"]) for device in seen) == 12 * size, "none twice"
    for step in range(12):
        of_step = set(range(step * size, (step + 1) * size))
        assert of_step <= mine | others
        assert abs(len(of_step & mine) - len(of_step & others)) <= 1


@trainings
def test_the_loss_of_two_devices_is_that_of_one_that_gathers_twice_as_much(seen: Seen, name: str) -> None:
    alone = on_devices.train(one(), *TRAININGS[name])
    for mine in seen:
        assert mine[name]["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        assert mine[name]["norms"] == pytest.approx(alone["norms"], rel=1e-4)
        assert [part["flow"] for part in mine[name]["parts"]] == mine[name]["losses"]
        torch.testing.assert_close(
            torch.tensor(mine[name]["values"]), torch.tensor(alone["values"]), rtol=1e-4, atol=1e-5
        )
    assert alone["losses"][-1] != pytest.approx(alone["losses"][0], rel=1e-2), "something was learnt"


@trainings
def test_all_devices_end_with_the_same_bits(seen: Seen, name: str) -> None:
    assert seen[0][name]["weights"] == seen[1][name]["weights"]
    assert seen[0][name]["losses"] == seen[1][name]["losses"]


def test_who_is_asked_alone_to_stop_stops_all_at_the_same_step(seen: Seen) -> None:
    assert [(mine["stop"]["done"], mine["stop"]["saved"]) for mine in seen] == [(3, [3])] * 2
    assert seen[0]["stop"]["weights"] == seen[1]["stop"]["weights"]


@pytest.mark.parametrize("scene", ["gradients", "gradients in small buckets"])
def test_gradients_are_summed_also_where_one_device_has_none(seen: Seen, scene: str) -> None:
    for mine in seen:
        assert mine[scene] == {
            "mine": ["torch.float32", [1.5, 2.0]],
            "others": ["torch.float32", [1.5, 2.0]],
            "both": ["torch.float32", [3.0, 3.0]],
            "nobodys": None,
            "half": ["torch.bfloat16", [[1.0, 1.0], [1.0, 1.0]]],
        }


def test_gradients_are_summed_a_bucket_at_a_time_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (3, 4, 1, 40, 2, 2, 2)
    given = [torch.arange(size, dtype=torch.float32) + 100 * at for at, size in enumerate(sizes)]
    parameters = [nn.Parameter(torch.zeros(size)) for size in sizes]
    for parameter, gradient in zip(parameters, given, strict=True):
        parameter.grad = gradient.clone()
    gone: list[torch.Tensor] = []

    def with_an_equal(tensor: torch.Tensor) -> None:
        gone.append(tensor.clone())
        tensor.mul_(2)

    monkeypatch.setattr(devices, "BUCKET", 8 * 4)
    monkeypatch.setattr(distributed, "all_reduce", with_an_equal)
    Devices(0, 2).sum_gradients(parameters)
    flags, *buckets = gone
    assert flags.tolist() == [1] * 7
    assert [bucket.numel() for bucket in buckets] == [8, 40, 6], "eight numbers at most, or one tensor"
    assert torch.equal(torch.cat(buckets), torch.cat(given))
    assert all(torch.equal(one.grad, 2 * gradient) for one, gradient in zip(parameters, given, strict=True))


def test_what_the_first_does_is_known_to_all(seen: Seen) -> None:
    assert [mine["first"]["well"] for mine in seen] == [{"step": 40}, {"step": 40}]


def test_what_fails_on_the_first_fails_on_all_and_nobody_waits(seen: Seen) -> None:
    assert [mine["first"]["caught"] for mine in seen] == [
        "OSError: [Errno 28] No space left on device",
        "FirstFailed: OSError: [Errno 28] No space left on device",
    ]
    assert [mine["first"]["after"] for mine in seen] == [0, 0]


def test_devices_that_differ_are_told_what_each_has(seen: Seen) -> None:
    for mine in seen:
        assert (
            mine["agree"]["said"]
            == "the devices differ in their step (0: 0, 1: 1); end all of them and run again"
        )


def test_numbers_are_summed_by_name(seen: Seen) -> None:
    for mine in seen:
        assert mine["agree"]["sums"] == {"loss": pytest.approx(1.2, rel=1e-12), "crepa": 2.0}


def test_one_of_them_is_the_first(seen: Seen) -> None:
    assert [mine["agree"]["first"] for mine in seen] == [True, False]


def test_one_device_asks_nobody_and_copies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = gradient = torch.ones(3)
    with joined() as alone:
        assert not distributed.is_initialized()
        alone.sum_gradients([parameter, nn.Parameter(torch.zeros(1))])
        assert (alone.rank, alone.count, alone.first) == (0, 1, True)
        assert alone.by_first(lambda: 3) == 3
        assert alone.sum_of({"loss": 0.1}) == {"loss": 0.1}
        assert (alone.any_of(True), alone.any_of(False)) == (True, False)
        alone.same_everywhere("step", "1")
    assert parameter.grad is gradient
    assert gradient.tolist() == [1, 1, 1]


def test_a_failure_of_one_device_alone_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with joined() as alone, pytest.raises(ZeroDivisionError):
        alone.by_first(lambda: 1 // 0)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return together(HERE / "sharded.py", tmp_path_factory.mktemp("sharded"))


@pytest.mark.parametrize("name", sharded_ones.TRAININGS)
def test_blocks_that_lie_on_two_devices_learn_what_whole_ones_do(sharded: Seen, name: str) -> None:
    for mine in sharded:
        learns_as_whole_blocks_do(mine[name])


def learns_as_whole_blocks_do(mine: dict[str, Any]) -> None:
    assert len(mine["losses"]) == sharded_ones.STEPS * (sharded_ones.PARTS + 1)
    assert mine["losses"] == pytest.approx(mine["expected"], rel=1e-5)
    assert mine["names"], "what is trained is called as ever"
    assert mine["apart"] < 1e-5
    assert mine["learnt"] > 1e-3, "every tensor of the adapter was moved"


def test_a_device_holds_its_half_of_the_frozen_blocks_when_none_runs(sharded: Seen) -> None:
    rooms = [mine["room"] for mine in sharded]
    for mine in rooms:
        assert mine["here"] == pytest.approx(mine["frozen"] / 2, rel=0.05)
        assert mine["less"] == pytest.approx(mine["frozen"] / 2, rel=0.05), (
            "the other half is gone, whoever had it"
        )
    assert sum(mine["here"] for mine in rooms) == rooms[0]["frozen"]


def test_one_device_shards_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fsdp, "fully_shard")
    block = nn.Linear(2, 2)
    one().shard([block], torch.device("cpu"))
    assert type(block.weight) is nn.Parameter


def test_a_torch_that_cannot_shard_is_told_which_one_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fsdp, "share_comm_ctx")
    with pytest.raises(
        TorchIsOlder, match=rf"this is torch {re.escape(torch.__version__)}, .* 2\.10 or newer"
    ):
        Devices(0, 2).shard([nn.Linear(2, 2)], torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(
    torch.cuda.device_count() < 2, reason="needs two CUDA devices: NCCL does not let two processes share one"
)
def test_gradients_on_two_gpus_are_summed(tmp_path: Path) -> None:
    for mine in together(HERE / "on_devices.py", tmp_path, options=("cuda",)):
        assert mine["gradients"]["both"] == ["torch.float32", [3.0, 3.0]]
        assert mine["gradients"]["others"] == ["torch.float32", [1.5, 2.0]]
        assert mine["gradients"]["nobodys"] is None


@pytest.mark.gpu
@pytest.mark.skipif(
    torch.cuda.device_count() < 2, reason="needs two CUDA devices: NCCL does not let two processes share one"
)
def test_blocks_that_lie_on_two_gpus_learn_what_whole_ones_do(tmp_path: Path) -> None:
    for mine in together(HERE / "sharded.py", tmp_path, options=("cuda",)):
        for name in sharded_ones.TRAININGS:
            assert mine[name]["losses"] == pytest.approx(mine[name]["expected"], rel=1e-3)
            assert mine[name]["names"]
        assert mine["room"]["here"] == pytest.approx(mine["room"]["frozen"] / 2, rel=0.05)
