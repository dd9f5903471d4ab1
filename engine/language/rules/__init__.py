"""What the schema cannot say: one small function a rule. Each names the place, the reason and the way out.

A rule reads the complete recipe and yields findings; ``at`` gives the place of a word by its dotted path. It may look
at words, and at the ``kind`` of a choice, but never at classes: what it is given looks like a recipe and is none yet.
"""

from engine.language.rules.attention import kernels_are_there, sage_does_not_train
from engine.language.rules.crepa import (
    hidden_tokens_are_whole,
    hidden_tokens_have_a_block,
    neighbours_are_there,
    teacher_sees_whole_patches,
)
from engine.language.rules.data import area_is_not_a_height, frames_are_whole, size_is_known, sizes_are_tiles
from engine.language.rules.datasets import (
    captions_have_a_table,
    clips_are_measured,
    datasets_have_names,
    filters_compile,
    intervals_are_legal,
    lengths_agree,
    measured_clips_are_not_dealt,
    repeats_count,
    roles_can_be_played,
    shapes_are_asked_once,
    something_is_seen,
    weights_count,
)
from engine.language.rules.devices import (
    devices_are_there,
    devices_have_work,
    shards_have_devices,
    shards_meet,
)
from engine.language.rules.memory import (
    offloaded_blocks_are_recomputed,
    routes_keep_tokens,
    routes_lead_through,
    routes_spare_the_ends,
    routes_take_tokens,
    trained_weights_stay,
)
from engine.language.rules.model import (
    codec_halves_what_it_says,
    cpu_is_for_trying,
    numbers_fit,
    revisions_are_commits,
)
from engine.language.rules.noise import mode_is_one, range_is_one, range_is_reached, rollouts_happen
from engine.language.rules.optimizing import (
    average_is_of_use,
    decay_is_not_rounded_away,
    full_is_whole,
    muon_has_matrices,
    rate_is_a_factor,
    result_is_made,
    rounding_is_built,
    schedule_free_has_no_schedule,
)
from engine.language.rules.precision import eight_bits_can_be_had, int8_is_closer
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
    chunks_are_made_of_tokens,
    cycles_have_steps,
    patterns_compile,
    products_can_be_made,
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
    roles_can_be_played,
    clips_are_measured,
    measured_clips_are_not_dealt,
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
    cycles_have_steps,
    batches_are_filled,
    checkpoints_are_made,
    patterns_compile,
    something_is_learnt,
    rate_is_moderate,
    strength_is_usual,
    products_can_be_made,
    rounding_is_built,
    decay_is_not_rounded_away,
    muon_has_matrices,
    rate_is_a_factor,
    schedule_free_has_no_schedule,
    result_is_made,
    average_is_of_use,
    full_is_whole,
    range_is_one,
    range_is_reached,
    rollouts_happen,
    mode_is_one,
    chunks_are_made_of_tokens,
    offloaded_blocks_are_recomputed,
    trained_weights_stay,
    routes_lead_through,
    routes_spare_the_ends,
    routes_keep_tokens,
    routes_take_tokens,
    sage_does_not_train,
    kernels_are_there,
    devices_have_work,
    devices_are_there,
    shards_have_devices,
    shards_meet,
    eight_bits_can_be_had,
    int8_is_closer,
    hidden_tokens_have_a_block,
    neighbours_are_there,
    teacher_sees_whole_patches,
    hidden_tokens_are_whole,
)
