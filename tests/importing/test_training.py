"""What other trainers say of training: each key, and the word that it becomes."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.importing.given import Dropped, Mapped, Unsupported
from engine.importing.recipe import Imported, from_ai_toolkit, from_musubi, from_simpletuner
from engine.language.nodes import Source, plain
from engine.language.overrides import Override
from engine.language.read import read_text
from engine.language.resolve import resolve

MODEL = {"pretrained_model_name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "model_type": "lora"}
ATTENTION, FEED_FORWARD = r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)", r"blocks\.\d+\.ffn\.net\.(0\.proj|2)"
ALL = r"blocks\.\d+\.(attn[12]\.to_(q|k|v|out\.0)|ffn\.net\.(0\.proj|2))"
PROMPT = "sample.prompts={cat: A black cat walks to the right past two houses under a crescent moon.}"


def said(made: Imported, path: str) -> Any:
    """The value of a word in the recipe's text; None where it says nothing."""
    node, findings = read_text(Source("x", made.text, Path()))
    assert findings == []
    found: Any = plain(node)
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def outcome(made: Imported, key: str) -> Any:
    return next(outcome for one, outcome in made.outcomes if one.key == key)


def simpletuner(folder: Path, config: dict, *entries: dict) -> Imported:
    (folder / "c.json").write_text(json.dumps(MODEL | {"max_train_steps": 900} | config))
    (folder / "d.json").write_text(json.dumps(entries))
    return from_simpletuner(folder / "c.json", folder / "d.json" if entries else None)


def musubi(folder: Path, options: str) -> Imported:
    toml = '[general]\nresolution = [832, 480]\ncaption_extension = ".txt"\n[[datasets]]\nvideo_directory = "clips"\n'
    (folder / "d.toml").write_text(toml)
    return from_musubi(folder / "d.toml", f"wan_train_network.py --task t2v-1.3B {options}")


def ai_toolkit(folder: Path, process: dict, dataset: dict | None = None) -> Imported:
    clips = {"folder_path": "clips"} | (dataset or {})
    whole = {"model": {"name_or_path": MODEL["pretrained_model_name_or_path"]} | process.pop("model", {})}
    (folder / "x.yaml").write_text(
        json.dumps({"config": {"process": [whole | process | {"datasets": [clips]}]}})
    )
    return from_ai_toolkit(folder / "x.yaml")


def resolved(made: Imported, folder: Path) -> Any:
    """The complete recipe; a word that the import forgot would be missing in it."""
    (folder / "made.yaml").write_text(made.text)
    overrides = [
        Override("--set", said) for said in (PROMPT, "train.steps=900", "data.source={kind: folder, path: a}")
    ]
    return resolve(folder / "made.yaml", overrides).recipe


CREPA = {
    "kind": "dinov2", "encoder": {"kind": "hub", "repository": "facebook/dinov2-giant", "revision": "main"}, "image_size": 518,
    "block": 8, "weight": 0.5, "falls": "constant", "distance": 1, "neighbours": "nearest", "decay": 1,
}  # fmt: skip
ROLLOUT = {
    "kind": "euler", "probability": 0.5, "start_probability": 0.5, "ramp_steps": 0, "reach": 0.01, "strategy": "uniform",
    "steps": 5, "target": "drawn",
}  # fmt: skip
ROUTE = {"selection_ratio": 0.1, "start_layer_idx": 2, "end_layer_idx": -2}
OFFSET = "scheduled_sampling_max_step_offset"
FLOW = "flow_use_beta_schedule"


