"""What the quickstart knows, as rules: each has a tiny recipe that it is about, and one that it leaves alone."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

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


HELD_OUT = "train.evaluation={kind: held_out, every: 100, samples: 4, levels: 8}"


def rollout(*, probability: float, start_probability: float = 0, ramp_steps: int = 10) -> str:
    return (f"train.rollout={{kind: euler, probability: {probability}, start_probability: {start_probability}, "
            f"ramp_steps: {ramp_steps}, reach: 0.2, strategy: uniform, steps: 2, target: drawn}}")  # fmt: skip


def routed(*routes: tuple[int, int, float]) -> str:
    each = ", ".join(f"{{first: {first}, last: {last}, drop: {drop}}}" for first, last, drop in routes)
    return f"train.tread={{kind: routes, routes: [{each}]}}"


ADAMW = "betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.01"
LION = "betas: [0.9, 0.99], weight_decay: 0.01"
MUON = "momentum: 0.95, weight_decay: 0.01"


def optimizer(kind: str, numbers: str) -> str:
    return f"train.optimizer={{kind: {kind}, {numbers}}}"


def bf16(rounding: str) -> str:
    return f"train.weights={{kind: bf16, rounding: {rounding}}}"


DORA = "train.adapter={kind: dora, rank: 16, alpha: 16, dropout: 0, targets: ['.*to_q']}"

CREPA = ("train.crepa={kind: dinov2, encoder: {kind: built, seed: 0}, image_size: 518, block: 8, weight: 0.5, falls: constant, "
         "distance: 1, neighbours: nearest, decay: 1}")  # fmt: skip
TREAD = "train.tread={kind: routes, routes: [{first: 2, last: -10, drop: 0.1}]}"

WHOLE = ("hardware.devices=2", "train.batch_size=2")
SHARDED = (*WHOLE, "hardware.shard=true")
BASE = "data.more.base={source: {kind: folder, path: others}, role: regularise}"

BY_SIZE = "train.noise.shift={kind: by_size}"
FOUR_TOKENS = ("data.frames=1", "data.size={kind: exact, width: 32, height: 32}")
EVALUATED = "data.more={b: {source: {kind: folder, path: b}, role: evaluate}}"
LOHA = "train.adapter={kind: loha, rank: 8, alpha: 8, dropout: 0.5, targets: ['.*to_q']}"


def ema(*, every: int = 1) -> str:
    return f"train.ema={{kind: decay, decay: 0.9, every: {every}, warmup: true}}"


def lokr(*, factor: int = 16, dropout: float = 0) -> str:
    return f"train.adapter={{kind: lokr, rank: 16, alpha: 16, dropout: {dropout}, factor: {factor}, targets: ['.*to_q']}}"


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
    ("RCP4003", "train.schedule.cycles", ["train.steps=110", "train.schedule={kind: cosine_restarts, warmup_steps: 10, cycles: 51}"],
     "51 cycles in the 100 steps after the warm-up",
     ["train.steps=110", "train.schedule={kind: cosine_restarts, warmup_steps: 10, cycles: 50}"]),
    ("RCP4003", "train.schedule.cycles", ["train.steps=200", "train.schedule={kind: cosine_restarts, warmup_steps: 99, cycles: 1000}"],
     "write at most 50", ["train.steps=200", "train.schedule={kind: cosine, warmup_steps: 99}"]),
    ("RCP4004", "data.source.revision", ["data.source={kind: hub, repository: a/b, revision: main}"], "`main` is not a commit",
     ["data.source={kind: hub, repository: a/b, revision: " + "0a" * 20 + "}"]),
    ("RCP4004", "train.crepa.encoder.revision", [CREPA, "train.crepa.encoder={kind: hub, repository: a/b, revision: main}"],
     "`main` is not a commit of a/b", [CREPA]),
    ("RCP4005", "model.transformer.text_width", ["model.transformer.text_width=64"], "is 64 but `model.text_encoder.width`",
     ["model.transformer.text_width=4096"]),
    ("RCP4005", "model.codec.halve_time", ["model.codec.halve_time=[true, true, true]"], "halves time 3 times",
     ["model.codec.halve_time=[true, true, false]"]),
    ("RCP4005", "model.size_multiple", ["model.size_multiple=24"], "not a multiple of 16", ["model.size_multiple=32"]),
    ("RCP4006", "train.adapter.targets", ["train.adapter.targets=['(']"], "not a pattern", ["train.adapter.targets=['(a)']"]),
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
    ("RCP4027", "data.more.b.weight", [HELD_OUT, "data.more={b: {source: {kind: folder, path: b}, role: evaluate, weight: 2}}"], "each counts once",
     [HELD_OUT, "data.more={b: {source: {kind: folder, path: b}, role: evaluate}}"]),
    ("RCP4027", "data.more.b.repeats", [HELD_OUT, "data.more={b: {source: {kind: folder, path: b}, role: evaluate, repeats: 2}}"],
     "each counts once", [HELD_OUT, "data.repeats=2", "data.more={b: {source: {kind: folder, path: b}, role: evaluate}}"]),
    ("RCP4081", "train.evaluation.kind", [HELD_OUT], "no dataset has clips to measure",
     [HELD_OUT, "data.more={b: {source: {kind: folder, path: b}, role: evaluate}}"]),
    ("RCP4081", "train.evaluation.kind", [HELD_OUT, "data.more={b: {source: {kind: folder, path: b}, role: evaluate, repeats: 0}}"],
     "role: evaluate", [HELD_OUT, "data.more={b: {source: {kind: folder, path: b}, role: evaluate}}"]),
    ("RCP4082", "data.more.b.role", ["data.more={b: {source: {kind: folder, path: b}, role: evaluate}}"], "nothing reads them",
     ["data.more={b: {source: {kind: folder, path: b}, role: evaluate, repeats: 0}}"]),
    ("RCP4083", "data.role", ["data.role=regularise"], "none has the role `train`",
     ["data.role=regularise", "data.more={b: {source: {kind: folder, path: b}, role: train}}"]),
    ("RCP4083", "data.role", ["data.role=evaluate", "data.more={b: {source: {kind: folder, path: b}, role: train, repeats: 0}}", HELD_OUT],
     "write `role: train`", ["data.role=evaluate", "data.more={b: {source: {kind: folder, path: b}, role: train}}", HELD_OUT]),
    ("RCP4083", "data.more.b.role", ["train.adapter={kind: full}", "data.more={b: {source: {kind: folder, path: b}, role: regularise}}"],
     "there is no adapter", ["data.more={b: {source: {kind: folder, path: b}, role: regularise}}"]),
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
    ("RCP4016", "train.feed_forward_chunks",
     ["train.feed_forward_chunks=5", "data.frames=1", "data.size={kind: exact, width: 32, height: 32}"], "only 4 can be made",
     ["train.feed_forward_chunks=4", "data.frames=1", "data.size={kind: exact, width: 32, height: 32}"]),
    ("RCP4041", "train.weights.rounding", [bf16("kahan"), optimizer("adafactor", "weight_decay: 0")], "not with `adafactor`",
     [bf16("kahan"), optimizer("lion", LION)]),
    ("RCP4041", "train.weights.rounding", [bf16("kahan"), optimizer("prodigy", ADAMW)], "write `weights: {kind: fp32}`",
     [optimizer("prodigy", ADAMW)]),
    ("RCP4041", "train.weights.rounding", [bf16("stochastic"), optimizer("schedule_free", ADAMW)], "one tensor at a time",
     [bf16("stochastic"), optimizer("adamw_8bit", ADAMW)]),
    ("RCP4042", "train.weights.rounding", [bf16("kahan"), "train.optimizer.weight_decay=0.1"], "multiplies weights by 0.99999 outside",
     [bf16("kahan"), "train.optimizer.weight_decay=0"]),
    ("RCP4042", "train.weights.rounding", [bf16("kahan"), optimizer("lion", LION)], "decay of 0.01 is lost",
     [bf16("stochastic"), optimizer("lion", LION)]),
    ("RCP4043", "train.optimizer.kind", [optimizer("muon", MUON), DORA], "a number for each row", [optimizer("muon", MUON)]),
    ("RCP4043", "train.optimizer.kind", [optimizer("muon", MUON), "train.adapter={kind: full}"], "biases and norms",
     [optimizer("adamw", ADAMW), "train.adapter={kind: full}"]),
    ("RCP4043", "train.optimizer.kind", [optimizer("muon", MUON), CREPA], "norm of its projector", [optimizer("muon", MUON)]),
    ("RCP4044", "train.learning_rate", [optimizer("prodigy", ADAMW), "train.learning_rate=0.09"], "`learning_rate: 1`",
     [optimizer("prodigy", ADAMW), "train.learning_rate=0.1"]),
    ("RCP4044", "train.schedule.kind", [optimizer("schedule_free", ADAMW), "train.schedule={kind: cosine, warmup_steps: 7}"],
     "`schedule: {kind: constant, warmup_steps: 7}`", [optimizer("schedule_free", ADAMW)]),
    ("RCP4045", "train.result", ["train.result=ema"], "none is kept",
     ["train.result=ema", "train.ema={kind: decay, decay: 0.9, every: 1, warmup: true}"]),
    ("RCP4045", "train.result", ["train.result=best"], "none is measured", ["train.result=best", HELD_OUT]),
    ("RCP4046", "train.weights.kind", ["train.adapter={kind: full}", "train.weights={kind: fp32}"], "or `precision: fp32`",
     ["train.adapter={kind: full}", "train.precision=fp32"]),
    ("RCP4046", "train.weights.kind", ["train.adapter={kind: full}", bf16("stochastic"), "train.precision=fp32"], "write `precision: bf16`",
     ["train.adapter={kind: full}", bf16("stochastic")]),
    ("RCP4046", "train.quantize", ["train.adapter={kind: full}", bf16("stochastic"), "train.quantize=int8"], "int8 weights cannot be",
     ["train.quantize=int8"]),
    ("RCP4046", "train.start.kind", ["train.adapter={kind: full}", bf16("stochastic"), "train.start={kind: file, path: a.safetensors}"],
     "no adapter that could start", ["train.start={kind: file, path: a.safetensors}"]),
    ("RCP4047", "train.optimizer.betas", [optimizer("schedule_free", ADAMW.replace("0.9,", "0,"))], "write 0.9",
     [optimizer("adamw", ADAMW.replace("0.9,", "0,"))]),
    ("RCP4048", "train.ema.every", [ema(every=2001), "train.result=ema"], "never moves in 2000 steps", [ema(every=2000), "train.result=ema"]),
    ("RCP4048", "train.ema.kind", [ema()], "and nothing reads it: write `result: ema`", [ema(), "train.result=ema"]),
    ("RCP4048", "train.ema.kind", [ema(), EVALUATED, HELD_OUT, "train.result=best"], "and it is only evaluated", [ema(), "train.result=ema"]),
    ("RCP4048", "train.ema.kind", [ema(), "train.result=ema", optimizer("schedule_free", ADAMW)], "keeps an average itself",
     [optimizer("schedule_free", ADAMW)]),
    ("RCP4049", "train.adapter.factor", [lokr(factor=0)], "write -1", [lokr(factor=-1)]),
    ("RCP4049", "train.adapter.factor", [lokr(factor=0)], "from 1 on", [lokr(factor=1)]),
    ("RCP4049", "train.adapter.dropout", [lokr(dropout=0.51)], "of nothing that is NaN", [lokr(dropout=0.5)]),
    ("RCP4049", "train.adapter.dropout", [LOHA.replace("0.5", "0.9")], "a dropout of 0.9 drops whole rows of a `loha`", [LOHA]),
    ("RCP4049", "train.adapter.dropout", [LOHA.replace("0.5", "0.9")], "at most 0.5", [DORA.replace("dropout: 0", "dropout: 0.9")]),
    ("RCP4018", "train.learning_rate", [optimizer("prodigy", ADAMW), "train.learning_rate=5"], "stay below 5",
     [optimizer("prodigy", ADAMW), "train.learning_rate=2"]),
    ("RCP4018", "train.learning_rate", [optimizer("muon", MUON), "train.learning_rate=0.02"], "stay below 0.001",
     [optimizer("muon", MUON)]),
    ("RCP4050", "train.tread.routes", [routed((2, 30, 0.1))], "write numbers from 0 to 29, or from -30 to -1", [routed((2, 28, 0.1))]),
    ("RCP4050", "train.tread.routes", [routed((-31, 9, 0.1))], "has 30 blocks", [routed((-28, 9, 0.1))]),
    ("RCP4050", "train.tread.routes", [routed((9, -25, 0.1))], "these are 9 and 5", [routed((5, -21, 0.1))]),
    ("RCP4050", "train.tread.routes", [routed((9, 20, 0.2), (2, 9, 0.1))], "2 to 9, and 9 to 20", [routed((9, 20, 0.2), (2, 8, 0.1))]),
    ("RCP4051", "train.tread.routes", [routed((1, 9, 0.1))], "out of block 1, where the blocks are 0 to 29", [routed((2, 9, 0.1))]),
    ("RCP4051", "train.tread.routes", [routed((0, -1, 0.1))], "out of block 0, 1, 29, where", [routed((2, -2, 0.1))]),
    ("RCP4052", "train.tread.routes", [routed((2, 8, 0.1), (9, -2, 0.51))], "drops 51% of the tokens", [routed((2, -2, 0.5))]),
    ("RCP4052", "train.tread.routes", [routed((2, -2, 0.24)), *FOUR_TOKENS], "0.24 of 4 tokens, which is less than one",
     [routed((2, -2, 0.25)), *FOUR_TOKENS]),
    ("RCP4052", "train.tread.routes", [routed((2, 8, 0.5), (9, -2, 0.1)), *FOUR_TOKENS], "write 0.25 or more", [routed((2, 8, 0.5), (9, -2, 0.1))]),
    ("RCP4052", "train.tread.routes", [routed((2, -2, 0.5)), "data.frames=1", "data.size={kind: exact, width: 16, height: 16}"], "take larger clips",
     [routed((2, -2, 0.5)), "data.frames=5", "data.size={kind: exact, width: 16, height: 16}"]),
    ("RCP4053", "train.offload.kind", ["train.offload={kind: memory}", "train.gradient_checkpointing={kind: none}"], "held there",
     ["train.offload={kind: memory}", "train.gradient_checkpointing={kind: keep_attention}"]),
    ("RCP4053", "train.offload.kind", ["train.offload={kind: disk}", "train.gradient_checkpointing={kind: blocks, every: 2}"],
     "fetches its weights anew", ["train.offload={kind: disk}", "train.gradient_checkpointing={kind: blocks, every: 1}"]),
    ("RCP4054", "train.offload.kind", ["train.offload={kind: memory}", "train.adapter={$replace: {kind: full}}"], "all weights are trained",
     ["train.offload={kind: none}", "train.adapter={$replace: {kind: full}}"]),
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
    ("RCP4019", "train.adapter.alpha", ["train.adapter.alpha=33"], "scales the adapter by 2.06", ["train.adapter.alpha=32"]),
    ("RCP4019", "train.adapter.alpha", ["train.adapter.rank=32", "train.adapter.alpha=1"], "write 32",
     ["train.adapter.rank=8", "train.adapter.alpha=1"]),
    ("RCP4030", "train.noise.lowest", ["train.noise.lowest=0.9", "train.noise.highest=0.9"], "write a `lowest` below 0.9",
     ["train.noise.lowest=0.9"]),
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.96", "train.noise.shift.factor=1"], "fewer than 0.1% of the noise levels",
     ["train.noise.lowest=0.95", "train.noise.shift.factor=1"]),
    ("RCP4031", "train.noise.highest", ["train.noise.highest=0.01", "train.noise.levels={kind: uniform}", "train.noise.shift.factor=20"],
     "0 or more and below 0.01", ["train.noise.highest=0.01", "train.noise.levels={kind: uniform}", "train.noise.shift.factor=3"]),
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.98", "train.noise.levels={kind: beta, alpha: 1, beta: 3}"], "after the shift",
     ["train.noise.lowest=0.96", "train.noise.levels={kind: beta, alpha: 1, beta: 3}"]),
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.9998", "train.noise.levels={kind: mode, scale: 1.29}"], "widen the range",
     ["train.noise.lowest=0.99", "train.noise.levels={kind: mode, scale: 1.29}"]),
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.91", "train.noise.levels={kind: fixed, values: [0.25, 0.75]}"],
     "`shift` that reach it", ["train.noise.lowest=0.9", "train.noise.levels={kind: fixed, values: [0.25, 0.75]}"]),
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.9", "train.noise.levels={kind: fixed, values: [0.2]}", BY_SIZE],
     "fewer than 0.1% of the noise levels", ["train.noise.lowest=0.9", "train.noise.levels={kind: fixed, values: [0.2, 0.75]}", BY_SIZE]),
    # 0.2 becomes 0.292 at the least and 0.441 at the most, and anything between for the sizes between
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.45", "train.noise.levels={kind: fixed, values: [0.2]}", BY_SIZE],
     "widen the range", ["train.noise.lowest=0.35", "train.noise.highest=0.36", "train.noise.levels={kind: fixed, values: [0.2]}", BY_SIZE]),
    ("RCP4031", "train.noise.highest", ["train.noise.highest=0.29", "train.noise.levels={kind: fixed, values: [0.2]}", BY_SIZE],
     "0 or more and below 0.29", ["train.noise.highest=0.3", "train.noise.levels={kind: fixed, values: [0.2]}", BY_SIZE]),
    ("RCP4031", "train.noise.lowest", ["train.noise.lowest=0.9999", BY_SIZE], "after the shift", ["train.noise.lowest=0.95", BY_SIZE]),
    ("RCP4032", "train.rollout.ramp_steps", [rollout(probability=0.5, ramp_steps=2000)], "0.5 is never reached",
     [rollout(probability=0.5, ramp_steps=1999)]),
    ("RCP4032", "train.rollout.ramp_steps", [rollout(probability=0.5, ramp_steps=10), "train.steps=10", "train.schedule.warmup_steps=0"],
     "write `ramp_steps: 5`", [rollout(probability=0.5, start_probability=0.5, ramp_steps=2000)]),
    ("RCP4032", "train.rollout.probability", [rollout(probability=0)], "no sample is ever rolled out", [rollout(probability=0.5)]),
    ("RCP4032", "train.rollout.probability", [rollout(probability=0, start_probability=0.5, ramp_steps=0)], "`probability: 0.5`",
     [rollout(probability=0.5, ramp_steps=0)]),
    ("RCP4032", "train.rollout.start_probability", [rollout(probability=0.25, start_probability=0.5)], "falls from 0.5 to 0.25",
     [rollout(probability=0.25, start_probability=0.5, ramp_steps=0)]),
    ("RCP4033", "train.noise.levels.scale", ["train.noise.levels={kind: mode, scale: 1.76}"], "its levels fold over",
     ["train.noise.levels={kind: mode, scale: 1.75}"]),
    ("RCP4090", "hardware.devices", ["hardware.devices=3", "train.batch_size=2"], "1 would have nothing to do",
     ["hardware.devices=2", "train.batch_size=2"]),
    ("RCP4091", "hardware.devices", ["hardware.devices=2", "hardware.device=mps", "train.batch_size=2"], "write `devices: 1`",
     ["hardware.devices=1", "hardware.device=mps"]),
    ("RCP4092", "hardware.shard", ["hardware.shard=true"], "nobody to share", [*SHARDED]),
    ("RCP4093", "train.batch_size", [*SHARDED, "train.batch_size=5"], "write 4 or 6", [*SHARDED, "train.batch_size=6"]),
    ("RCP4093", "train.offload.kind", [*SHARDED, "train.offload={kind: memory}"], "write `offload: {kind: none}`",
     [*WHOLE, "train.offload={kind: memory}"]),
    ("RCP4093", "train.quantize", [*SHARDED, "train.quantize=int8"], "write `quantize: none`", [*WHOLE, "train.quantize=int8"]),
    ("RCP4093", "train.adapter.kind", [*SHARDED, "train.adapter={kind: full}"], "write `kind: lora`",
     [*WHOLE, "train.adapter={kind: full}"]),
    ("RCP4093", "train.rollout.kind", [*SHARDED, rollout(probability=0.5)], "is drawn", [*WHOLE, rollout(probability=0.5)]),
    ("RCP4093", "data.more.base.role", [*SHARDED, BASE], "go through the model twice", [*WHOLE, BASE]),
    ("RCP4070", "train.quantize", ["train.quantize=int8", DORA], "`dora` cannot be trained on int8", ["train.quantize=none", DORA]),
    ("RCP4070", "train.quantize", ["train.quantize=int8", DORA], "or `train.precision: fp32`",
     ["train.quantize=int8", DORA, "train.precision=fp32"]),
    ("RCP4070", "train.quantize", ["train.quantize=fp8", "hardware.device=mps"], "no 8-bit floating", ["train.quantize=int8", "hardware.device=mps"]),
    ("RCP4071", "train.quantize", ["train.quantize=fp8"], "three times as far", ["train.quantize=int8"]),
    ("RCP4061", "train.crepa.block", [CREPA, "train.crepa.block=30"], "write at most 29", [CREPA, "train.crepa.block=29"]),
    ("RCP4061", "train.crepa.distance", [CREPA, "train.crepa.distance=21"], "in clips of 21 latent frames there is no neighbour",
     [CREPA, "train.crepa.distance=20"]),
    ("RCP4061", "train.crepa.distance", [CREPA, "train.crepa.distance=3", "data.frames=9"], "write `distance: 1`",
     [CREPA, "train.crepa.distance=3", "train.crepa.neighbours=all", "data.frames=9"]),
    ("RCP4061", "train.crepa.distance", [CREPA, "train.crepa.neighbours=all", "data.frames=1"], "write `distance: 0`",
     [CREPA, "train.crepa.distance=0", "data.frames=1"]),
    ("RCP4061", "train.crepa.distance", [CREPA, "data.frames=1"], "in clips of 1 latent frame there",
     [CREPA, "data.frames=1", "data.more.b={source: {kind: folder, path: b}, frames: 5}"]),
    ("RCP4062", "train.crepa.image_size", [CREPA, "train.crepa.image_size=512"], "write 504 or 518",
     [CREPA, "train.crepa.image_size=14"]),
    ("RCP4063", "train.crepa.block", [CREPA, TREAD, "train.crepa.block=2"], "write 1 or below, or 20 or above",
     [CREPA, TREAD, "train.crepa.block=1"]),
    ("RCP4063", "train.crepa.block", [CREPA, TREAD, "train.crepa.block=19"], "from block 2 to block 20",
     [CREPA, TREAD, "train.crepa.block=20"]),
    ("RCP4063", "train.crepa.block", [CREPA, "train.tread={kind: routes, routes: [{first: 0, last: -1, drop: 0.5}]}", "train.crepa.block=28"],
     "write 29 or above", [CREPA, "train.tread={kind: none}", "train.crepa.block=28"]),
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
    sets = (f"train.adapter.rank={rank}", f"train.adapter.alpha={alpha!r}")
    assert ("RCP4019" in findings(tmp_path_factory.mktemp("x"), sets)) is not (0.125 <= alpha / rank <= 2)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["logit_normal", "beta"]),
    one=st.floats(0.05, 20),
    other=st.floats(0.05, 20),
    shift=st.floats(0.2, 20),
    bounds=st.lists(st.floats(0.001, 0.999), min_size=2, max_size=2, unique=True),
)
def test_a_range_is_refused_that_less_than_a_thousandth_of_the_levels_reaches(
    tmp_path_factory: pytest.TempPathFactory, kind: str, one: float, other: float, shift: float, bounds: list[float]
) -> None:  # fmt: skip
    lowest, highest = sorted(bounds)
    before = [bound / (shift - (shift - 1) * bound) for bound in (lowest, highest)]
    if kind == "beta":
        levels = f"{{kind: beta, alpha: {one!r}, beta: {other!r}}}"
        first, end = stats.beta(one, other).cdf(before)
    else:
        levels = f"{{kind: logit_normal, mean: {one - 10!r}, scale: {other!r}}}"
        first, end = stats.norm(one - 10, other).cdf(stats.logistic.ppf(before))
    sets = (f"train.noise.levels={levels}", f"train.noise.shift.factor={shift!r}", f"train.noise.lowest={lowest!r}",
            f"train.noise.highest={highest!r}")  # fmt: skip
    assert ("RCP4031" in findings(tmp_path_factory.mktemp("x"), sets)) is bool(end - first < 0.001)


@pytest.mark.parametrize(
    "levels",
    ["{kind: logit_normal, mean: 0, scale: 1}", "{kind: uniform}", "{kind: beta, alpha: 2, beta: 2}", "{kind: mode, scale: 1.29}"],
)  # fmt: skip
@pytest.mark.parametrize("bound", ["0.9999999999999999", "5e-324", "1e-300"])
def test_a_bound_next_to_an_end_leaves_nothing_or_all(tmp_path: Path, levels: str, bound: str) -> None:
    for shift in ("{kind: fixed, factor: 0.01}", "{kind: fixed, factor: 20}", "{kind: by_size}"):
        said = (f"train.noise.levels={levels}", f"train.noise.shift={shift}")
        above = "RCP4031" in findings(tmp_path, (*said, f"train.noise.lowest={bound}"))
        below = "RCP4031" in findings(tmp_path, (*said, f"train.noise.highest={bound}"))
        assert (above, below) == ((True, False) if bound.startswith("0.9") else (False, True))


@pytest.mark.parametrize("factor", ["1e-320", "0.0001", "0.0099"])
def test_a_shift_that_leaves_no_noise_is_refused_by_its_word(tmp_path: Path, factor: str) -> None:
    found = findings(tmp_path, (f"train.noise.shift.factor={factor}", "train.noise.lowest=0.5"))
    assert {one.path for one in found.values()} == {"train.noise.shift.factor"}
