"""What to write instead, told by the form of a value: ``1_000``, ``0x1F`` and ``'10'`` are texts, ``1.10`` is a number."""

import re
from collections.abc import Callable, Collection

from engine.language.nodes import Span
from engine.language.read import number
from engine.language.rules.data import EDGES
from engine.words.table import word_at

_DISAGREE = "readers of YAML disagree on it"
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_RATE = 16  # frames a second of Wan 2.1


def hint_for_text(text: str) -> str:
    """Say how to write a number that was written as a text; empty where the text looks like none.

    For a word that wants a number and was given a text, quoted or not.
    """
    bare = text.strip()
    if number(bare) is not None:
        return f"write {bare} without quotes"
    for form, meant, why in _FORMS:
        match = re.fullmatch(form, bare)
        if match and number(meant(match)) is not None:
            return f"write {meant(match)}{why.format(**match.groupdict())}"
    return next((why for form, why in _NO_NUMBERS if re.fullmatch(form, bare)), "")


def hint_for_measure(path: str, text: str) -> str:
    """Say what a length in seconds is in frames, and a height such as 480p as an edge: a number of another measure."""
    word = word_at(path)
    if (
        word
        and word.unit == "frames"
        and (match := re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?) ?s(?:ec(?:onds?)?)?", text))
    ):
        frames = 4 * round(float(match[1]) * _RATE / 4) + 1
        return f"write {frames}: frames are counted, {_RATE} a second in Wan 2.1, and 4n+1 of them"
    if path.endswith(".edge") and (match := re.fullmatch(r"(\d{3,4})p", text)) and int(match[1]) in EDGES:
        edge, name = EDGES[int(match[1])]
        return f"write {edge} with `kind: pixel_area`, the area of {name}; or {match[1]} with `kind: pixel`, the shorter side"
    return ""


def hint_for_truth(text: str) -> str:
    """Say how to write true or false where it was quoted, or in a word that YAML of old had for it."""
    said = text.strip().lower()
    truth = said if said in ("true", "false") else _TRUTHS.get(said)
    return f"write {truth}" if truth else ""


def hint_for_number(span: Span) -> str:
    """Say how to write a text that reads as a number, as it is written: ``1.10`` would lose its zero.

    For a word that wants a text and was given a plain number, true, false or null.
    """
    return f'quote it: "{span.token}"' if span.token else ""


def meant_choice(path: str, said: str, choices: Collection[str]) -> tuple[str, str]:
    """Return the choice that was likely meant, and why; empty texts where it cannot be told.

    Args:
        path: of the word; of a section's ``kind`` where the section is told apart by it.
        said: what is none of the choices.
    """
    plain = re.sub("[- ]", "_", said.strip().lower())
    if plain in choices:
        return plain, ""
    for word, form, choice, why in _LIKELY:
        if path.endswith(f".{word}") and re.fullmatch(form, plain) and (not choice or choice in choices):
            return choice, why
    return "", ""


def _bare(match: re.Match[str]) -> str:
    return re.sub("[_, ]", "", match["number"])


def _in_tens(match: re.Match[str]) -> str:
    try:
        return str(int(match["number"].lower(), 0))
    except ValueError:  # `0x_1`
        return ""


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], str], str], ...] = (
    (r"\+(?P<number>[.\d].{0,30})", _bare, ", without the +"),
    (r"0+(?P<number>[1-9]\d{0,20})", _bare, f": {_DISAGREE}, as a leading 0 means base 8 to some"),
    (r"(?P<number>-?\d{1,3}(_\d{3})+)", _bare, f": {_DISAGREE}"),
    (r"(?P<number>-?\d{1,3}([, ]\d{3})+)", _bare, ", without separators"),
    (r"(?P<number>-?\d+,\d+)", lambda match: match["number"].replace(",", "."), ", with a point"),
    (r"(?P<number>0[oOxXbB][0-9a-fA-F_]{1,20})", _in_tens, ": numbers are written in base 10"),
    (r"(?P<number>\d{1,9}(\.\d{1,9})?) ?%", lambda match: f"{float(match['number']) / 100:.12g}", ""),
    (r"(?P<number>\d{1,9}(\.\d{1,9})?) ?[kK]", lambda match: f"{float(match['number']) * 1000:.12g}", ""),
    (r"(?P<number>\d{1,9}(\.\d{1,9})?) ?(?P<unit>[a-zA-WYZµ][a-zA-Zµ]{0,7})", _bare,
     " without `{unit}`: the unit is part of the word's meaning"),
)  # fmt: skip
"""Form → the number that is meant, and what is said behind it."""

