"""Weights and clips of the Hub come in by commit, out of the Hub's own cache, and are checked.

The network is not needed: a folder in the layout of the Hub's cache stands in for a finished download.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from huggingface_hub.utils import tqdm

from engine.endings import Interrupted, StageError
from engine.execute.runner import _StageItems
from engine.hub import link_commit
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.seam import Work
from engine.stages.fetch_data.cartoon import draw_cartoons
from engine.stages.fetch_data.run import fetch_data
from engine.stages.fetch_data.spec import FetchDataRuntime, FetchDataSpec, Place, folder_of
from engine.stages.fetch_model.run import fetch_model
from engine.stages.fetch_model.spec import FetchModelRuntime, FetchModelSpec
from engine.store import Store
from engine.words.model import BuiltModel

COMMIT = "0fad780a534b6463e45facd96134c9f345acfa5b"


def work(spec, runtime, output: Path) -> Work:
    output.mkdir()
    items = _StageItems(Store(output.parent / "store"), "fetch_data")
    return Work(
        spec, runtime, {}, {}, output, output, "", {}, output, items, lambda *_, **__: None, lambda: False
    )


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def downloaded(hub: Path, name: str, commit: str = COMMIT) -> Path:
    """A repository as the Hub's library leaves it: blobs, and a snapshot of links to them."""
    snapshot = hub / name / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (hub / name / "blobs").mkdir()
    return snapshot


def put(snapshot: Path, file: str, content: bytes) -> None:
    blob = snapshot.parent.parent / "blobs" / file.replace("/", "-")
    blob.write_bytes(content)
    (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
    (snapshot / file).symlink_to(blob)


REAL = resolve(ROOT / "recipes/examples/wan21-disney.yaml").recipe


def configs(**changes: object) -> dict[str, dict[str, object]]:
    """The configs that the real repository has, as published."""
    return {
        "transformer": {
            "num_layers": 30, "num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "in_channels": 16,
            "out_channels": 16, "text_dim": 4096, "freq_dim": 256, "rope_max_seq_len": 1024, "patch_size": [1, 2, 2],
            "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads", **changes,
        },
        "vae": {"base_dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2,
                "temperal_downsample": [False, True, True]},
        "text_encoder": {"d_model": 4096, "num_layers": 24, "num_heads": 64, "d_kv": 64, "d_ff": 10240},
    }  # fmt: skip


def real_model(hub: Path, **changes: object) -> Path:
    snapshot = downloaded(hub, "models--Wan-AI--Wan2.1-T2V-1.3B-Diffusers")
    put(snapshot, "model_index.json", b"{}")
    for part, config in configs(**changes).items():
        put(snapshot, f"{part}/config.json", json.dumps(config).encode())
    put(snapshot, "transformer/diffusion_pytorch_model.safetensors", b"weights")
    return snapshot


def test_a_commit_of_the_hub_is_linked_not_copied(hub: Path, tmp_path: Path) -> None:
    real_model(hub)
    order = work(
        project(FetchModelSpec, REAL), FetchModelRuntime(device="cpu", devices=1, threads=1), tmp_path / "out"
    )
    fetch_model(order)
    weights = order.output / "transformer/diffusion_pytorch_model.safetensors"
    assert weights.is_symlink()
    assert weights.read_bytes() == b"weights"


def test_weights_of_another_architecture_are_refused_with_the_numbers(hub: Path, tmp_path: Path) -> None:
    real_model(hub, num_layers=40, ffn_dim=13824)
    with pytest.raises(StageError) as caught:
        fetch_model(
            work(
                project(FetchModelSpec, REAL),
                FetchModelRuntime(device="cpu", devices=1, threads=1),
                tmp_path / "out",
            )
        )
    assert "transformer.num_layers is 40, the recipe says 30" in str(caught.value)
    assert "transformer.ffn_dim is 13824, the recipe says 8960" in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"cannot fetch the model .* at 0fad780"):
        fetch_model(
            work(
                project(FetchModelSpec, REAL),
                FetchModelRuntime(device="cpu", devices=1, threads=1),
                tmp_path / "out",
            )
        )


def test_a_dataset_of_the_hub_brings_clips_and_captions_and_nothing_else(hub: Path, tmp_path: Path) -> None:
    snapshot = downloaded(hub, "datasets--sayakpaul--video-dataset-disney-organized")
    for file in ("videos/a.mp4", "videos/B.MP4", "videos/a.txt", "README.md", "script.py"):
        put(snapshot, file, file.encode())
    source = REAL.data.source.model_copy(update={"revision": COMMIT})
    spec = FetchDataSpec(main=Place(source=source, repeats=1), more={})
    order = work(spec, FetchDataRuntime(), tmp_path / "out")
    fetch_data(order)
    found = sorted(
        path.relative_to(order.output).as_posix() for path in order.output.rglob("*") if path.is_file()
    )
    wanted = [f"clips/{folder_of(source)}/videos/{name}" for name in ("B.MP4", "a.mp4", "a.txt")]
    assert found == [*wanted, "source.json"]
    assert json.loads((order.output / "source.json").read_text())[0]["commit"] == COMMIT


def test_a_built_model_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    micro = project(FetchModelSpec, resolve(ROOT / "recipes/examples/micro-cartoon.yaml").recipe)

    def bytes_of(seed: int, name: str) -> dict[str, bytes]:
        spec = micro.model_copy(update={"source": BuiltModel(kind="built", seed=seed)})
        order = work(spec, FetchModelRuntime(device="cpu", devices=1, threads=1), tmp_path / name)
        fetch_model(order)
        return {path.relative_to(order.output).as_posix(): path.read_bytes()
                for path in order.output.rglob("*") if path.is_file()}  # fmt: skip

    assert bytes_of(1, "one") == bytes_of(1, "again")
    assert bytes_of(1, "other") != bytes_of(2, "two")


def test_a_device_that_is_not_there_is_said_before_the_download(tmp_path: Path) -> None:
    runtime = FetchModelRuntime(device="mps", devices=1, threads=1)
    with pytest.raises(StageError, match=r"no mps device .* set `hardware.device: auto`"):
        fetch_model(work(project(FetchModelSpec, REAL), runtime, tmp_path / "out"))


def test_who_is_asked_to_stop_while_files_come_stops_fetching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[int] = []

    def fetch(*_: object, tqdm_class: Callable[..., tqdm], **__: object) -> str:
        with tqdm_class(total=10, disable=True) as bar:  # what the library does with each piece
            for piece in range(10):
                came.append(piece)
                bar.update(1)
        return str(tmp_path)

    monkeypatch.setattr("engine.hub.snapshot_download", fetch)
    with pytest.raises(Interrupted):
        link_commit("model", "a/b", COMMIT, ["*"], tmp_path / "out", lambda: len(came) == 3)
    assert came == [0, 1, 2]


def test_who_is_asked_to_stop_while_clips_are_drawn_stops_drawing(tmp_path: Path) -> None:
    def drawn() -> int:
        return len(list(tmp_path.glob("*.mp4")))

    def go_on() -> None:
        if drawn() == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        draw_cartoons(tmp_path, 9, 1, go_on)
    assert drawn() == 2
