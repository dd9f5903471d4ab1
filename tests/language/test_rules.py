"""What the quickstart knows, as rules: each has a tiny recipe that it is about, and one that it leaves alone."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.language.rules import RULES

REAL, TINY = "wan2.1-t2v-1.3b", "wan2.1-t2v-micro"
PROMPT = "A black cat walks to the right past two houses under a crescent moon."
CAT = "一只黑猫在新月下的小镇里缓缓走过两座房子，镜头跟随它移动，黑白卡通风格"  # 36 characters


def recipe(flavour: str = REAL) -> str:
    return (f"apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/{flavour}]\n"
            "data: {source: {kind: folder, path: clips}}\n"
            f"sample: {{prompts: {{cat: {PROMPT}}}}}\n")  # fmt: skip


def findings(folder: Path, sets: tuple[str, ...], flavour: str = REAL) -> Mapping[str, Diagnostic]:
    path = folder / "x.yaml"
    path.write_text(recipe(flavour))
    try:
        found = resolve(path, sets_of(*sets)).warnings
    except RecipeError as wrong:
        found = wrong.findings
    return {one.code: one for one in found}


# code, the word that it points at, what triggers it, what is said, and a like recipe that does not
RULE_TABLE = [
    ("RCP4001", "data.frames", ["data.frames=75"], "write 73 or 77", ["data.frames=73"]),
    ("RCP4001", "sample.frames", ["sample.frames=80"], "write 77 or 81", ["sample.frames=1"]),
    ("RCP4002", "data.size.width", ["data.size={kind: exact, width: 850, height: 480}"], "write 848 or 864",
     ["data.size={kind: exact, width: 848, height: 480}"]),
    ("RCP4003", "train.schedule.warmup_steps", ["train.schedule.warmup_steps=2000"], "2000 steps is not over",
     ["train.schedule.warmup_steps=1000"]),
    ("RCP4003", "train.schedule.warmup_steps", ["train.schedule.warmup_steps=1001"], "1001 of 2000 steps",
     ["train.schedule.warmup_steps=1000"]),
    ("RCP4004", "data.source.revision", ["data.source={kind: hub, repository: a/b, revision: main}"], "`main` is not a commit",
     ["data.source={kind: hub, repository: a/b, revision: " + "0a" * 20 + "}"]),
    ("RCP4005", "model.transformer.text_width", ["model.transformer.text_width=64"], "is 64 but `model.text_encoder.width`",
     ["model.transformer.text_width=4096"]),
    ("RCP4005", "model.codec.halve_time", ["model.codec.halve_time=[true, true, true]"], "halves time 3 times",
     ["model.codec.halve_time=[true, true, false]"]),
    ("RCP4005", "model.size_multiple", ["model.size_multiple=24"], "not a multiple of 16", ["model.size_multiple=32"]),
    ("RCP4006", "train.lora.targets", ["train.lora.targets=['(']"], "not a pattern", ["train.lora.targets=['(a)']"]),
    ("RCP4007", "sample.prompts.A cat", [f"sample.prompts.A cat={PROMPT}"], "cannot be a file name",
     [f"sample.prompts.a-cat={PROMPT}"]),
    ("RCP4001", "data.frame_interval", ["data.frame_interval=6"], "write 4 or 8", ["data.frame_interval=8"]),
    ("RCP4001", "data.more.b.frames", ["data.more.b={source: {kind: folder, path: b}, frames: 75}"], "write 73 or 77",
     ["data.more.b={source: {kind: folder, path: b}, frames: 73}"]),
    ("RCP4002", "data.more.b.size.width", ["data.more.b={source: {kind: folder, path: b}, size: {kind: exact, width: 850, height: 480}}"],
     "write 848 or 864", ["data.more.b={source: {kind: folder, path: b}, size: {kind: exact, width: 848, height: 480}}"]),
    ("RCP4006", "data.caption_filter", ["data.caption_filter=['(']"], "not a pattern", ["data.caption_filter=['(a)']"]),
    ("RCP4025", "data.more.a b", ["data.more={a b: {source: {kind: folder, path: b}}}"], "cannot be the name",
     ["data.more={a-b: {source: {kind: folder, path: b}}}"]),
    ("RCP4026", "data.min_frames", ["data.min_frames=90", "data.max_frames=85"], "no clip has both",
     ["data.min_frames=85", "data.max_frames=85"]),
    ("RCP4026", "data.max_frames", ["data.max_frames=77"], "81 are taken of each", ["data.max_frames=77", "data.short_clips=fewer"]),
    ("RCP4026", "data.repeats", ["data.repeats=0"], "every dataset is left out",
     ["data.repeats=0", "data.more={b: {source: {kind: folder, path: b}, repeats: 1}}"]),
    ("RCP4027", "data.aspect.kind", ["data.size={kind: exact, width: 832, height: 480}", "data.aspect={kind: square}"],
     "does nothing beside an exact size", ["data.aspect={kind: square}"]),
    ("RCP4027", "data.more.b.weight", ["data.more={b: {source: {kind: folder, path: b}, weight: 2}}"], "weights do nothing",
     ["data.more={b: {source: {kind: folder, path: b}, weight: 2}}", "data.mix=by_weight"]),
    ("RCP4027", "data.repeats", ["data.repeats=2", "data.mix=by_weight"], "repeats do nothing", ["data.repeats=2"]),
    ("RCP4027", "data.captions.kind", ["data.source={kind: list, path: a.txt}", "data.captions={kind: column, column: text}"],
     "has no table", ["data.captions={kind: column, column: text}"]),
    ("RCP4028", "data.crop", ["data.crop=none", "data.aspect={kind: square}"], "would be squashed", ["data.crop=none"]),
    ("RCP4028", "data.scale.to", ["data.scale={kind: downsample, above: 720, to: 1080}"], "would be made larger",
     ["data.scale={kind: downsample, above: 1080, to: 720}"]),
    ("RCP4009", "sample.width", ["sample.width=1280", "sample.height=720"], "not trained at 1280x720",
     ["sample.width=480", "sample.height=832"]),
    ("RCP4010", "data.size.edge", ["data.size.edge=480"], "640x368 for a 16:9 clip, not 480p", ["data.size.edge=632"]),
    ("RCP4010", "data.size.edge", ["data.size.edge=720"], "write 960", ["data.size.edge=960"]),
    ("RCP4011", "sample.guidance", ["sample.guidance=5.2"], "guidance 5.2 is outside", ["sample.guidance=4"]),
    ("RCP4012", "sample.steps", ["sample.sampler=euler", "sample.steps=39"], "39 steps are few",
     ["sample.sampler=euler_beta", "sample.steps=40"]),
    ("RCP4012", "sample.steps", ["sample.sampler=euler_beta", "sample.steps=30"], "`sampler: unipc`",
     ["sample.sampler=unipc", "sample.steps=30"]),
    ("RCP4013", "sample.prompts.cat", ["sample.prompts.cat=a black cat"], "about 3 words", [f"sample.prompts.cat={CAT}"]),
    ("RCP4013", "sample.prompts.cat", ["sample.prompts.cat=一只黑猫"], "about 2 words", [f"sample.prompts.cat={PROMPT}"]),
    ("RCP4014", "train.attention", ["train.attention=sage"], "no backward pass", ["sample.attention=sage"]),
    ("RCP4015", "sample.attention", ["hardware.device=cpu", "sample.attention=flash"], "not `cpu`",
     ["hardware.device=cpu", "sample.attention=native_math"]),
    ("RCP4015", "train.attention", ["train.precision=fp32", "train.attention=flash_3"], "not compute in fp32",
     ["train.precision=bf16", "train.attention=flash_3"]),
    ("RCP4016", "train.feed_forward_chunks", ["train.feed_forward_chunks=4", "train.gradient_checkpointing=false"],
     "save nothing", ["train.feed_forward_chunks=4", "train.gradient_checkpointing=true"]),
    ("RCP4016", "train.feed_forward_chunks",
     ["train.feed_forward_chunks=5", "data.frames=1", "data.size={kind: exact, width: 32, height: 32}"], "only 4 can be made",
     ["train.feed_forward_chunks=4", "data.frames=1", "data.size={kind: exact, width: 32, height: 32}"]),
    ("RCP4017", "train.learning_rate", ["train.learning_rate=0"], "nothing is learnt", ["train.learning_rate=1e-9"]),
    ("RCP4018", "train.learning_rate", ["train.learning_rate=1e-3"], "stay below 0.001", ["train.learning_rate=9e-4"]),
    ("RCP4018", "train.learning_rate",
     ["train.optimizer={kind: lion, betas: [0.9, 0.99], weight_decay: 0}", "train.learning_rate=1e-3"], "for `lion`",
     ["train.optimizer={kind: lion, betas: [0.9, 0.99], weight_decay: 0}", "train.learning_rate=5e-5"]),
    ("RCP4020", "hardware.device", ["hardware.device=cpu"], "wan2.1-t2v-micro", ["hardware.device=auto"]),
    ("RCP4021", "sample.prompts.cat", ["sample.prompts.cat=" + "a cat " * 256], "has 512 words, and the text encoder reads 512",
     ["sample.prompts.cat=" + "a cat " * 255]),
    ("RCP4021", "data.captions.text", ["data.captions={kind: one, text: " + "a cat " * 256 + "}"], "not read",
     ["data.captions={kind: one, text: " + "a cat " * 255 + "}"]),
    ("RCP4022", "train.micro_batch", ["train.batch_size=4", "train.micro_batch=8"], "`micro_batch: 4`",
     ["train.batch_size=8", "train.micro_batch=8"]),
    ("RCP4023", "train.checkpoints.every", ["train.steps=400", "train.checkpoints.every=401"], "write `every: 50`",
     ["train.steps=400", "train.checkpoints.every=400"]),
    ("RCP4024", "sample.prompts.cat", ["sample.prompts.cat=' '"], "is empty", [f"sample.prompts.cat={PROMPT}"]),
    ("RCP1010", "sample.prompts.cat", [f"sample.prompts.cat={PROMPT} #3"], "'#3' is a comment", [f"sample.prompts.cat='{PROMPT} #3'"]),
    ("RCP1010", "sample.prompts.cat", [f"sample.prompts.cat={PROMPT} # it walks"], "quote the whole",
     [f"sample.prompts.cat={PROMPT}  # a comment"]),
    ("RCP4019", "train.lora.alpha", ["train.lora.alpha=33"], "scales the adapter by 2.06", ["train.lora.alpha=32"]),
    ("RCP4019", "train.lora.alpha", ["train.lora.rank=32", "train.lora.alpha=1"], "write 32",
     ["train.lora.rank=8", "train.lora.alpha=1"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "path", "wrong", "said", "sound"), RULE_TABLE,
    ids=[f"{code} {' '.join(wrong)}" for code, _, wrong, _, _ in RULE_TABLE],
)  # fmt: skip
def test_a_rule_speaks_where_it_should_and_nowhere_else(
    tmp_path: Path, code: str, path: str, wrong: list[str], said: str, sound: list[str]
) -> None:
    found = findings(tmp_path, tuple(wrong))[code]
    assert found.path == path
    assert said in found.message + " " + found.help
    assert found.help, "a finding says what to do"
    assert found.span.source.name.startswith("--set"), "it points at what the author said"
    assert code not in findings(tmp_path, tuple(sound))


def test_every_rule_has_a_row_and_says_why() -> None:
    names = {rule.__name__ for rule in RULES}
    source = "".join(path.read_text() for path in (ROOT / "engine/language/rules").glob("*.py"))
    codes = set(re.findall(r"RCP\d{4}", source))
    assert codes == {row[0] for row in RULE_TABLE}
    assert len(names) == len(RULES) >= 25
    assert all(rule.__doc__ for rule in RULES)


def test_a_recipe_that_says_only_what_is_its_own_is_left_alone(tmp_path: Path) -> None:
    assert findings(tmp_path, ()) == {}


def test_what_another_layer_implies_is_shown_there(tmp_path: Path) -> None:
    for change, code, layer in (
        ("sample.guidance=9", "RCP4011", "flavours/wan2.1-t2v-1.3b"),
        ("data.frames=75", "RCP4001", "base/wan"),
        ("train.steps=50", "RCP4003", "base/wan"),  # the finding itself stands at what was set
    ):
        ((_, span),) = findings(tmp_path, (change,))[code].related
        assert span.source.name.endswith(layer)


def test_nothing_is_known_of_sampling_random_weights(tmp_path: Path) -> None:
    sets = ("sample.prompts.cat=cat", "sample.guidance=12", "sample.width=48", "train.learning_rate=2e-3")
    assert findings(tmp_path, sets, TINY) == {}


@settings(max_examples=40, deadline=None)
@given(frames=st.integers(1, 200), word=st.sampled_from(["data.frames", "sample.frames"]))
def test_frames_that_are_not_4n_plus_1_are_told_the_nearest_that_are(
    tmp_path_factory: pytest.TempPathFactory, frames: int, word: str
) -> None:
    found = findings(tmp_path_factory.mktemp("x"), (f"{word}={frames}",)).get("RCP4001")
    if frames % 4 == 1:
        assert found is None
        return
    assert found is not None
    written = [int(number) for number in re.findall(r"\d+", found.help)]
    legal = [1 + 4 * n for n in range(60)]
    assert written == [max((n for n in legal if n < frames), default=1), min(n for n in legal if n > frames)]


@settings(max_examples=40, deadline=None)
@given(rank=st.integers(1, 1024), alpha=st.floats(0.001, 4096))
def test_alpha_is_remarked_on_beyond_twice_and_an_eighth_of_the_rank(
    tmp_path_factory: pytest.TempPathFactory, rank: int, alpha: float
) -> None:
    sets = (f"train.lora.rank={rank}", f"train.lora.alpha={alpha!r}")
    assert ("RCP4019" in findings(tmp_path_factory.mktemp("x"), sets)) is not (0.125 <= alpha / rank <= 2)
