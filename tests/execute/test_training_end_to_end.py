"""Everything that training can do, through the whole pipeline: from drawn clips to what other programs load."""

import json
from pathlib import Path

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
    "train.crepa={kind: dinov2, encoder: {kind: built, seed: 0}, image_size: 28, block: 1, weight: 0.5, falls: linear, distance: 1, neighbours: nearest, decay: 1}",
    "train.rollout={kind: euler, probability: 0.5, start_probability: 0, ramp_steps: 4, reach: 0.2, strategy: near, steps: 2, target: corrected}",
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
    assert all(step["parts"].keys() >= {"flow", "crepa"} for step in whole.steps)
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
    files = files_of(room.run(*said))
    exported = WanTransformer3DModel.from_pretrained(files["config.json"].parent).state_dict()
    base = WanTransformer3DModel.from_pretrained(room.made("fetch_model") / "transformer").state_dict()
    own = room.trained(*said).tensors
    assert all(exported[name].equal(tensor) for name, tensor in own.items())
    assert not any(exported[name].equal(base[name]) for name in base)
    assert "cat-after.mp4" in files


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


# one clip, one noise level, and a strength that is not 1, so that a person can compute what comes out
ALONE = (
    "data.source.clips=1", "data.more.base.role=evaluate", "train.batch_size=1", "train.caption_dropout=0",
    "train.noise={levels: {kind: fixed, values: [0.5]}, shift: {kind: fixed, factor: 1}}",
    r"train.adapter={kind: lora, rank: 4, alpha: 2, dropout: 0, targets: ['blocks\.\d+\.attn1\.to_(q|v)']}",
)  # fmt: skip


def loss_by_hand(room: Room, exported: Path) -> float:
    """The loss of the first step: half clip, half noise, through the stock model with W + 2/4·BA."""
    samples = json.loads((room.made("survey", *ALONE) / "samples/samples.json").read_text())
    (sample,) = (sample for sample in samples if sample["role"] == "train")
    latents = json.loads((room.made("encode_video", *ALONE) / "latents/latents.json").read_text())
    texts = json.loads((room.made("encode_text", *ALONE) / "captions/captions.json").read_text())
    latent_CFHW = load_tensors(room.item("encode_video", latents[sample["clip"]]["item"]), "latent")[
        "latent_CFHW"
    ]
    text_LD = load_tensors(room.item("encode_text", texts[sample["captions"][0]]), "text")["text_LD"].float()
    text_BLD = torch.zeros(1, 128, text_LD.shape[1])
    text_BLD[0, : len(text_LD)] = text_LD
    model = WanTransformer3DModel.from_pretrained(room.made("fetch_model", *ALONE) / "transformer")
    factors = load_file(exported)
    for name in factors:
        layer, _, factor = name.removeprefix("transformer.").partition(".lora_")
        if factor == "A.weight":
            change = factors[name.replace("lora_A", "lora_B")] @ factors[name]
            model.get_submodule(layer).weight.data += 2 / 4 * change
    rng = generator(42, "noise", 0)
    draw_sigma(Fixed((0.5,)), 1.0, rng)  # noise comes after the level
    noise_CFHW = torch.randn(latent_CFHW.shape, generator=rng)
    with torch.no_grad():
        (said_BCFHW,) = model(
            (0.5 * latent_CFHW + 0.5 * noise_CFHW)[None], torch.tensor([500.0]), text_BLD, return_dict=False
        )
    return float((said_BCFHW[0] - (noise_CFHW - latent_CFHW)).square().mean())


def test_a_training_starts_from_what_an_earlier_one_exported(room: Room) -> None:
    exported = files_of(room.run(*ALONE, EVALUATED))["pytorch_lora_weights.safetensors"]
    earlier, start = room.trained(*ALONE, EVALUATED), f"train.start={{kind: file, path: {exported}}}"
    later = room.train(*ALONE, EVALUATED, start)
    assert later.losses[0] == pytest.approx(loss_by_hand(room, exported), rel=1e-5)
    assert (
        abs(later.losses[0] / earlier.losses[0] - 1) > 1e-3
    )  # the same clip and noise, without what was learnt
    assert later.evaluations[0]["losses"] == earlier.evaluations[4]["losses"]


