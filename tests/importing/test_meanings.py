"""What keys of other trainers mean: their defaults, their oddities, their numbers as texts."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.importing.given import Dropped, Mapped, Unsupported
from engine.importing.recipe import Imported, from_ai_toolkit, from_musubi, from_simpletuner
from engine.language.nodes import Source, plain
from engine.language.read import read_text
from engine.language.resolve import resolve

MODEL = {"pretrained_model_name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "model_type": "lora"}


def said(imported: Imported, path: str) -> Any:
    """The value of a word in the recipe's text; None where it says nothing."""
    node, _ = read_text(Source("x", imported.text, Path()))
    found: Any = plain(node)
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def why(imported: Imported, key: str) -> Any:
    return next(outcome for one, outcome in imported.outcomes if one.key == key)


@pytest.fixture
def simpletuner(tmp_path: Path):
    def run(config: dict, clips: dict | None = None) -> Imported:
        (tmp_path / "c.json").write_text(json.dumps(MODEL | config))
        (tmp_path / "d.json").write_text(json.dumps([{"id": "x", "dataset_type": "video", **(clips or {})}]))
        return from_simpletuner(tmp_path / "c.json", tmp_path / "d.json" if clips is not None else None)

    return run


@pytest.mark.parametrize(
    ("config", "word", "value"),
    [
        ({"--lora_rank": "32"}, "train.adapter.rank", 32),
        ({"lora_rank": 32}, "train.adapter.alpha", 32),  # alpha follows the rank
        ({"lora_rank": 32, "lora_alpha": 8}, "train.adapter.alpha", 8),
        ({"lora_alpha": 8, "lora_rank": 32}, "train.adapter.alpha", 8),
        ({}, "train.adapter.rank", None),  # its default is the base's: nothing to say
        ({}, "train.adapter.dropout", 0.1),
        ({}, "train.learning_rate", 4e-7),
        ({}, "train.noise.shift", None),
        ({"flow_schedule_shift": 0}, "train.noise.shift.factor", 1),
        ({"flow_schedule_shift": 5}, "sample.shift", 5),
        ({}, "train.clip", {"kind": "value", "limit": 2}),
        ({"max_grad_norm": 1, "grad_clip_method": "norm"}, "train.clip", {"kind": "norm", "limit": 1}),
        ({"train_batch_size": 2, "gradient_accumulation_steps": "3"}, "train.batch_size", 6),
        ({"train_batch_size": 2, "gradient_accumulation_steps": "3"}, "train.micro_batch", 2),
        ({"gradient_checkpointing": False}, "train.gradient_checkpointing", {"kind": "none"}),
        ({"gradient_checkpointing": "true"}, "train.gradient_checkpointing", {"kind": "blocks", "every": 1}),
        ({"optimizer": "optimi-lion", "optimizer_config": "weight_decay=0.1,betas=0.9,0.95"}, "train.optimizer", {"kind": "lion", "betas": [0.9, 0.95], "weight_decay": 0.1}),
        ({"lr_scheduler": "cosine", "max_train_steps": 500}, "train.schedule", {"kind": "cosine", "warmup_steps": 0}),
        ({"lr_scheduler": "cosine", "lr_warmup_steps": 100, "max_train_steps": 500}, "train.schedule", None),
        ({"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": 100, "max_train_steps": 500}, "train.schedule.warmup_steps", 100),
        ({"lr_warmup_steps": 900, "max_train_steps": 500}, "train.schedule.warmup_steps", 25),
        ({"resolution": 0.25, "resolution_type": "area"}, "data.size", {"kind": "area", "megapixels": 0.25}),
        ({"resolution": 480, "resolution_type": "pixel"}, "data.size", {"kind": "pixel", "edge": 480}),
        ({"resolution": 480, "resolution_type": "height"}, "data.size", None),
        ({"allow_dataset_oversubscription": True}, "data.small_buckets", "repeat"),
        ({"allow_dataset_oversubscription": False}, "data.small_buckets", None),
        ({"compress_disk_cache": True}, "data.latents.compress", True),
        ({"caption_strategy": "textfile"}, "data.captions", {"kind": "beside", "lines": "variants"}),
        ({"validation_resolution": "832x480,1280x720"}, "sample.width", 832),
        ({"validation_resolution": 512}, "sample.height", 512),
        ({}, "sample.width", 256),
        ({}, "sample.sampler", "euler"),
        ({"validation_num_video_frames": 80}, "sample.frames", 77),
        ({"flow_use_uniform_schedule": True}, "train.noise.levels", {"kind": "uniform"}),
        ({"flow_sigmoid_scale": 1.5}, "train.noise.levels.scale", 1.5),
        ({"attention_mechanism": "flash-attn-3"}, "train.attention", "flash_3"),
        ({"enable_chunked_feed_forward": True}, "train.feed_forward_chunks", 4),
    ],
)  # fmt: skip
def test_a_key_of_simpletuner_means_what_it_does_there(
    simpletuner, config: dict, word: str, value: Any
) -> None:
    assert said(simpletuner(config), word) == value