_NO_NUMBERS = (
    (r"\d{4}-\d\d?-\d\d?([Tt ].{0,40})?", "a date is a text; write a number"),
    (r"\d{1,9}(:\d\d?){1,3}", f"{_DISAGREE}, as some count in sixties; write a number"),
)

_LIKELY = (
    ("short_clips", "skip|ignore|leave_out|remove|delete", "drop", ""),
    ("short_clips", "trim|shorten|cut|shorter", "fewer", ""),
    ("short_clips", "pad|repeat|extend|cycle", "loop", "a clip begins again until it is full; no frame is held"),
    ("bad_files", "drop|ignore|leave_out|remove|delete", "skip", "it is left out and listed; nothing of yours is deleted"),
    ("no_caption", "skip|ignore|leave_out|remove|delete", "drop", "it is left out and listed; nothing of yours is deleted"),
    ("captions.kind", "text_?files?|te?xt|sidecar|files?|caption_?files?", "beside", "`cat.txt` stands beside `cat.mp4`"),
    ("captions.kind", "instance_?prompt|single|fixed", "one", "its words are `text`"),
    ("captions.kind", "csv|tsv|jsonl?|parquet|table|metadata", "column", "the table is the source's, or `metadata.csv` in its folder"),
    ("captions.lines", "split|each|every|random|separate", "variants", ""),
    ("captions.lines", "join|one|whole|single|wrapped", "joined", ""),
    ("source.kind", "local|dir|directory|path|files?|videos?", "folder", ""),
    ("source.kind", "hugging_?face|hf|hf_hub|dataset|repository", "hub", ""),
    ("source.kind", "csv|tsv|json(_?l(ines)?)?|parquet|metadata", "table", "its clips are named by a column"),
    ("source.kind", "te?xt|text_?file|file_?list|lines", "list", ""),
    ("source.kind", "s3|aws|gcs|azure|bucket|cloud|url|https?|fsspec", "remote", "anything that fsspec opens, such as `s3://bucket/clips`"),
    ("size.kind", "pixels|short(er|est)?_(side|edge)|side|edge", "pixel", "the length of the shorter side"),
    ("size.kind", "mega_?pixels?|mp", "area", "in millions of pixels"),
    ("size.kind", "fixed|resolution|size", "exact", ""),
    ("aspect.kind", "keep|own|original|none", "preserve", ""),
    ("aspect.kind", "nearest|buckets?", "closest", "its shapes are `of`"),
    ("scale.kind", "resize|fit|fill|full", "cover", ""),
    ("crop", "center|middle", "centre", ""),
    ("crop", "top_left|upper_left|left", "corner", ""),
    ("crop", "off|no|never|false|stretch", "none", "a clip is stretched by the percent or two that rounding takes"),
    ("crop", "face", "", "no face is looked for; `centre` keeps most of them"),
    ("windows.kind", "first|start|begin(ning)?|single.*", "head", ""),
    ("windows.kind", "center|centre", "middle", ""),
    ("windows.kind", "chunks?|slide|stride|multiple.*", "sliding", "with a stride of as many frames as `frames`, none overlap"),
    ("windows.kind", "even(ly)?|spread|linspace", "uniform", ""),
    ("windows.kind", "full|all|whole", "", "write `head`, as many `frames` as the longest clip has, and `short_clips: fewer`"),
    ("mix", "weights?|weighted|probability", "by_weight", ""),
    ("mix", "counts?|sizes?|repeats", "by_count", ""),
    ("small_buckets", "repeats|oversample|oversubscribe|fill", "repeat", ""),
    ("small_buckets", "drop|skip|discard|wait|keep", "carry", "none is left out: they wait for those of the next epoch"),
    ("attention", "sdpa|torch|pytorch|diffusers|default|auto", "native", "torch takes the best kernel that there is"),
    ("attention", "flash_?(attn|attention)?_?3|fa_?3", "flash_3", ""),
    ("attention", "flash_?(attn|attention)?_?2?|fa_?2?", "flash", ""),
    ("attention", "sage_?(attn|attention).*", "sage", "it can sample, and cannot train"),
    ("device", "gpu|nvidia|cuda:0", "cuda", ""),
    ("device", "metal|mac|apple", "mps", ""),
    ("precision", "bf.*16|brain.*", "bf16", ""),
    ("precision", "f(p|loat)?16|half|16|mixed", "bf16", "it takes as little memory as fp16, and has the range of fp32"),
    ("precision", "f(p|loat)?32|full|single|no|32", "fp32", ""),
    ("precision", ".*8.*", "", "frozen weights are kept in 8 bits by `train.quantize: int8`, and computed with in `bf16`"),
    ("quantize", "q?int_?8.*|8_?bit|bnb.*", "int8", ""),
    ("quantize", "q?f(p|loat)_?8.*", "fp8", "`int8` is as large, and closer"),
    ("quantize", "no|off|false|no_change|bf_?16", "none", "what `precision` says"),
    ("adapter.kind", "standard|peft|locon", "lora", ""),
    ("adapter.kind", "lycoris|kronecker", "lokr", ""),
    ("optimizer.kind", ".*schedule_?free.*", "schedule_free", "it is AdamW without a schedule"),
    ("optimizer.kind", ".*adam_?w?.*8.*", "adamw_8bit", "it needs bitsandbytes"),
    ("optimizer.kind", ".*adam_?w.*|adam", "adamw", ""),
    ("optimizer.kind", ".*lion.*8.*", "lion_8bit", "it needs bitsandbytes"),
    ("optimizer.kind", ".*lion.*", "lion", ""),
    ("optimizer.kind", ".*ada_?factor.*", "adafactor", ""),
    ("optimizer.kind", "prodigy.*|d_?adapt.*|automagic.*", "prodigy", "it finds its own step size, and needs prodigyopt"),
    ("optimizer.kind", ".*muon.*", "muon", ""),
    ("optimizer.kind", ".*", "", "`adamw` at a learning rate of 1e-4 is usual"),
    ("schedule.kind", "constant.*", "constant", "its warm-up is `warmup_steps`"),
    ("schedule.kind", "cosine.*restarts.*", "cosine_restarts", "it falls `cycles` times; its warm-up is `warmup_steps`"),
    ("schedule.kind", "cosine.*", "cosine", "it falls once, to 0 at the last step; its warm-up is `warmup_steps`"),
    ("schedule.kind", "linear.*", "linear", "its warm-up is `warmup_steps`"),
    ("schedule.kind", "poly.*", "polynomial", "its warm-up is `warmup_steps`"),
    ("loss.kind", "mse|squared?|mean_squared?", "l2", ""),
    ("loss.kind", "smooth_?l1|pseudo_?huber", "huber", "it bends at `delta`"),
    ("shift.kind", "auto|dynamic|(by_)?resolution|flux.*", "by_size", ""),
    ("offload.kind", "cpu|ram|swap|blocks|group", "memory", "all blocks wait in the memory of the computer"),
    ("offload.kind", "ssd|nvme|file", "disk", "the file lies in the store"),
    ("gradient_checkpointing.kind", "all|full|torch|true|on", "blocks", ""),
    ("role", "eval(uation)?|valid(ation)?|test|held_?out", "evaluate", ""),
    ("role", "reg(ulari[sz]ation)?|regularize|prior", "regularise", ""),
    ("result", "average|averaged|shadow", "ema", ""),
    ("result", "final|latest|live", "last", ""),
    ("clip.kind", "l2|grad_norm|max_norm|global_norm", "norm", ""),
    ("clip.kind", "off|no|false|disabled", "none", ""),
    ("levels.kind", "sigmoid|logit.*|normal|gaussian", "logit_normal", ""),
    ("levels.kind", "flat|random|linear", "uniform", ""),
    ("levels.kind", "list|custom|timesteps", "fixed", "the noise levels are its `values`"),
    ("sampler", "uni_?pc.*|dpm.*|ddim|lcm", "unipc", "it needs the fewest steps of those that there are"),
    ("sampler", "euler.*|flow_?match.*", "euler", ""),
)  # fmt: skip
"""Word, what people write there, the choice that they mean (none where there is none), and why: the first that fits counts."""