def test_the_best_weights_are_those_of_the_lowest_evaluation_loss(room: Room) -> None:
    wild = (EVALUATED, "train.learning_rate=0.05", "train.checkpoints.keep=1")
    long = room.train(*wild, "train.steps=6", "train.result=best")
    best = min((line["loss"], step) for step, line in long.evaluations.items() if step)[1]
    assert best < 6  # or it would be the last anyway
    short = room.train(*wild, f"train.steps={best}")
    assert long.file.read_bytes() == short.file.read_bytes()
    assert long.losses[:best] == short.losses


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(EVALUATED, id="evaluation"),
        pytest.param(
            "train.rollout={kind: euler, probability: 0, start_probability: 0, ramp_steps: 4, reach: 0.2,"
            " strategy: near, steps: 2, target: corrected}", id="rollouts of no sample",
        ),
        pytest.param("train.ema={kind: decay, decay: 0.9, every: 1, warmup: true}", id="an average that is not taken"),
    ],
)  # fmt: skip
def test_what_only_watches_leaves_the_adapter_as_it_is_to_the_last_bit(
    room: Room, plain: Trained, said: str
) -> None:
    watched = room.train(said)
    assert watched.folder != plain.folder
    assert watched.losses == plain.losses
    assert watched.file.read_bytes() == plain.file.read_bytes()


@pytest.mark.usefixtures("plain")
def test_to_say_that_something_is_off_is_to_say_nothing(room: Room) -> None:
    off = ("tread", "crepa", "rollout", "evaluation", "ema", "offload")
    assert room.run(*(f"train.{word}={{kind: none}}" for word in off), until="train").ran == ()


def test_a_longer_run_goes_on_and_ends_as_if_it_had_been_asked_for_at_once(
    room: Room, tmp_path: Path
) -> None:
    said = (*(text for text in ALL if "ema" in text or "tread" in text or "rollout" in text),
            "train.evaluation={kind: held_out, every: 2, samples: 2, levels: 4}")  # fmt: skip
    other = room.copy(tmp_path / "other")
    assert list(room.train(*said, "train.steps=3").evaluations) == [0, 2, 3]
    longer = room.train(*said, "train.steps=6")
    assert "going on from step 3" in room.said
    at_once = other.train(*said, "train.steps=6")
    assert longer.file.read_bytes() == at_once.file.read_bytes()
    assert longer.losses == at_once.losses
    # what was evaluated because it was the end then is no longer
    assert longer.evaluations == at_once.evaluations
    assert list(longer.evaluations) == [0, 2, 4, 6]


def test_the_end_of_a_shorter_run_is_no_candidate_for_the_best_of_a_longer_one(
    room: Room, tmp_path: Path
) -> None:
    said = (
        "train.evaluation={kind: held_out, every: 3, samples: 2, levels: 4}",
        "train.learning_rate=0.05",
        "train.result=best",
    )
    other = room.copy(tmp_path / "other")
    short = room.train(*said, "train.steps=4").evaluations
    longer, at_once = (place.train(*said, "train.steps=6") for place in (room, other))
    # out of turn, and better than all that comes in turn: it would be taken if it counted
    assert short[4]["loss"] < min(line["loss"] for line in at_once.evaluations.values())
    assert longer.file.read_bytes() == at_once.file.read_bytes()
    assert longer.evaluations == at_once.evaluations


def test_the_end_of_a_run_can_be_its_best_out_of_turn(room: Room) -> None:
    said = (
        "train.evaluation={kind: held_out, every: 3, samples: 2, levels: 4}",
        "train.learning_rate=0.05",
        "train.steps=4",
    )
    best, last = (room.train(*said, f"train.result={result}") for result in ("best", "last"))
    assert "going on from step 4" in room.said, "another result is no other training"
    assert best.evaluations[4]["loss"] < best.evaluations[3]["loss"]
    assert best.file.read_bytes() == last.file.read_bytes()


def test_a_loss_that_is_no_number_names_the_step_and_the_clips_and_what_is_left(room: Room) -> None:
    with pytest.raises(StageError) as caught:
        room.train("train.learning_rate=1e30", "train.clip={kind: none}")
    assert "not finite at step 2" in str(caught.value)
    assert "the last good checkpoint is of step 1" in str(caught.value)
    assert str(caught.value).count(".mp4") == 2  # a batch


def test_two_devices_see_the_same_samples_and_learn_the_same(room: Room, tmp_path: Path) -> None:
    """Each is a process of its own, as the program starts them."""
    said = (
        EVALUATED, "train.adapter.dropout=0", "train.batch_size=3",
        *(text for text in ALL if "ema=" in text or "tread" in text or "rollout" in text or "crepa" in text),
    )  # fmt: skip
    one = room.copy(tmp_path / "one").train(*said)
    with InItsOwnProcess() as processes:
        assert "train" in room.run(*said, "hardware.devices=2", until="train", runner=processes).ran
    two = room.trained(*said)
    assert two.losses == pytest.approx(one.losses, rel=1e-5)
    for step, line in one.evaluations.items():
        assert two.evaluations[step]["losses"] == pytest.approx(line["losses"], rel=1e-5)
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(two.tensors[name], tensor, rtol=1e-3, atol=1e-5)
