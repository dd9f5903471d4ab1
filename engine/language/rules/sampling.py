"""Rules about samples: what makes Wan's videos look worse than they are."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, at_key, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

EULER_STEPS, PROMPT_WORDS = 40, 8
_SHOWN = 40  # characters of what was cut off
# scripts that are written without spaces: kana, Han characters, Hangul
UNSPACED = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"


def prompts_are_names(recipe: "Recipe", at: At) -> Findings:
    """The short name of a prompt becomes a file name."""
    for name in recipe.sample.prompts:
        if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", name):
            yield found(
                at_key(at, "sample.prompts", name), "RCP4007", f"sample.prompts.{name}", f"the prompt name {name!r} cannot be a file name",
                "use up to 64 small letters, digits, `-` and `_`",
            )  # fmt: skip


def prompts_say_something(recipe: "Recipe", at: At) -> Findings:
    """The empty text is what guidance leads away from: a sample of it shows nothing of what was learnt."""
    for name, prompt in recipe.sample.prompts.items():
        if not prompt.strip():
            yield found(
                at, "RCP4024", f"sample.prompts.{name}", f"the prompt {name!r} is empty",
                "say what the video shows, or take the line out",
            )  # fmt: skip


def texts_are_whole(recipe: "Recipe", at: At) -> Findings:
    """A ` #` begins a comment in YAML, which cuts `Take #3` to `Take` without a word."""
    for path, text in _texts(recipe):
        span = at(path)
        rest = span.whole_line[span.end - 1 :]
        if span.token == text and re.match(r" #(?! ?recipe:)|\s+#[^\s#]", rest):
            yield found(
                at, "RCP1010", path, f"the text ends at the `#`: {rest.strip()[:_SHOWN]!r} is a comment",
                "quote the whole text if it belongs to it; if it is a comment, write it on a line of its own",
                severity="warning",
            )  # fmt: skip


def texts_are_read_to_their_end(recipe: "Recipe", at: At) -> Findings:
    """The text encoder reads so many tokens and drops the rest without a word; a word is one token at least.

    The last token is the end mark. Most words take more than one, so that shorter texts may be cut as well.
    """
    most = recipe.model.text_encoder.max_tokens
    for path, text in _texts(recipe):
        if (words := len(text.split())) >= most:
            yield found(
                at, "RCP4021", path, f"`{path}` has {words} words, and the text encoder reads {most} tokens",
                f"what is beyond is not read; most words take more than one token: stay below {most // 2} words",
                because="model.text_encoder.max_tokens", severity="warning",
            )  # fmt: skip


def prompts_are_long(recipe: "Recipe", at: At) -> Findings:
    """UMT5 is Wan's only text encoder, and a few words do not tell it enough (quickstart).

    Wan was trained on captions of several sentences. A model with random weights understands none, however long.
    """
    if recipe.model.source.kind == "built":
        return
    for name, prompt in recipe.sample.prompts.items():
        if 0 < (words := _words(prompt)) < PROMPT_WORDS:
            yield found(
                at, "RCP4013", f"sample.prompts.{name}", f"the prompt {name!r} has about {words} words",
                "Wan wants long, detailed prompts: say who or what, how it looks and moves, where, the light, the camera",
                severity="warning",
            )  # fmt: skip


def guidance_is_safe(recipe: "Recipe", at: At) -> Findings:
    """Wan 2.1 1.3B is sensitive to guidance; about 4.0 to 5.0 is safe (quickstart)."""
    safe, said = recipe.model.advice.guidance, recipe.sample.guidance
    if safe and not min(safe) <= said <= max(safe):
        yield found(
            at, "RCP4011", "sample.guidance",
            f"guidance {said:g} is outside of what is safe for {recipe.model.name}: {min(safe):g} to {max(safe):g}",
            "too much burns colours, too little ignores the prompt", because="model.advice.guidance", severity="warning",
        )  # fmt: skip


def steps_are_enough(recipe: "Recipe", at: At) -> Findings:
    """Only UniPC, which is of a higher order, can do with fewer than about 40 steps (quickstart)."""
    sampler, steps = recipe.sample.sampler, recipe.sample.steps
    if sampler != "unipc" and steps < EULER_STEPS:
        yield found(
            at, "RCP4012", "sample.steps", f"{steps} steps are few for the sampler `{sampler}`",
            f"Wan's videos fall apart with too few: write {EULER_STEPS} or more, or `sampler: unipc`",
            because="sample.sampler", severity="warning",
        )  # fmt: skip


def _texts(recipe: "Recipe") -> Iterator[tuple[str, str]]:
    """Yield every text that the text encoder reads, as far as a recipe says it, by its path."""
    yield from ((f"sample.prompts.{name}", prompt) for name, prompt in recipe.sample.prompts.items())
    yield "sample.negative", recipe.sample.negative
    if recipe.data.captions.kind == "one":
        yield "data.captions.text", recipe.data.captions.text


def _words(text: str) -> int:
    """Count words; two characters of a script without spaces count as one."""
    return len(re.sub(UNSPACED, " ", text).split()) + len(re.findall(UNSPACED, text)) // 2
