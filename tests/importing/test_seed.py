"""The quickstart's own configuration comes over: it validates, it plans, and its traps are named."""

from pathlib import Path

import numpy as np
import pytest

from engine import pipeline
from engine.clips.write import write_video
from engine.importing.recipe import from_simpletuner, report
from engine.language.diagnostics import RecipeError
from engine.language.resolve import resolve

HERE = Path(__file__).parent
CONFIG = HERE / "seed-config.json"
CLIPS = ["seed-multidatabackend.json", "seed-conditioning.json"]


def imported(data: str = CLIPS[0]):
    return from_simpletuner(CONFIG, HERE / data)


@pytest.mark.parametrize("data", CLIPS)
def test_the_seed_imports_to_a_recipe_that_validates(data: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(imported(data).text)
    made = resolve(tmp_path / "x.yaml").recipe
    assert made.model.name == "Wan 2.1 T2V 1.3B"
    assert (made.data.frames, made.data.size.edge, made.data.short_clips, made.data.bad_files) == (
        73,
        480,
        "drop",
        "skip",
    )
    assert (made.train.steps, made.train.batch_size, made.train.learning_rate) == (400_000, 2, 5e-5)
    assert made.data.captions.model_dump() == {"kind": "beside", "lines": "variants"}
    assert (made.data.repeats, made.data.min_size, made.data.more) == (1, 0, {})
    assert made.data.scale.kind == "cover", "without a crop its maximum_image_size does nothing"
    assert made.train.optimizer.model_dump() == {"kind": "lion", "betas": [0.9, 0.99], "weight_decay": 0}
    assert made.train.schedule.model_dump() == {"kind": "cosine", "warmup_steps": 0}
    assert made.train.clip.model_dump() == {"kind": "value", "limit": 0.01}
    assert (made.train.adapter.rank, made.train.adapter.alpha, made.train.adapter.dropout) == (16, 16, 0.1)
    assert made.train.weights.model_dump() == {"kind": "bf16", "rounding": "kahan"}, "as optimi's Lion does"
    assert made.train.ema.model_dump() == {"kind": "decay", "decay": 0.995, "every": 2, "warmup": True}
    assert (made.train.result, made.train.ema_on) == ("ema", "cpu")
    assert made.train.gradient_checkpointing.model_dump() == {"kind": "blocks", "every": 1}
    assert made.train.noise.shift.model_dump() == {"kind": "fixed", "factor": 3}
    assert (made.train.quantize, made.train.seed, made.train.attention, made.sample.attention) == (
        "none",
        42,
        "native",
        "sage",
    )
    assert (made.sample.width, made.sample.height, made.sample.frames, made.sample.steps) == (
        832,
        480,
        81,
        40,
    )


@pytest.mark.parametrize("data", CLIPS)
def test_the_seed_plans_where_its_clips_are(data: str, tmp_path: Path) -> None:
    clips = tmp_path / "datasets" / "disney-black-and-white"
    clips.mkdir(parents=True)
    for name in ("boat", "whistle"):
        write_video(clips / f"{name}.mp4", np.full((90, 64, 64, 3), 90, np.uint8), 16)
        (clips / f"{name}.txt").write_text("A mouse steers a river boat and whistles while the smoke rises.")
    (tmp_path / "x.yaml").write_text(imported(data).text)
    made, _, warnings = pipeline.plan(tmp_path / "x.yaml", (), tmp_path / "store")
    assert "train" in [step.stage.name for step in made.work]
    assert {found.code for found in warnings} <= {"RCP4010", "RCP4011", "RCP4111"}, "these clips are enlarged"


def test_a_folder_that_is_not_there_is_a_finding_of_the_plan(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(imported().text)
    with pytest.raises(RecipeError) as caught:
        pipeline.plan(tmp_path / "x.yaml", (), tmp_path / "store")
    assert "RCP4101" in {found.code for found in caught.value.findings}


def test_the_notes_name_the_traps_of_the_seed() -> None:
    said = " ".join(line.strip().removeprefix("#").strip() for line in imported().text.splitlines())
    for trap in (
        "75 is not 4n+1",  # frames
        "fewer pixels than a square of 480 px",  # minimum_image_size
        "480 is the area of a 480x480 square, not 480p",
        "never warms up: lr_warmup_steps 400000 is the length of its fall",
        "SageAttention cannot train",
        "5.2 lies outside 4 to 5",
        "nothing of yours is ever deleted",
        "SimpleTuner averages in bf16, which loses most updates",
        "a list such as [9] is ignored, and its window is inverted",
        "webhook_config:",
        "push_to_hub:",
    ):
        assert trap in said, trap


@pytest.mark.parametrize(
    ("more", "trap"),
    [
        ('"tread_config": "config/tread.json"', "write `train.tread: {kind: routes, routes: [{first: 2, last: -2, drop: 0.1}]}`"),
        ('"base_model_precision": "nf4-bnb"', "4 bits ruin it"),
        ('"base_model_precision": "int2-quanto"', "or in 8 bits: `train.quantize: int8` or `fp8`"),
        ('"text_encoder_1_precision": "int8-quanto"', "the text encoder is not quantised here"),
        ('"flow_schedule_auto_shift": true', "counts only where `flow_schedule_shift` is 0"),
        ('"enable_chunked_feed_forward": true, "feed_forward_chunk_size": 2', "SimpleTuner cuts the batch by it"),
        ('"model_flavour": "i2v-14b-2.2-high"', "`high` trains the low-noise weights"),
        ('"crepa_enabled": true, "crepa_use_backbone_features": true', "never the model itself"),
        ('"enable_model_cpu_offload": true', "no such option either"),
    ],
)  # fmt: skip
def test_what_the_quickstart_offers_beside_its_config_is_told_apart(
    more: str, trap: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text("{" + more + "}")
    assert trap in report(from_simpletuner(config, None))