@pytest.mark.parametrize(
    ("config", "word", "value"),
    [
        # the average
        ({"use_ema": True}, "train.ema", {"kind": "decay", "decay": 0.995, "every": 1, "warmup": True}),
        ({"use_ema": True, "ema_decay": 0.99, "ema_update_interval": 2}, "train.ema", {"kind": "decay", "decay": 0.99, "every": 2, "warmup": True}),
        ({"use_ema": True}, "train.result", "ema"),
        ({"use_ema": True, "ema_validation": "ema_only"}, "train.result", "ema"),
        ({"use_ema": True, "ema_validation": "none"}, "train.result", "last"),
        ({"use_ema": True}, "train.ema_on", "cpu"),
        ({"use_ema": True, "ema_device": "accelerator"}, "train.ema_on", "device"),
        ({"ema_decay": 0.9, "ema_validation": "ema_only", "ema_device": "accelerator"}, "train.ema", None),
        ({"ema_decay": 0.9, "ema_validation": "ema_only", "ema_device": "accelerator"}, "train.result", None),
        # the adapter and where it starts
        ({"use_dora": True}, "train.adapter", {"kind": "dora", "rank": 16, "alpha": 16, "dropout": 0.1, "targets": [ATTENTION]}),
        ({"use_dora": True, "lora_rank": 4}, "train.adapter.alpha", 4),
        ({"model_type": "full"}, "train.adapter", {"kind": "full"}),
        ({"model_type": "full", "lora_rank": 4}, "train.adapter", {"kind": "full"}),
        ({"model_type": "full"}, "train.weights", {"kind": "bf16", "rounding": "stochastic"}),
        ({"init_lora": "old.safetensors"}, "train.start", {"kind": "file", "path": "old.safetensors"}),
        ({"init_lora": "someone/lora"}, "train.start", None),
        ({"peft_lora_target_modules": '["to_q", "ffn.net.2"]'}, "train.adapter.targets", [r".*\.to_q", r".*\.ffn\.net\.2"]),
        # optimizers, and what they keep weights in
        ({"optimizer": "adamw_bf16"}, "train.weights", {"kind": "bf16", "rounding": "stochastic"}),
        ({"optimizer": "optimi-adamw"}, "train.weights", {"kind": "bf16", "rounding": "kahan"}),
        ({"optimizer": "optimi-lion", "mixed_precision": "no"}, "train.weights", None),
        ({"optimizer": "torch-adamw"}, "train.weights", None),
        ({"optimizer": "bnb-adamw8bit"}, "train.optimizer", {"kind": "adamw_8bit", "betas": [0.9, 0.999], "epsilon": 1e-6, "weight_decay": 0.01}),
        ({"optimizer": "bnb-lion8bit-paged"}, "train.optimizer", {"kind": "lion_8bit", "betas": [0.9, 0.99], "weight_decay": 0}),
        ({"optimizer": "torch-adafactor"}, "train.optimizer", {"kind": "adafactor", "weight_decay": 0}),
        ({"optimizer": "prodigy"}, "train.optimizer", {"kind": "prodigy", "betas": [0.9, 0.99], "epsilon": 1e-8, "weight_decay": 0}),
        ({"optimizer": "adamw_schedulefree"}, "train.optimizer", {"kind": "schedule_free", "betas": [0.9, 0.999], "epsilon": 1e-8, "weight_decay": 0.01}),
        ({"optimizer": "muon", "optimizer_config": "momentum=0.9"}, "train.optimizer", {"kind": "muon", "momentum": 0.9, "weight_decay": 0.1}),
        ({"optimizer": "soap"}, "train.optimizer", None),
        # schedules
        ({"lr_scheduler": "linear", "lr_warmup_steps": 90}, "train.schedule", {"kind": "linear", "warmup_steps": 90}),
        ({"lr_scheduler": "polynomial", "lr_warmup_steps": 90}, "train.schedule", {"kind": "polynomial", "warmup_steps": 90, "power": 0.8}),
        ({"lr_scheduler": "polynomial", "lr_power": 2}, "train.schedule", {"kind": "polynomial", "warmup_steps": 0, "power": 2}),
        ({"lr_scheduler": "cosine_with_restarts", "lr_warmup_steps": 300}, "train.schedule", {"kind": "cosine_restarts", "warmup_steps": 0, "cycles": 3}),
        ({"lr_scheduler": "cosine_with_restarts", "lr_warmup_steps": 400}, "train.schedule", None),  # two falls and a bit
        ({"optimizer": "adamw_schedulefree", "lr_scheduler": "cosine", "lr_warmup_steps": 90}, "train.schedule", {"kind": "constant", "warmup_steps": 90}),
        # memory
        ({"base_model_precision": "int8-quanto"}, "train.quantize", "int8"),
        ({"base_model_precision": "fp8-torchao"}, "train.quantize", "fp8"),
        ({"base_model_precision": "int8-quanto", "quantize_via": "cpu"}, "train.quantize_on", "cpu"),
        ({"base_model_precision": "int8-quanto", "quantize_via": "accelerator"}, "train.quantize_on", "device"),
        ({"quantize_via": "cpu"}, "train.quantize_on", None),
        ({"gradient_checkpointing_interval": 3}, "train.gradient_checkpointing", {"kind": "blocks", "every": 3}),
        ({"gradient_checkpointing": False, "gradient_checkpointing_interval": 3}, "train.gradient_checkpointing", {"kind": "none"}),
        ({"enable_group_offload": True, "group_offload_type": "leaf_level"}, "train.offload", {"kind": "memory"}),
        ({"enable_group_offload": True, "group_offload_to_disk_path": "/fast"}, "train.offload", {"kind": "disk"}),
        ({"group_offload_to_disk_path": "/fast"}, "train.offload", None),
        ({"musubi_blocks_to_swap": 20}, "train.offload", {"kind": "memory"}),
        ({"musubi_blocks_to_swap": 0}, "train.offload", None),
        ({"ramtorch": True}, "train.offload", {"kind": "memory"}),
        ({"num_processes": 4}, "hardware.devices", 4),
        ({"num_processes": 4, "train_batch_size": 2, "gradient_accumulation_steps": 3}, "train.batch_size", 24),
        ({"num_processes": 4, "train_batch_size": 2}, "train.micro_batch", 2),
        # noise and the loss
        ({FLOW: True}, "train.noise.levels", {"kind": "beta", "alpha": 2, "beta": 2}),
        ({FLOW: True, "flow_beta_schedule_alpha": 3, "flow_sigmoid_scale": 2}, "train.noise.levels", {"kind": "beta", "alpha": 3, "beta": 2}),
        ({"flow_beta_schedule_alpha": 3}, "train.noise.levels", None),
        ({"flow_custom_timesteps": "801, 500"}, "train.noise", {"levels": {"kind": "fixed", "values": [0.801, 0.5]}, "shift": {"kind": "fixed", "factor": 1}}),
        ({"flow_schedule_shift": 0, "flow_schedule_auto_shift": True}, "train.noise.shift", {"kind": "by_size"}),
        ({"flow_schedule_auto_shift": True}, "train.noise.shift", None),
        ({"loss_type": "huber"}, "train.loss", {"kind": "huber", "delta": 0.1}),
        ({"loss_type": "huber", "huber_c": 0.3, "huber_schedule": "constant"}, "train.loss", {"kind": "huber", "delta": 0.3}),
        ({"loss_type": "smooth_l1", "huber_c": 0.3}, "train.loss", None),
        # what is added
        ({"tread_config": {"routes": [ROUTE]}}, "train.tread", {"kind": "routes", "routes": [{"first": 2, "last": -2, "drop": 0.1}]}),
        ({"tread_config": {"routes": [ROUTE | {"selection_ratio": 0}]}}, "train.tread", None),
        ({"tread_config": {"routes": [{"selection_ratio": 0.1}]}}, "train.tread", None),
        ({"crepa_enabled": True}, "train.crepa", CREPA),
        ({"crepa_enabled": True, "crepa_lambda": 0.2, "crepa_cumulative_neighbors": True}, "train.crepa", CREPA | {"weight": 0.2, "neighbours": "all"}),
        ({"crepa_enabled": True, "crepa_scheduler": "polynomial"}, "train.crepa", None),
        ({"crepa_lambda": 0.2}, "train.crepa", None),
        ({OFFSET: 10, "scheduled_sampling_probability": 0.5}, "train.rollout", ROLLOUT),
        ({OFFSET: 10, "scheduled_sampling_ramp_steps": 100, "scheduled_sampling_strategy": "biased_early"}, "train.rollout",
         ROLLOUT | {"start_probability": 0, "ramp_steps": 100, "strategy": "near"}),
        ({OFFSET: 10, "scheduled_sampling_ramp_steps": 100, "scheduled_sampling_probability": 0.3}, "train.rollout.start_probability", 0.3),
        ({OFFSET: 10}, "train.rollout", None),  # a probability of 0
        ({"eval_steps_interval": 100}, "train.evaluation", None),  # and nothing to measure it on
        ({"checkpoint_epoch_interval": 2}, "train.checkpoints", {"every": 2, "unit": "epochs", "keep": 5}),
        ({"checkpoint_epoch_interval": 2, "checkpoint_step_interval": 100}, "train.checkpoints", {"every": 100, "keep": 5}),
    ],
)  # fmt: skip
def test_a_key_of_simpletuner_means_what_it_does_there(
    tmp_path: Path, config: dict, word: str, value: Any
) -> None:
    assert said(simpletuner(tmp_path, config), word) == value


