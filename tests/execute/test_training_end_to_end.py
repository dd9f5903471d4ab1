"""Everything that training can do, through the whole pipeline: from drawn clips to what other programs load."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from room import Here, Room, Trained, make_room
from safetensors.torch import load_file

from engine.endings import Interrupted, StageError
from engine.execute.runner import InItsOwnProcess
from engine.tensors import load_tensors
from engine.training.noise import Fixed, draw_sigma, generator

RECIPE = r"""
apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
title: Everything that training can do
model:
  transformer: {layers: 4, heads: 2, head_width: 12, feed_forward_width: 32}
  codec: {base_width: 4, width_factors: [1, 1, 1, 1]}
data:
  source: {kind: drawn, clips: 3, seed: 1}
  size: {kind: exact, width: 32, height: 32}
  frames: 5
  more:
    held: {source: {kind: drawn, clips: 2, seed: 2}, role: evaluate}
    base: {source: {kind: drawn, clips: 1, seed: 3}, role: regularise}
train:
  steps: 4
  batch_size: 2
  micro_batch: 1
  learning_rate: 5e-3
  adapter: {rank: 4, alpha: 4, dropout: 0.1}
  checkpoints: {every: 1, keep: 2}
sample: {prompts: {cat: a black cat}, steps: 2, width: 32, height: 32, frames: 5}
hardware: {threads: 1}
"""

# what a recipe can ask of training, all of it in one
ALL = (
    "train.steps=8",
    r"train.adapter={kind: dora, rank: 4, alpha: 4, dropout: 0.1, targets: ['blocks\.\d+\..*']}",
    "train.ema={kind: decay, decay: 0.9, every: 2, warmup: true}",
    "train.result=ema",
    "train.schedule={kind: cosine, warmup_steps: 2}",
    "train.gradient_checkpointing={kind: blocks, every: 1}",
    "train.offload={kind: disk}",
    "train.feed_forward_chunks=2",
    "train.tread={kind: routes, routes: [{first: 2, last: 2, drop: 0.5}]}",
    "train.crepa={kind: dinov2, encoder: {kind: built, seed: 0}, image_size: 28, block: 1, weight: 0.5, falls: linear,"
    " distance: 1, neighbours: nearest, decay: 1}",
    "train.rollout={kind: euler, probability: 0.5, start_probability: 0, ramp_steps: 4, reach: 0.2, strategy: near,"
    " steps: 2, target: corrected}",
    "train.evaluation={kind: held_out, every: 4, samples: 2, levels: 4}",
    "train.checkpoints={every: 1, unit: epochs, keep: 2}",
)  # fmt: skip
EVALUATED = "train.evaluation={kind: held_out, every: 1, samples: 2, levels: 4}"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """What all runs share is made: the model, clips, and what is encoded of them."""
    made = make_room(tmp_path_factory.mktemp("everything"), RECIPE)
    made.run(*ALL, until="encode_features")
    return made


@pytest.fixture(scope="module")
def plain(room: Room) -> Trained:
    """What the recipe trains as it stands."""
    return room.train()


def files_of(outcome: object) -> dict[str, Path]:
    return {path.name: path for path in outcome.files}


def test_everything_at_once_is_trained_and_exported_and_sampled_and_a_stop_leaves_no_trace(
    room: Room, tmp_path: Path
) -> None:
    undisturbed = room.copy(tmp_path / "undisturbed")
    files = files_of(undisturbed.run(*ALL))
    whole = undisturbed.trained(*ALL)
    assert {"pytorch_lora_weights.safetensors", "cat-before.mp4", "cat-after.mp4"} <= files.keys()
    assert [step["step"] for step in whole.steps] == list(range(1, 9))
    assert all(step["parts"].keys() == {"flow", "crepa"} for step in whole.steps)
    assert list(whole.evaluations) == [0, 4, 8]
    exported = load_file(files["pytorch_lora_weights.safetensors"])
    assert all(torch.equal(exported[f"transformer.{name}"], own) for name, own in whole.tensors.items())
    assert len(exported) == len(whole.tensors)
    # four samples make an epoch of two steps; the best is kept beside the newest two
    kept = {int(path.name.removeprefix("step-")) for path in whole.shared.glob("step-*")}
    best = min((line["loss"], step) for step, line in whole.evaluations.items() if step)[1]
    assert kept == {6, 8, best}

    with pytest.raises(Interrupted):
        room.run(*ALL, runner=Here(stops_at=5))
    stopped = room.train(*ALL)
    assert "going on from step 5" in room.said
    assert stopped.file.read_bytes() == whole.file.read_bytes()
    assert (stopped.losses, stopped.evaluations) == (whole.losses, whole.evaluations)


@pytest.mark.parametrize("kind", ["lokr", "loha"])
def test_products_of_matrices_are_trained_and_exported_and_sampled(room: Room, kind: str) -> None:
    factor = ", factor: 4" if kind == "lokr" else ""
    said = f"train.adapter={{kind: {kind}, rank: 2, alpha: 1{factor}, dropout: 0, targets: ['blocks\\.0\\.attn1\\.to_q']}}"
    files = files_of(room.run(said))
    own = room.trained(said).tensors
    exported = load_file(files["pytorch_lora_weights.safetensors"])
    prefix = "diffusion_model.blocks.0.self_attn.q."  # as ComfyUI calls it
    assert exported.pop(f"{prefix}alpha") == 1
    assert exported.keys() == {name.replace("blocks.0.attn1.to_q.", prefix) for name in own}
    assert all(exported[name.replace("blocks.0.attn1.to_q.", prefix)].equal(own[name]) for name in own)
    assert "cat-after.mp4" in files


def test_all_weights_are_trained_and_exported_and_sampled(room: Room) -> None:
    said = ("train.adapter={kind: full}", "train.learning_rate=1e-3", "data.more.base.role=train")
    files = room.run(*said).files
    folder = next(
        path for path in files if path.name == "config.json" and path.parent.name == "transformer"
    ).parent
    exported = WanTransformer3DModel.from_pretrained(folder).state_dict()
    base = WanTransformer3DModel.from_pretrained(room.model() / "transformer").state_dict()
    own = room.trained(*said).tensors
    assert all(exported[name].equal(tensor) for name, tensor in own.items())
    # at first AdamW moves each number that has a gradient by the learning rate, whatever the gradient
    assert {name for name in base if exported[name].equal(base[name])} == set()
    assert all((exported[name] - base[name]).abs().max() < 1.1e-3 * 4 for name in base)
    assert "cat-after.mp4" in files_of_paths(files)


def files_of_paths(paths: object) -> set[str]:
    return {path.name for path in paths}


def test_a_base_in_8_bits_is_nearly_the_base_and_its_adapter_is_for_the_whole_one(
    room: Room, plain: Trained
) -> None:
    files = files_of(room.run("train.quantize=int8"))
    rough = room.trained("train.quantize=int8")
    assert rough.losses[0] != plain.losses[0]
    assert rough.losses == pytest.approx(plain.losses, rel=0.02)
    assert "int8" in (rough.folder / "log/quantised.json").read_text()
    assert load_file(files["pytorch_lora_weights.safetensors"]).keys() == {
        f"transformer.{name}" for name in plain.tensors
    }
    assert "cat-after.mp4" in files