@pytest.mark.parametrize(
    ("clips", "word", "value"),
    [
        ({"video": {"num_frames": 77}}, "data.frames", 73),  # 8n+1, though the codec takes 77
        ({"video": {"num_frames": 81}}, "data.frames", 81),
        ({"video": {"num_frames": 3}}, "data.frames", 1),
        ({}, "data.frames", 73),  # five seconds at 15 frames/s, rounded down
        ({}, "data.short_clips", "drop"),
        ({}, "data.captions.kind", "filename"),
        ({"caption_strategy": "textfile"}, "data.captions.kind", "beside"),
        ({"caption_strategy": "instanceprompt", "instance_prompt": "a cat"}, "data.captions", {"kind": "one", "text": "a cat"}),
        ({"resolution": 480}, "data.size", {"kind": "pixel_area", "edge": 480}),
        ({"resolution": 490, "crop": True}, "data.size", {"kind": "pixel_area", "edge": 490}),
        ({"crop": True}, "data.aspect", {"kind": "square"}),  # its defaults
        ({"crop": True}, "data.crop", "random"),
        ({"crop": False, "crop_style": "corner", "crop_aspect": "square"}, "data.crop", None),
        ({"crop": False, "crop_style": "corner", "crop_aspect": "square"}, "data.aspect", None),
        ({"crop": True, "crop_style": "center", "crop_aspect": "preserve"}, "data.crop", "centre"),
        ({"crop": True, "crop_style": "corner"}, "data.crop", "corner"),
        ({"crop": True, "crop_style": "face"}, "data.crop", None),
        ({"crop": True, "crop_aspect": "closest", "crop_aspect_buckets": [1, 0.5625, "1.5"]}, "data.aspect", {"kind": "closest", "of": ["1:1", "9:16", "3:2"]}),
        ({"crop": True, "crop_aspect": "random", "crop_aspect_buckets": [{"aspect": 2.0, "weight": 1}]}, "data.aspect", {"kind": "random", "of": ["2:1"]}),
        ({"crop": True, "crop_aspect": "closest"}, "data.aspect", None),
        ({"minimum_image_size": 512, "resolution_type": "pixel"}, "data.min_size", 512),
        ({"minimum_image_size": 512}, "data.min_size", None),  # an area
        ({"minimum_image_size": 512, "crop": True}, "data.min_size", 512),  # both edges, where squares are cut
        ({"minimum_image_size": 0.25, "resolution": 0.25, "resolution_type": "area", "crop": True}, "data.min_size", 500),
        ({"maximum_image_size": 1080, "target_downsample_size": 900, "resolution_type": "pixel", "crop": True}, "data.scale", {"kind": "downsample", "above": 1080, "to": 900}),
        ({"maximum_image_size": 1080, "target_downsample_size": 900, "resolution_type": "pixel"}, "data.scale", None),
        ({"maximum_image_size": 1080, "target_downsample_size": 900, "crop": True}, "data.scale", None),
        ({"maximum_image_size": 1080, "resolution_type": "pixel", "crop": True}, "data.scale", None),
        ({"repeats": 0}, "data.repeats", 1),
        ({"repeats": 9}, "data.repeats", 10),
        ({"video": {"num_frames": 81, "min_frames": 81}}, "data.min_frames", None),
        ({"video": {"num_frames": 33}}, "data.min_frames", None),  # where it is not said, it is num_frames
        ({"video": {"num_frames": 81, "min_frames": 100}}, "data.min_frames", 100),
        ({"video": {"num_frames": 81, "min_frames": 100}}, "data.short_clips", "drop"),
        ({"video": {"max_frames": 300}}, "data.max_frames", 300),
        ({"video": {"max_frames": 300}}, "data.frames", 73),
        ({"video": {"bucket_strategy": "aspect_ratio"}}, "data.frames", 73),
        ({"video": {"bucket_strategy": "resolution_frames", "max_frames": 100}}, "data.frames", 97),
        ({"video": {"bucket_strategy": "resolution_frames", "max_frames": 100}}, "data.short_clips", "fewer"),
        ({"video": {"bucket_strategy": "resolution_frames", "min_frames": 25}}, "data.min_frames", 25),
        ({"video": {"bucket_strategy": "resolution_frames", "num_frames": 49, "min_frames": 49}}, "data.short_clips", "drop"),
        ({"video": {"bucket_strategy": "resolution_frames", "frame_interval": 25}}, "data.frame_interval", 24),
        ({"video": {"frame_interval": 25}}, "data.frame_interval", None),
        ({"caption_strategy": "textfile", "disable_multiline_split": True}, "data.captions", {"kind": "beside", "lines": "joined"}),
        ({"caption_strategy": "textfile", "instance_prompt": "ohwx", "prepend_instance_prompt": True}, "data.caption_prefix", "ohwx"),
        ({"caption_strategy": "textfile", "instance_prompt": "ohwx"}, "data.caption_prefix", None),
        ({"caption_strategy": "textfile", "instance_prompt": "ohwx", "only_instance_prompt": True}, "data.captions", {"kind": "one", "text": "ohwx"}),
        ({"caption_strategy": "parquet", "parquet": {"caption_column": "text"}}, "data.captions", {"kind": "column", "column": "text"}),
        ({"caption_strategy": "csv", "csv_caption_column": "text"}, "data.captions", {"kind": "column", "column": "text"}),
        ({"instance_data_dir": "a", "parquet": {"path": "t.parquet", "filename_column": "f", "identifier_includes_extension": True}}, "data.source", {"kind": "table", "path": "t.parquet", "column": "f"}),
        ({"instance_data_dir": "a", "parquet": {"path": "t.parquet", "filename_column": "id"}}, "data.source", {"kind": "folder", "path": "a"}),  # stems, no paths
        ({"type": "aws", "aws_bucket_name": "b", "aws_data_prefix": "clips/"}, "data.source", {"kind": "remote", "url": "s3://b/clips", "as_of": "import"}),
        ({"type": "csv", "csv_file": "list.csv"}, "data.source", None),
        ({"instance_data_dir": "a/b"}, "data.source", {"kind": "folder", "path": "a/b"}),
        ({"instance_data_dir": "a/{env:HOME}"}, "data.source", None),
        ({"type": "huggingface", "dataset_name": "me/clips"}, "data.source", {"kind": "hub", "repository": "me/clips", "revision": "main"}),
    ],
)  # fmt: skip
def test_a_key_of_a_dataset_means_what_it_does_there(simpletuner, clips: dict, word: str, value: Any) -> None:
    assert said(simpletuner({}, clips), word) == value