LOKR = {"algo": "lokr", "multiplier": 1.0, "linear_dim": 8, "linear_alpha": 4, "factor": 16}


@pytest.mark.parametrize(
    ("settings", "adapter"),
    [
        (LOKR, {"kind": "lokr", "rank": 8, "alpha": 4, "dropout": 0, "factor": 16, "targets": [ATTENTION]}),
        (LOKR | {"linear_alpha": 0.5}, {"kind": "lokr", "rank": 8, "alpha": 8, "dropout": 0, "factor": 16, "targets": [ATTENTION]}),  # rounded to 0
        (LOKR | {"linear_dim": 10000, "linear_alpha": 1}, {"kind": "lokr", "rank": 10000, "alpha": 10000, "dropout": 0, "factor": 16, "targets": [ATTENTION]}),
        (LOKR | {"full_matrix": True}, {"kind": "lokr", "rank": 10000, "alpha": 10000, "dropout": 0, "factor": 16, "targets": [ATTENTION]}),
        (LOKR | {"apply_preset": {"target_module": ["Attention", "FeedForward"], "module_algo_map": {"Attention": {"factor": 4}, "FeedForward": {"factor": 4}}}},
         {"kind": "lokr", "rank": 8, "alpha": 4, "dropout": 0, "factor": 4, "targets": [ATTENTION, FEED_FORWARD]}),
        ({"algo": "loha", "linear_dim": 8, "linear_alpha": 4, "rank_dropout": 0.1}, {"kind": "loha", "rank": 8, "alpha": 4, "dropout": 0.1, "targets": [ATTENTION]}),
        ({"algo": "locon", "linear_dim": 8, "linear_alpha": 4, "dropout": 0.1}, {"kind": "lora", "rank": 8, "alpha": 4, "dropout": 0.1, "targets": [ATTENTION]}),
        (LOKR | {"multiplier": 0.5}, None),  # SimpleTuner makes 0 of it
        (LOKR | {"dropout": 0.1}, None),
        (LOKR | {"algo": "glora"}, None),
        (LOKR | {"use_tucker": True}, None),
        (LOKR | {"apply_preset": "attn-only"}, None),
        (LOKR | {"apply_preset": {"target_module": ["Conv"]}}, None),
        (LOKR | {"apply_preset": {"module_algo_map": {"Attention": {"factor": 4}, "FeedForward": {"factor": 8}}}}, None),
        (LOKR | {"apply_preset": {"module_algo_map": {"Attention": {"algo": "loha"}}}}, None),
        ("config/lycoris_config.json", None),  # a file of its own
    ],
)  # fmt: skip
def test_lycoris_is_an_adapter_of_another_kind(tmp_path: Path, settings: Any, adapter: Any) -> None:
    made = simpletuner(
        tmp_path, {"lora_type": "lycoris", "lycoris_config": settings, "lora_rank": 64, "lora_dropout": 0.5}
    )
    assert said(made, "train.adapter") == adapter
    assert isinstance(outcome(made, "lycoris_config"), Mapped if adapter else Unsupported)
    assert isinstance(outcome(made, "lora_type"), Mapped if adapter else Unsupported)
    assert outcome(made, "lora_rank") == Dropped("it counts only where `lora_type` is standard")


