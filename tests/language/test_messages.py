"""What a new user writes, and what the program says: the code, the place, and the words that lead out."""

import time
from pathlib import Path

import pytest
from conftest import ROOT

from engine.language.diagnostics import Diagnostic, RecipeError, render
from engine.language.overrides import sets
from engine.language.resolve import resolve

HEADER = (
    "apiVersion: wan-recipe/v1\nkind: recipe\n"
    'extends: ["builtin:flavours/wan2.1-t2v-1.3b", "builtin:hardware/rtx-4090-24gb"]\n'
)
PROMPT = "A black cat walks to the right past two houses under a crescent moon."
LONG = "A black cat walks to the right past two houses, take"


def said(folder: Path, text: str) -> list[Diagnostic]:
    """What is said of a recipe, but for what it lacks: most of these are pieces."""
    (folder / "x.yaml").write_text(HEADER + text)
    try:
        found = resolve(folder / "x.yaml").warnings
    except RecipeError as wrong:
        found = wrong.findings
    return [one for one in found if one.code != "RCP2003"]


def lines(*texts: str) -> str:
    return "\n".join(texts) + "\n"


# what is written → the code, what the caret stands under, and words of the message or the help
ONE = [
    # batches
    ("train: {train_batch_size: 4}", "RCP2001", "train_batch_size", ["whole batch", "`batch_size: 4`", "`micro_batch: 4`"]),
    ("train: {gradient_accumulation_steps: 2}", "RCP2001", "gradient_accumulation_steps", ["`train.batch_size`", "`train.micro_batch`"]),
    ("train: {batch_size: 4, gradient_accumulation_steps: 2}", "RCP2001", "gradient_accumulation_steps", ["`batch_size: 8` (4 × 2)"]),
    # where words belong
    ("data: {fps: 24}", "RCP2001", "fps", ["says its frame rate", "resampled"]),
    ("data: {kind: folder}", "RCP2001", "kind", ["under `data.source`"]),
    ("data: {batch_size: 4}", "RCP2001", "batch_size", ["under `train`"]),
    ("steps: 100", "RCP2001", "steps", ["under `train` or `sample`"]),
    ("train: {rank: 8}", "RCP2001", "rank", ["under `train.adapter`"]),
    ("train: {title: x}", "RCP2001", "title", ["top of a file"]),
    ("train: {layers: 30}", "RCP2001", "layers", ["recipe doc train"]),
    ("train: {optimizer: {type: adamw}}", "RCP2001", "type", ["`kind`"]),
    # measures
    ("data: {frames: 5s}", "RCP2002", "5s", ["write 81", "16 a second", "4n+1"]),
    ("data: {frames: 2.5 sec}", "RCP2002", "2.5 sec", ["write 41"]),
    ("data: {size: {kind: pixel_area, edge: 480p}}", "RCP2002", "480p", ["write 632", "832x480"]),
    ("data: {size: {edge: 720p}}", "RCP2002", "720p", ["write 960", "1280x720"]),
    ("train: {seed: 18446744073709551615}", "RCP1004", "18446744073709551615", ["2^53", "9007199254740992"]),
    # a section of another kind
    ("data: {size: {width: 832, height: 480}}", "RCP2001", "width", ["words `width`, `height`", "`{kind: exact, width: 832, height: 480}`"]),
    ("data: {size: {kind: pixel_area, width: 832}}", "RCP2001", "width", ["`kind: exact`"]),
    ("data: {source: {kind: hub, path: clips}}", "RCP2001", "path", ["`path` stands only with `kind: folder`", "`{kind: folder, path: clips}`"]),
    ("train: {clip: {kind: none, limit: 3}}", "RCP2001", "limit", ["`kind: norm` or `kind: value`", "limit: 3"]),
    ("data: {source: {video_directory: x}}", "RCP2001", "video_directory", ["`data.source.path` with `kind: folder`"]),
    # likely choices
    ("data: {short_clips: skip}", "RCP2002", "skip", ["write `drop`"]),
    ("data: {bad_files: drop}", "RCP2002", "drop", ["write `skip`"]),
    ("data: {captions: textfile}", "RCP2002", "textfile", ["`{kind: beside, lines: variants}`", "`cat.txt`"]),
    ("data: {captions: {kind: txt}}", "RCP2002", "txt", ["write `beside`"]),
    ("train: {precision: BF16}", "RCP2002", "BF16", ["write `bf16`"]),
    ("train: {precision: fp8}", "RCP2002", "fp8", ["`train.quantize: int8`"]),
    ("train: {precision: int8}", "RCP2002", "int8", ["`train.quantize: int8`"]),
    ("train: {quantize: int8-quanto}", "RCP2002", "int8-quanto", ["write `int8`"]),
    ("train: {gradient_checkpointing: true}", "RCP2002", "true", ["`{kind: blocks, every: 1}`"]),
    ("train: {noise: {shift: 5}}", "RCP2002", "5", ["`{kind: fixed, factor: 5}`"]),
    ("train: {offload: cpu}", "RCP2002", "cpu", ["`{kind: memory}`"]),
    ("train: {loss: mse}", "RCP2002", "mse", ["`{kind: l2}`"]),
    ("data: {role: validation}", "RCP2002", "validation", ["write `evaluate`"]),
    ("train: {precision: fp16}", "RCP2002", "fp16", ["write `bf16`"]),
    ("sample: {sampler: UniPC}", "RCP2002", "UniPC", ["write `unipc`"]),
    ("train: {attention: sdpa}", "RCP2002", "sdpa", ["write `native`"]),
    ("train: {attention: flash-attn-3}", "RCP2002", "flash-attn-3", ["write `flash_3`"]),
    ("hardware: {device: gpu}", "RCP2002", "gpu", ["write `cuda`"]),
    ("train: {optimizer: {kind: adamw8bit}}", "RCP2002", "adamw8bit", ["write `adamw_8bit`", "bitsandbytes"]),
    ("train: {optimizer: AdamW8bit}", "RCP2002", "AdamW8bit", ["kind: adamw_8bit", "bitsandbytes"]),
    # shapes
    ("data: {source: clips}", "RCP2002", "clips", ["`{kind: folder, path: clips}`"]),
    ("data: {size: 832x480}", "RCP2002", "832x480", ["`{kind: exact, width: 832, height: 480}`"]),
    ("data: {size: [832, 480]}", "RCP2002", "[", ["`{kind: exact, width: 832, height: 480}`"]),
    ("data: {size: 480p}", "RCP2002", "480p", ["`{kind: pixel_area, edge: 632}`"]),
    ("sample: {prompts: some text}", "RCP2002", "some text", ["`{name: some text}`"]),
    ("sample: {prompts: [one, two]}", "RCP2002", "[", ["`{name-1: one, name-2: two}`"]),
    ("train: {optimizer: prodgy}", "RCP2002", "prodgy", ["adafactor, adamw, adamw_8bit, lion", "`{kind: adafactor"]),
    ("train: {optimizer: prodigy}", "RCP2002", "prodigy", ["`{kind: prodigy"]),
    ("train: {schedule: cosine_with_restarts}", "RCP2002", "cosine_with_restarts", ["kind: cosine_restarts", "`cycles`"]),
    ("train: {clip: 1.0}", "RCP2002", "1.0", ["`{kind: norm, limit: 1.0}`"]),
    ("train: {adapter: {targets: blocks}}", "RCP2002", "blocks", ["`[blocks]`"]),
    ("train: {steps: }", "RCP2002", "}", ["`train.steps` has no value", "write one"]),
    ("train: {steps: null}", "RCP2002", "null", ["is null", "$unset"]),
    # names of other trainers
    ("data: {num_repeats: 3}", "RCP2001", "num_repeats", ["`data.repeats`"]),
    ("train: {max_train_epochs: 3}", "RCP2001", "max_train_epochs", ["`train.steps`", "not epochs"]),
    ("train: {epochs: 3}", "RCP2001", "epochs", ["`train.steps`", "not epochs"]),
    ("train: {fp8_base: true}", "RCP2001", "fp8_base", ["`train.quantize`"]),
    ("train: {base_model_precision: int8-quanto}", "RCP2001", "base_model_precision", ["`train.quantize`"]),
    ("train: {sdpa: true}", "RCP2001", "sdpa", ["write `train.attention: native`"]),
    ("train: {use_ema: true}", "RCP2001", "use_ema", ["ema: {kind: decay", "`result: ema`"]),
    ("train: {ema_decay: 0.9}", "RCP2001", "ema_decay", ["`train.ema.decay`"]),
    ("report_to: wandb", "RCP2001", "report_to", ["no trackers yet"]),
    ("push_to_hub: true", "RCP2001", "push_to_hub", ["nothing is published"]),
    ("output_dir: x", "RCP2001", "output_dir", ["--output"]),
    ("data: {trigger_word: x}", "RCP2001", "trigger_word", ["`data.caption_prefix`", "prompts"]),
    ("train: {lora_target_modules: [x]}", "RCP2001", "lora_target_modules", ["`train.adapter.targets`"]),
    ("train: {adapter: {dim: 8}}", "RCP2001", "dim", ["`train.adapter.rank`"]),
    ("sample: {cfg: 5}", "RCP2001", "cfg", ["`sample.guidance`"]),
    ("sample: {num_frames: 81}", "RCP2001", "num_frames", ["`sample.frames`"]),
    ("train: {lora_type: standard}", "RCP2001", "lora_type", ["`train.adapter.kind`"]),
    ("train: {blocks_to_swap: 20}", "RCP2001", "blocks_to_swap", ["offload: {kind: memory}"]),
    # slips of YAML
    ("train:\n  steps:100", "RCP2002", "steps:100", ["`steps: 100`", "a space after the colon"]),
    ("train:\n  steps:100\n  seed: 1", "RCP1001", ":", ["`steps: 100`"]),
    ("train:\n  steps 100\n  seed: 1", "RCP1001", ":", ["`steps: 100`"]),
    ("train:\n  seed: 1\n  steps = 100", "RCP1001", "", ["`steps: 100`"]),
    ("train: {adapter: {rank:8}}", "RCP2001", "rank:8", ["`rank: 8`"]),
    ('data: {source: {kind: folder, path: "C:\\Users"}}', "RCP1001", "s", ["single quotes", "'C:\\Users'"]),
    ('train: {adapter: {targets: ["blocks\\.\\d+"]}}', "RCP1001", "\\", ["single quotes", "'blocks\\.\\d+'"]),
    ("sample:\n  prompts:\n    a: *bold* cat", "RCP1001", "*", ["stands in quotes"]),
    ("sample:\n  prompts:\n    a: *bold cat", "RCP1003", "*bold", ["stands in quotes"]),
    ("sample:\n  prompts:\n    a: [token] walks", "RCP1001", "w", ['"[token] walks"']),
    ("sample:\n  prompts:\n    a: {token} walks", "RCP1001", "w", ['"{token} walks"']),
    ('sample:\n  prompts:\n    a: "The cat" walks', "RCP1001", "w", ["'\"The cat\" walks'"]),
    ("train: {adapter: {alpha: ${train.adapter.rank}}}", "RCP1001", "{", ['"${train.adapter.rank}"']),
    ("sample: {prompts: {a: Cat #3 walks}}\ntrain: {}", "RCP1001", "t", ["begins a comment"]),
    # directives
    ("train: {adapter: {targets: {$apend: [x]}}}", "RCP2001", "$apend", ["`$append`"]),
    ("train: {adapter: {targets: {$foo: [x]}}}", "RCP2001", "$foo", ["$append, $prepend"]),
    ("train: {adapter: {targets: {append: [x]}}}", "RCP2002", "{", ["`$append`"]),
    ("data: {include: x.yaml}", "RCP2001", "include", ["`$include`"]),
    ("data: {$inclde: x.yaml}", "RCP2001", "$inclde", ["`$include`"]),
    # names of prompts
    (f"sample: {{prompts: {{A Cat: {PROMPT}}}}}", "RCP4007", "A Cat", ["file name"]),
    (f"sample:\n  prompts:\n    A Cat: >-\n      {PROMPT}", "RCP4007", "A Cat", ["file name"]),
    # secrets
    ("meta: {wandb_api_key: " + "0a" * 20 + "}", "RCP5201", "0" + "*" * 39, ["name of its key"]),
    ("meta: {password: hunter2}", "RCP5201", "h******", ["name of its key"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "token", "words"), ONE, ids=[text for text, *_ in ONE])
def test_a_slip_is_said_once_at_its_place_with_a_way_out(
    tmp_path: Path, text: str, code: str, token: str, words: list[str]
) -> None:
    body = text + "\n"
    if code == "RCP4007":
        body += "data: {source: {kind: folder, path: clips}}\n"
    (found,) = said(tmp_path, body)
    assert (found.code, found.span.token) == (code, token)
    assert [word for word in words if word not in f"{found.message} {found.help}"] == [], found.help
    if "data" in text or "train" in text:
        assert "`model" not in found.help.replace("`model.fps`", ""), "the model is not for who trains"


def test_parts_of_a_batch_are_multiplied(tmp_path: Path) -> None:
    found = said(tmp_path, "train: {train_batch_size: 4, gradient_accumulation_steps: 2}\n")
    assert len(found) == 2
    assert all("`batch_size: 8` (4 × 2) and `micro_batch: 4`" in one.help for one in found)


def test_a_size_that_is_a_width_and_a_height_is_shown_at_both(tmp_path: Path) -> None:
    (found,) = said(tmp_path, "data: {size: {width: 832, height: 480}}\n")
    (_, height), (_, kind) = found.related
    assert [height.token, kind.token, kind.source.name] == ["height", "pixel_area", "builtin:base/wan"]


def test_sides_in_the_wrong_section_belong_below_it(tmp_path: Path) -> None:
    found = said(tmp_path, "data: {width: 832, height: 480}\n")
    assert [one.help for one in found] == [
        f"`{side}` belongs under `data.size` with `kind: exact`" for side in ("width", "height")
    ]


def test_what_is_asked_for_and_what_it_is_are_two_sentences(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        HEADER + f"sample: {{prompts: {{cat: {PROMPT}}}}}\ndata: {{source: {{$required: your clips}}}}\n"
    )
    with pytest.raises(RecipeError) as caught:
        resolve(tmp_path / "x.yaml")
    (found,) = caught.value.findings
    assert found.help.startswith("asked for: your clips. Where the clips come from.")


def test_no_help_is_an_empty_list(tmp_path: Path) -> None:
    (found,) = said(tmp_path, "train: {clip: {kind: none, foo: 3}}\n")
    assert found.help == "known here: kind"
    (found,) = said(tmp_path, "train: {adapter: {targets: {$apend: [x]}}}\n")
    assert "known here" not in found.help


def test_a_value_that_is_missing_on_the_command_line_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(HEADER)
    with pytest.raises(RecipeError) as caught:
        resolve(tmp_path / "x.yaml", sets("train.seed="))
    assert "`train.seed=` has no value" in [one.message for one in caught.value.findings]


@pytest.mark.parametrize(
    "text",
    [
        "meta: {trigger_token: ohwx}", "meta: {password: null}", "meta: {secret: '${env:X}'}", "meta: {api_key: }",
        f"sample: {{prompts: {{secret: {PROMPT}}}}}", "# the token: see the wiki", "model: {text_encoder: {max_tokens: 512}}",
        "meta:\n  secret:\n    nested: 1",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_none(tmp_path: Path, text: str) -> None:
    assert "RCP5201" not in {one.code for one in said(tmp_path, text + "\n")}


def test_a_secret_by_name_is_shown_nowhere_and_found_once(tmp_path: Path) -> None:
    token = "hf_" + "a1" * 15
    found = said(tmp_path, f"meta: {{hf_token: {token}, wandb_api_key: {'0b' * 20}}}\n")
    assert [one.code for one in found] == ["RCP5201"] * 2
    assert not any("a1a1" in render(one) or "0b0b" in render(one) for one in found)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (f"{LONG} #3", True), (f"{LONG} # 3", True), (f"{LONG}  #3", True), (f"{LONG}  # mine", False), (f"'{LONG} #3'", False),
        (f"{LONG}  # recipe: allow RCP4013 it is short", False), (f"{LONG} # recipe: allow RCP4013 it is short", False),
        (f"{LONG}#3", False), (f">-\n      {LONG} #3", False),
    ],
)  # fmt: skip
def test_a_text_that_a_comment_cuts_is_remarked_on(tmp_path: Path, text: str, cut: bool) -> None:
    found = said(
        tmp_path, f"data: {{source: {{kind: folder, path: x}}}}\nsample:\n  prompts:\n    a: {text}\n"
    )
    assert ("RCP1010" in {one.code for one in found}) is cut


def test_what_a_machine_holds_may_be_more_than_a_batch(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("apiVersion: wan-recipe/v1\nkind: hardware\ntrain: {micro_batch: 8}\n")
    text = HEADER.replace("builtin:hardware/rtx-4090-24gb", "big.yaml")
    text += f"data: {{source: {{kind: folder, path: x}}}}\nsample: {{prompts: {{cat: {PROMPT}}}}}\n"
    (tmp_path / "x.yaml").write_text(text)
    assert resolve(tmp_path / "x.yaml").warnings == ()
    (tmp_path / "x.yaml").write_text(text + "train: {batch_size: 2, micro_batch: 4}\n")
    assert [one.code for one in resolve(tmp_path / "x.yaml").warnings] == ["RCP4022"]


def test_short_trials_are_not_told_of_checkpoints_that_nobody_asked_for(tmp_path: Path) -> None:
    body = f"data: {{source: {{kind: folder, path: x}}}}\nsample: {{prompts: {{cat: {PROMPT}}}}}\n"
    assert said(tmp_path, body + "train: {steps: 120}\n") == []


def test_no_shipped_example_has_a_warning_but_of_what_it_says() -> None:
    for path in sorted((ROOT / "recipes/examples").glob("*.yaml")):
        assert {one.code for one in resolve(path).warnings} <= {"RCP4004"}, path.name


@pytest.mark.parametrize("end", ["", "]} x", '" x', "} x", " #} x"])
def test_a_long_line_that_is_not_yaml_is_looked_at_quickly(tmp_path: Path, end: str) -> None:
    begun = time.monotonic()
    for piece in (": [", ': "', " #", "a:", "a = "):
        said(tmp_path, piece * 40_000 + end + "\n")
    assert time.monotonic() - begun < 10