def test_the_dataset_says_its_size_closer_than_the_config(simpletuner) -> None:
    made = simpletuner({"resolution": 512, "resolution_type": "pixel_area"}, {"resolution": 640})
    assert said(made, "data.size.edge") == 640
    config, clips = (outcome for one, outcome in made.outcomes if one.key == "resolution")
    assert config == Dropped("what counts is `[0].resolution` and `resolution_type`")
    assert clips == Mapped(("data.size",))


@pytest.mark.parametrize("value", [None, "false"])
def test_what_simpletuner_loses_on_its_command_line_does_not_count(simpletuner, value: Any) -> None:
    made = simpletuner({"gradient_checkpointing": value, "lora_dropout": None})
    assert isinstance(why(made, "gradient_checkpointing"), Dropped)
    assert said(made, "train.gradient_checkpointing") is None, "true, as in the base"
    assert said(made, "train.adapter.dropout") == 0.1


def test_of_a_key_that_is_said_twice_the_last_counts(simpletuner) -> None:
    assert said(simpletuner({"seed": 1, "--seed": 2}), "train.seed") == 2


def test_a_word_that_another_key_says_is_not_counted_twice(simpletuner) -> None:
    assert why(simpletuner({"lora_rank": 32, "lora_alpha": 8}), "lora_rank") == Mapped(
        ("train.adapter.rank",)
    )