def test_datasets_of_simpletuner_have_roles(tmp_path: Path) -> None:
    entries = [
        {"id": "held-out", "dataset_type": "eval", "instance_data_dir": "held-out"},
        {"id": "clips", "dataset_type": "video", "instance_data_dir": "clips"},
        {
            "id": "others",
            "dataset_type": "video",
            "instance_data_dir": "others",
            "is_regularisation_data": True,
        },
    ]
    config = {"eval_steps_interval": 100, "num_eval_images": 6, "validation_prompt": PROMPT}
    found = resolved(simpletuner(tmp_path, config, *entries), tmp_path)
    assert (found.data.role, found.data.more["clips"].role, found.data.more["others"].role) == (
        "evaluate",
        "train",
        "regularise",
    )
    assert found.train.evaluation.model_dump() == {
        "kind": "held_out",
        "every": 100,
        "samples": 6,
        "levels": 28,
    }


def test_a_simpletuner_that_is_not_told_of_a_lora_trains_all_weights(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(
        json.dumps({"model_flavour": "t2v-480p-1.3b-2.1", "max_train_steps": 9, "lora_rank": 4})
    )
    made = from_simpletuner(tmp_path / "c.json", None)
    assert said(made, "train.adapter") == {"kind": "full"}
    assert outcome(made, "lora_rank") == Dropped("it counts only where `model_type` is lora")
    assert resolved(made, tmp_path).train.adapter.model_dump() == {"kind": "full"}


def test_the_notes_say_what_simpletuner_gets_wrong(tmp_path: Path) -> None:
    made = simpletuner(
        tmp_path,
        {"tread_config": {"routes": [ROUTE]}, "crepa_enabled": True, "flow_schedule_shift": 0, "flow_schedule_auto_shift": True,
         OFFSET: 10, "scheduled_sampling_probability": 0.5, "loss_type": "huber", "base_model_precision": "int8-quanto"},
    )  # fmt: skip
    text = " ".join(line.strip().removeprefix("#").strip() for line in made.text.splitlines())
    for note in (
        "share that is DROPPED: 0.1 drops a tenth",
        "one token a frame, so that its patches are never aligned",
        "its shift is 404, which is noise alone",
        "ReflexFlow, which it adds to the loss, is not here",
        "about twice Huber's own",
        "the feed-forward layers of the blocks are quantised as well",
    ):
        assert note in text, note


@pytest.mark.parametrize(
    ("options", "word", "value"),
    [
        ("--network_module networks.lokr --network_dim 8 --network_args factor=4", "train.adapter", {"kind": "lokr", "factor": 4, "rank": 8, "alpha": 1, "dropout": 0, "targets": [ALL]}),
        ("--network_module networks.loha", "train.adapter", {"kind": "loha", "rank": 4, "alpha": 1, "dropout": 0, "targets": [ALL]}),
        ("--network_module networks.lora_wan --network_args loraplus_lr_ratio=4", "train.adapter", {"rank": 4, "alpha": 1, "targets": [ALL]}),
        ("--network_module networks.lokr --network_args factor=4 module_dropout=0.1", "train.adapter.factor", None),
        ("--network_dropout 0.2", "train.adapter.dropout", 0.2),
        ("--network_weights old.safetensors", "train.start", {"kind": "file", "path": "old.safetensors"}),
        ("--optimizer_type AdamW8bit --optimizer_args weight_decay=0.1", "train.optimizer", {"kind": "adamw_8bit", "betas": [0.9, 0.999], "epsilon": 1e-8, "weight_decay": 0.1}),
        ("--optimizer_type bitsandbytes.optim.Lion8bit", "train.optimizer.kind", "lion_8bit"),
        ("--optimizer_type Adafactor --optimizer_args relative_step=False scale_parameter=True", "train.optimizer", {"kind": "adafactor", "weight_decay": 0}),
        ("--optimizer_type Adafactor --optimizer_args scale_parameter=False", "train.optimizer.kind", None),
        ("--optimizer_type prodigyopt.Prodigy", "train.optimizer.kind", "prodigy"),
        ("--lr_scheduler linear --lr_warmup_steps 100", "train.schedule", {"kind": "linear", "warmup_steps": 100}),
        ("--lr_scheduler polynomial --lr_scheduler_power 3", "train.schedule", {"kind": "polynomial", "warmup_steps": 0, "power": 3}),
        ("--lr_scheduler cosine_with_restarts --lr_scheduler_num_cycles 3 --lr_warmup_steps 9", "train.schedule", {"kind": "cosine_restarts", "warmup_steps": 9, "cycles": 3}),
        ("--fp8_base --fp8_scaled", "train.quantize", "fp8"),
        ("--fp8_scaled", "train.quantize", None),
        ("--gradient_checkpointing", "train.gradient_checkpointing", {"kind": "blocks", "every": 1}),
        ("--blocks_to_swap 20", "train.offload", {"kind": "memory"}),
        ("--timestep_sampling flux_shift --sigmoid_scale 2", "train.noise", {"levels": {"kind": "logit_normal", "mean": 0, "scale": 2}, "shift": {"kind": "by_size"}}),
        ("--weighting_scheme logit_normal --logit_mean 0.5 --logit_std 2", "train.noise.levels", {"kind": "logit_normal", "mean": -0.5, "scale": 2}),
        ("--weighting_scheme mode --mode_scale 1.5", "train.noise.levels", {"kind": "mode", "scale": 1.5}),
        ("--weighting_scheme mode --timestep_sampling uniform", "train.noise.levels", {"kind": "uniform"}),
        ("--weighting_scheme sigma_sqrt", "train.noise.levels", None),
        ("--min_timestep 875", "train.noise", {"lowest": 0.875, "levels": {"kind": "uniform"}, "shift": {"kind": "fixed", "factor": 1}}),
        ("--max_timestep 875 --preserve_distribution_shape", "train.noise.highest", 0.875),
        ("--save_every_n_epochs 2", "train.checkpoints", {"every": 2, "unit": "epochs"}),
    ],
)  # fmt: skip
def test_an_option_of_musubi_means_what_it_does_there(
    tmp_path: Path, options: str, word: str, value: Any
) -> None:
    assert said(musubi(tmp_path, options), word) == value


def test_musubi_multiplies_the_batch_by_the_devices_that_accelerate_starts(tmp_path: Path) -> None:
    toml = '[general]\nbatch_size = 2\n[[datasets]]\nvideo_directory = "clips"\n'
    (tmp_path / "d.toml").write_text(toml)
    line = "accelerate launch --num_processes 4 wan_train_network.py --gradient_accumulation_steps 3"
    made = from_musubi(tmp_path / "d.toml", line)
    assert (said(made, "hardware.devices"), said(made, "train.batch_size"), said(made, "train.micro_batch")) == (4, 24, 2)  # fmt: skip


def test_a_rank_that_only_the_file_says_is_asked_for(tmp_path: Path) -> None:
    made = musubi(tmp_path, "--network_weights old.safetensors --dim_from_weights")
    assert "the rank of the file" in said(made, "train.adapter.rank")["$required"]
    assert {"train.adapter.rank", "train.adapter.alpha"} <= set(made.lacks)


@pytest.mark.parametrize(
    ("process", "word", "value"),
    [
        ({"network": {"type": "lora", "linear": 8}}, "train.adapter.kind", None),
        ({"network": {"type": "lokr", "linear": 8, "lokr_factor": 4}}, "train.adapter", {"kind": "lokr", "factor": 4, "rank": 8, "alpha": 1, "dropout": 0, "targets": [ALL]}),
        ({"network": {"type": "lokr", "linear": 8, "lokr_full_rank": True}}, "train.adapter", {"kind": "lokr", "factor": -1, "rank": 10000, "alpha": 10000, "dropout": 0, "targets": [ALL]}),
        ({"network": {"type": "lorm"}}, "train.adapter", {"rank": 4, "alpha": 1, "targets": [ALL]}),
        ({"train": {"ema_config": {"use_ema": True}}}, "train.ema", {"kind": "decay", "decay": 0.999, "every": 1, "warmup": False}),
        ({"train": {"ema_config": {"use_ema": True, "ema_decay": 0.99}}}, "train.ema.decay", 0.99),
        ({"train": {"ema_config": {"use_ema": True}}}, "train.result", "ema"),
        ({"train": {"ema_config": {"use_ema": False, "ema_decay": 0.99}}}, "train.ema", None),
        ({"train": {"optimizer": "adamw8bit"}}, "train.optimizer.kind", "adamw_8bit"),
        ({"train": {"optimizer": "Prodigy", "lr": 1}}, "train.optimizer.kind", "prodigy"),
        ({"train": {"optimizer": "automagic"}}, "train.optimizer.kind", None),
        ({"model": {"quantize": True}}, "train.quantize", "fp8"),
        ({"model": {"quantize": True, "qtype": "qint8"}}, "train.quantize", "int8"),
        ({"model": {"quantize": True, "qtype": "uint4"}}, "train.quantize", None),
        ({"model": {"qtype": "qint8"}}, "train.quantize", None),
        ({"model": {"layer_offloading": True, "layer_offloading_transformer_percent": 0.5}}, "train.offload", {"kind": "memory"}),
        ({"train": {"timestep_type": "linear"}}, "train.noise.levels", {"kind": "uniform"}),
        ({"train": {"timestep_type": "linear", "content_or_style": "content"}}, "train.noise.levels", {"kind": "beta", "alpha": 1, "beta": 0.333333}),
        ({"train": {"timestep_type": "linear", "content_or_style": "style"}}, "train.noise.levels", {"kind": "beta", "alpha": 0.333333, "beta": 1}),
        ({"train": {"content_or_style": "style"}}, "train.noise.levels", None),  # with a sigmoid it is neither
        ({"train": {"timestep_type": "linear", "min_denoising_steps": 100, "max_denoising_steps": 600}}, "train.noise.lowest", 0.4),
        ({"train": {"timestep_type": "linear", "min_denoising_steps": 100, "max_denoising_steps": 600}}, "train.noise.highest", 0.9),
        ({"train": {"max_denoising_steps": 600}}, "train.noise.lowest", None),
        ({"train": {"max_denoising_steps": 1000}}, "train.noise.lowest", None),
        ({"train": {"gradient_checkpointing": False}}, "train.gradient_checkpointing", {"kind": "none"}),
    ],
)  # fmt: skip
def test_a_key_of_ai_toolkit_means_what_it_does_there(
    tmp_path: Path, process: dict, word: str, value: Any
) -> None:
    assert said(ai_toolkit(tmp_path, process), word) == value


def test_prior_regularisation_of_ai_toolkit_is_a_role(tmp_path: Path) -> None:
    assert said(ai_toolkit(tmp_path, {}, {"prior_reg": True}), "data.role") == "regularise"
    assert outcome(ai_toolkit(tmp_path, {}, {"is_reg": True}), "is_reg").learns


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        (simpletuner, {"use_dora": True, "optimizer": "torch-adamw"}),
        (simpletuner, {"lora_type": "lycoris", "lycoris_config": LOKR}),
        (simpletuner, {"tread_config": {"routes": [ROUTE]}, "optimizer": "muon"}),
        (simpletuner, {"crepa_enabled": True, OFFSET: 10, "scheduled_sampling_ramp_steps": 100}),
        (simpletuner, {"lr_scheduler": "polynomial", "loss_type": "huber", FLOW: True, "use_ema": True}),
        (simpletuner, {"base_model_precision": "int8-quanto", "enable_group_offload": True, "checkpoint_epoch_interval": 1}),
        (musubi, "--network_module networks.lokr --optimizer_type Adafactor --lr_scheduler cosine_with_restarts"),
        (musubi, "--fp8_base --blocks_to_swap 9 --gradient_checkpointing --weighting_scheme mode --min_timestep 100"),
        (ai_toolkit, {"network": {"type": "lokr"}, "train": {"ema_config": {"use_ema": True}, "timestep_type": "linear"}}),
        (ai_toolkit, {"model": {"quantize": True, "layer_offloading": True}, "train": {"optimizer": "prodigy", "lr": 1}}),
    ],
)  # fmt: skip
def test_what_is_imported_is_complete_and_breaks_no_rule(tmp_path: Path, tool: Any, given: Any) -> None:
    made = tool(tmp_path, given)
    assert [one.name for one, _ in made.unsupported] == []
    assert resolved(made, tmp_path).train.steps == 900


@pytest.mark.parametrize("odd", [["a", "b"], {"a": 1}, "nonsense", -3, True])
@pytest.mark.parametrize(
    "key",
    ["quantize_via", "scheduled_sampling_strategy", "crepa_encoder", "crepa_scheduler", "tread_config", "lycoris_config",
     "flow_custom_timesteps", "peft_lora_target_modules", "init_lora", "ema_validation", "num_processes"],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_an_outcome(tmp_path: Path, key: str, odd: Any) -> None:
    beside = {
        "base_model_precision": "int8-quanto", "crepa_enabled": True, "use_ema": True, OFFSET: 3, "scheduled_sampling_probability": 0.5,
        **({"lora_type": "lycoris"} if key == "lycoris_config" else {}),
    }  # fmt: skip
    made = simpletuner(tmp_path, beside | {key: odd})
    # a mapping that no row takes whole is told key by key
    assert any(one.name.partition(".")[0] == key for one, _ in made.outcomes)
    assert "nonsense" not in str(said(made, "train"))
