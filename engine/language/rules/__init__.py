"""What the schema cannot say: one small function a rule. Each names the place, the reason and the way out.

A rule reads the complete recipe and yields findings; ``at`` gives the place of a word by its dotted path. It may look
at words, and at the ``kind`` of a choice, but never at classes: what it is given looks like a recipe and is none yet.
"""

from engine.language.rules.attention import kernels_are_there, sage_does_not_train
from engine.language.rules.data import area_is_not_a_height, frames_are_whole, size_is_known, sizes_are_tiles
from engine.language.rules.datasets import (
    captions_have_a_table,
    datasets_have_names,
    filters_compile,
    intervals_are_legal,
    lengths_agree,
    repeats_count,
    shapes_are_asked_once,
    something_is_seen,
    weights_count,
)
from engine.language.rules.model import (
    codec_halves_what_it_says,
    cpu_is_for_trying,
    numbers_fit,
    revisions_are_commits,
)
from engine.language.rules.rule import Rule
from engine.language.rules.sampling import (
    guidance_is_safe,
    prompts_are_long,
    prompts_are_names,
    prompts_say_something,
    steps_are_enough,
    texts_are_read_to_their_end,
    texts_are_whole,
)
from engine.language.rules.training import (
    batches_are_filled,
    checkpoints_are_made,
    chunks_save_memory,
    patterns_compile,
    rate_is_moderate,
    something_is_learnt,
    strength_is_usual,
    warm_up_ends,
)

RULES: tuple[Rule, ...] = (
    numbers_fit,
    codec_halves_what_it_says,
    revisions_are_commits,
    cpu_is_for_trying,
    frames_are_whole,
    sizes_are_tiles,
    size_is_known,
    area_is_not_a_height,
    datasets_have_names,
    lengths_agree,
    intervals_are_legal,
    shapes_are_asked_once,
    weights_count,
    repeats_count,
    something_is_seen,
    captions_have_a_table,
    filters_compile,
    prompts_are_names,
    prompts_say_something,
    prompts_are_long,
    texts_are_whole,
    texts_are_read_to_their_end,
    guidance_is_safe,
    steps_are_enough,
    warm_up_ends,
    batches_are_filled,
    checkpoints_are_made,
    patterns_compile,
    something_is_learnt,
    rate_is_moderate,
    strength_is_usual,
    chunks_save_memory,
    sage_does_not_train,
    kernels_are_there,
)