def test_a_value_that_the_vocabulary_refuses_is_unsupported_with_its_reason(simpletuner) -> None:
    made = simpletuner({"lora_rank": 0, "lora_alpha": 4})
    assert isinstance(why(made, "lora_rank"), Unsupported)
    assert "it must be at least 1" in why(made, "lora_rank").reason
    assert said(made, "train.adapter.rank") is None


def test_no_secret_reaches_the_recipe_or_the_report(simpletuner, tmp_path: Path) -> None:
    token = "hf_" + "a1B2" * 8
    made = simpletuner(
        {"validation_prompt": f"a cat {token}", "hub_token": token, "webhook_config": {"webhook_url": token}}
    )
    assert token not in made.text + repr(made.outcomes)
    assert "secret" in why(made, "validation_prompt").reason
    assert said(made, "sample.prompts") is None
    (tmp_path / "d.toml").write_text('[[datasets]]\nvideo_directory = "clips"\n')
    arguments = f"--huggingface_token {token} --wandb_api_key={token} --output_name {token}"
    assert token not in from_musubi(tmp_path / "d.toml", arguments).text


def test_a_secret_in_escapes_or_in_pieces_is_found_as_well(tmp_path: Path) -> None:
    token = "hf_" + "a1B2" * 8
    (tmp_path / "c.json").write_text('{"validation_prompt": "' + token.replace("a", "\\u0061") + '"}')
    made = from_simpletuner(tmp_path / "c.json", None)
    assert token not in made.text + repr(made.outcomes)
    assert "secret" in why(made, "validation_prompt").reason
    (tmp_path / "d.toml").write_text("")
    made = from_musubi(tmp_path / "d.toml", f"--output_name 'hf_'\"{token[3:]}\"")
    assert token not in made.text + repr(made.outcomes)
    assert "secret" in why(made, "output_name").reason


@pytest.mark.parametrize(
    "prompt", ["a cat ******** a dog", "********", "he said **** and *********", "task-****"]
)
def test_asterisks_are_no_secret(simpletuner, prompt: str) -> None:
    assert said(simpletuner({"validation_prompt": prompt}), "sample.prompts") == {"validation": prompt}


def test_what_looks_like_a_reference_in_a_prompt_stays_text(simpletuner, tmp_path: Path) -> None:
    made = simpletuner({"validation_prompt": "a price of ${train.steps} and more", "max_train_steps": 9,
                        "--model_family": "wan"}, {"instance_data_dir": "clips"})  # fmt: skip
    (tmp_path / "x.yaml").write_text(made.text)
    assert resolve(tmp_path / "x.yaml").values["sample"]["prompts"] == {
        "validation": "a price of ${train.steps} and more"
    }


