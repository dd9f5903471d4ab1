"""Rules about samples: what makes Wan's videos look worse than they are."""

import re
from typing import TYPE_CHECKING

from engine.language.rules.rule import At, Findings, found

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

EULER_STEPS, PROMPT_WORDS = 40, 8
# scripts that are written without spaces: kana, Han characters, Hangul
UNSPACED = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"


def prompts_are_names(recipe: "Recipe", at: At) -> Findings:
    """The short name of a prompt becomes a file name."""
    for name in recipe.sample.prompts:
        if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", name):
            yield found(
                at, "RCP4007", f"sample.prompts.{name}", f"the prompt name {name!r} cannot be a file name",
                "use up to 64 small letters, digits, `-` and `_`",
            )  # fmt: skip


def prompts_are_long(recipe: "Recipe", at: At) -> Findings:
    """UMT5 is Wan's only text encoder, and a few words do not tell it enough (quickstart).

    Wan was trained on captions of several sentences. A model with random weights understands none, however long.
    """
    if recipe.model.source.kind == "built":
        return
    for name, prompt in recipe.sample.prompts.items():
        if (words := _words(prompt)) < PROMPT_WORDS:
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


def _words(text: str) -> int:
    """Count words; two characters of a script without spaces count as one."""
    return len(re.sub(UNSPACED, " ", text).split()) + len(re.findall(UNSPACED, text)) // 2