def test_emoji_in_escapes_and_odd_letters_survive(simpletuner) -> None:
    prompt = '🎈 «sailing»\u2028 #1: "quoted" \\ 帆船\n'
    assert said(simpletuner({"validation_prompt": prompt}), "sample.prompts") == {"validation": prompt}


def test_musubi_has_its_own_defaults(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(
        '[general]\nresolution = [832, 480]\n[[datasets]]\nvideo_directory = "clips"\n'
    )
    made = from_musubi(tmp_path / "d.toml", "wan_train_network.py --task t2v-1.3B --network_dim 8")
    assert said(made, "train.adapter") == {
        "rank": 8,
        "alpha": 1,
        "targets": said(made, "train.adapter.targets"),
    }
    assert "ffn" in said(made, "train.adapter.targets")[0]
    assert said(made, "train.noise") == {
        "levels": {"kind": "uniform"},
        "shift": {"kind": "fixed", "factor": 1},
    }, "sigma, unshifted"
    assert said(made, "data.size") == {"kind": "exact", "width": 832, "height": 480}, "no buckets"
    assert (said(made, "train.steps"), said(made, "train.learning_rate"), said(made, "data.frames")) == (
        1600,
        2e-6,
        1,
    )
    assert said(made, "train.gradient_checkpointing") == {"kind": "none"}
    assert said(made, "train.caption_dropout") == 0, "it has none, and the base has some"
    assert "# musubi-tuner drops no captions." in made.text


def test_musubi_trains_in_the_precision_that_accelerate_was_started_with(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("")
    line = "accelerate launch --mixed_precision no wan_train_network.py --task t2v-1.3B"
    assert said(from_musubi(tmp_path / "d.toml", line), "train.precision") == "fp32"
    assert (
        said(from_musubi(tmp_path / "d.toml", f"{line} --mixed_precision bf16"), "train.precision") == "bf16"
    )


@pytest.mark.parametrize(("sampling", "levels", "shift"), [("shift", "logit_normal", 3), ("sigmoid", "logit_normal", 1), ("uniform", "uniform", 1), ("sigma", "uniform", 3)])  # fmt: skip
def test_musubi_shifts_only_where_it_says_so(tmp_path: Path, sampling: str, levels: str, shift: int) -> None:
    (tmp_path / "d.toml").write_text("")
    made = from_musubi(
        tmp_path / "d.toml",
        f"--task t2v-1.3B --timestep_sampling {sampling} --discrete_flow_shift 3.0 --sigmoid_scale 2",
    )
    found = said(made, "train.noise.shift.factor")
    assert (said(made, "train.noise.levels.kind"), found) == (levels, shift)


def test_musubi_takes_its_options_from_a_config_file_too(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('[[datasets]]\nvideo_directory = "clips"\n')
    (tmp_path / "run.toml").write_text('task = "t2v-1.3B"\n[network]\nnetwork_dim = 64\n')
    made = from_musubi(tmp_path / "d.toml", str(tmp_path / "run.toml"))
    assert said(made, "train.adapter.rank") == 64
    (one,) = [one for one, _ in made.outcomes if one.key == "network_dim"]
    assert (one.span.line, one.span.column) == (3, 1)


def test_ai_toolkit_means_alpha_1_and_no_shift_where_it_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "config: {process: [{network: {linear: 8}, model: {name_or_path: Wan-AI/Wan2.1-T2V-1.3B-Diffusers}}]}"
    )
    made = from_ai_toolkit(tmp_path / "x.yaml")
    assert (
        said(made, "train.adapter.rank"),
        said(made, "train.adapter.alpha"),
        said(made, "train.noise.shift.factor"),
    ) == (8, 1, 1)
    assert (said(made, "train.steps"), said(made, "train.learning_rate")) == (1000, 1e-6)
    assert (said(made, "train.precision"), said(made, "sample.negative"), said(made, "sample.sampler")) == (
        "fp32",
        "",
        "euler",
    )


@pytest.mark.parametrize(
    ("entries", "patterns"),
    [
        (["arafed "], ["arafed "]),
        (["this .* has"], [r"this\ \.\*\ has", "this .* has"]),  # first as it is written, then as a pattern
        (["a(b"], [r"a\(b"]),  # no pattern at all
        (["s/very //"], ["s/very //"]),  # three slashes: plain text
        (["s/very /"], ["very "]),
        (["s/cat/dog"], None),
        ("filters.txt", None),
    ],
)  # fmt: skip
def test_what_is_taken_out_of_captions_is_a_text_or_a_pattern(
    tmp_path: Path, entries: Any, patterns: Any
) -> None:
    (tmp_path / "c.json").write_text(json.dumps(MODEL))
    (tmp_path / "d.json").write_text(
        json.dumps([{"dataset_type": "text_embeds", "caption_filter_list": entries}])
    )
    made = from_simpletuner(tmp_path / "c.json", tmp_path / "d.json")
    assert said(made, "data.caption_filter") == patterns
    assert isinstance(why(made, "caption_filter_list"), Mapped if patterns else Unsupported)


def test_a_shape_that_small_numbers_do_not_make_is_rounded_with_a_note(simpletuner) -> None:
    crop = {
        "crop": True,
        "crop_aspect": "closest",
        "crop_aspect_buckets": [1.7801, {"aspect": 1, "weight": 0.3}],
    }
    made = simpletuner({}, crop)
    width, height = map(int, said(made, "data.aspect.of")[0].split(":"))
    assert abs(width / height - 1.7801) == min(
        abs(a / b - 1.7801) for a in range(1, 99) for b in range(1, 33)
    )
    assert f"1.7801 is written as {width}:{height}" in made.text
    assert "Their weights are left out" in made.text
    assert "is written as" not in simpletuner({}, crop | {"crop_aspect_buckets": [1.5]}).text


@pytest.mark.parametrize(
    "crop",
    [
        {"crop_aspect": "closest", "crop_aspect_buckets": [bad]}
        for bad in (0, -1, 1e9, "x", {"weight": 1}, [1])
    ],
)
def test_what_is_no_shape_is_unsupported(simpletuner, crop: dict) -> None:
    made = simpletuner({}, {"crop": True} | crop)
    assert isinstance(why(made, "crop_aspect_buckets"), Unsupported)
    assert said(made, "data.aspect") is None


MUSUBI = '[general]\nresolution = [832, 480]\n[[datasets]]\nvideo_directory = "clips"\n'


@pytest.mark.parametrize(
    ("dataset", "word", "value"),
    [
        ("", "data.windows", None),  # the first frames, as in the base
        ('frame_extraction = "chunk"\ntarget_frames = [1, 34]', "data.windows", {"kind": "sliding", "stride": 33}),
        ('frame_extraction = "slide"\nframe_stride = 10', "data.windows", {"kind": "sliding", "stride": 10}),
        ('frame_extraction = "slide"', "data.windows", {"kind": "sliding", "stride": 1}),
        ('frame_extraction = "uniform"\nframe_sample = 4', "data.windows", {"kind": "uniform", "count": 4}),
        ('frame_extraction = "full"\nmax_frames = 50', "data.frames", 49),
        ('frame_extraction = "full"\ntarget_frames = [9]', "data.frames", 129),  # its default, and not these
        ('frame_extraction = "full"', "data.short_clips", "fewer"),
        ('frame_extraction = "head"\nmax_frames = 50\ntarget_frames = [9]', "data.frames", 9),
        ('frame_extraction = "other"', "data.windows", None),
        ("num_repeats = 4", "data.repeats", 4),
        ('caption_extension = ".txt"', "data.captions", {"kind": "beside", "lines": "joined"}),
    ],
)  # fmt: skip
def test_a_key_of_musubi_means_what_it_does_there(
    tmp_path: Path, dataset: str, word: str, value: Any
) -> None:
    (tmp_path / "d.toml").write_text(f"{MUSUBI}{dataset}\n")
    assert said(from_musubi(tmp_path / "d.toml", "--task t2v-1.3B"), word) == value


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_list_of_musubi_is_a_table_with_its_captions(tmp_path: Path, kind: str) -> None:
    toml = f'[general]\ncaption_extension = ".txt"\n[[datasets]]\n{kind}_jsonl_file = "list.jsonl"\n'
    (tmp_path / "d.toml").write_text(toml)
    made = from_musubi(tmp_path / "d.toml", None)
    assert said(made, "data.source") == {"kind": "table", "path": "list.jsonl", "column": f"{kind}_path"}
    assert said(made, "data.captions") == {"kind": "column", "column": "caption"}
    assert why(made, "caption_extension") == Dropped(f"what counts is `datasets[0].{kind}_jsonl_file`")


def test_musubi_is_told_that_its_clips_are_brought_to_the_models_rate_unless_it_does_that(
    tmp_path: Path,
) -> None:
    (tmp_path / "d.toml").write_text(f"{MUSUBI}target_frames = [33]\n")
    assert "brought to" in from_musubi(tmp_path / "d.toml", None).text
    (tmp_path / "d.toml").write_text(f"{MUSUBI}target_frames = [33]\nsource_fps = 30.0\n")
    assert "brought to" not in from_musubi(tmp_path / "d.toml", None).text


def ai_toolkit(folder: Path, process: dict, *datasets: dict) -> Imported:
    (folder / "x.yaml").write_text(
        json.dumps({"config": {"process": [process | {"datasets": list(datasets)}]}})
    )
    return from_ai_toolkit(folder / "x.yaml")


@pytest.mark.parametrize(
    ("process", "dataset", "word", "value"),
    [
        ({}, {"num_repeats": 3}, "data.repeats", 3),
        ({}, {"caption_ext": "txt"}, "data.captions", {"kind": "beside", "lines": "joined"}),
        ({}, {}, "data.captions", {"kind": "beside", "lines": "joined"}),  # its default
        ({}, {"caption_ext": "json"}, "data.captions", None),
        ({"trigger_word": "ohwx"}, {}, "data.caption_prefix", "ohwx"),
        ({"trigger_word": None}, {}, "data.caption_prefix", None),
        ({}, {"trigger_word": "ohwx"}, "data.caption_prefix", "ohwx"),
        ({"trigger_word": "ohwx", "sample": {"prompts": ["[trigger] sails"]}}, {}, "sample.prompts", {"prompt-1": "ohwx sails"}),
        ({"sample": {"prompts": ["[trigger] sails"]}}, {}, "sample.prompts", None),
        ({}, {"num_frames": 33, "shrink_video_to_frames": False}, "data.windows", {"kind": "random", "count": 1}),
        ({}, {"num_frames": 33, "shrink_video_to_frames": True}, "data.windows", None),
        ({}, {"num_frames": 33}, "data.frames", 33),
    ],
)  # fmt: skip
def test_a_key_of_ai_toolkit_means_what_it_does_there(
    tmp_path: Path, process: dict, dataset: dict, word: str, value: Any
) -> None:
    assert said(ai_toolkit(tmp_path, process, {"folder_path": "clips"} | dataset), word) == value


def test_that_ai_toolkit_speeds_clips_up_changes_what_is_learnt(tmp_path: Path) -> None:
    made = ai_toolkit(tmp_path, {}, {"folder_path": "clips", "shrink_video_to_frames": True})
    assert why(made, "shrink_video_to_frames").learns
