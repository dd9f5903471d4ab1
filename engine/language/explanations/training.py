"""40xx: what is known about training Wan."""

from engine.language.explanations.explanation import Explanation

TRAINING = {
    "RCP4001": Explanation(
        "The video codec of Wan takes 4n+1 frames, 1, 5, 9 … 73, 77, 81, and drops the rest without a word.",
        "Write the nearest count that fits; the finding names it.",
        "data: {frames: 75}\n",
    ),
    "RCP4002": Explanation(
        "Codec and patches cut a picture into tiles of 16 pixels (32 for some models). A rest would be cut off, or fail late.",
        "Write the nearest multiple; the finding names it.",
        "data: {size: {kind: exact, width: 850, height: 480}}\n",
    ),
    "RCP4003": Explanation(
        "The warm-up is as long as the run, so that the learning rate that the recipe asks for is never reached; or it takes "
        "more than half of it, which is a warning.",
        "A twentieth of the steps is plenty.",
        "train: {steps: 100, schedule: {warmup_steps: 100}}\n",
    ),
    "RCP4004": Explanation(
        "A branch or tag of the Hub can move: the same recipe would fetch something else next month.",
        "Pin the 40 digits of a commit; `recipe lock` writes them down.",
        "data: {source: {kind: hub, repository: someone/clips, revision: main}}\n",
    ),
    "RCP4005": Explanation(
        "The parts of a model meet at widths and strides that must be equal; these are not.",
        "Use the numbers of one flavour; only who describes a new model sets them.",
        "model: {transformer: {text_width: 64}}\n",
    ),
    "RCP4006": Explanation(
        "`train.lora.targets` and `data.caption_filter` are regular expressions, and this is none. It would stop the run after the long stages.",
        "Write `\\.` for a point and `\\(` for a bracket.",
        'train: {lora: {targets: ["("]}}\n',
    ),
    "RCP4007": Explanation(
        "The short name of a prompt becomes the name of a file.",
        "Use up to 64 small letters, digits, `-` and `_`.",
        "sample: {prompts: {A Cat: A black cat walks to the right past two houses under a crescent moon.}}\n",
    ),
    "RCP4008": Explanation(
        "A pattern of `train.lora.targets` matches no layer of the model: it trains nothing, and looks as if it did.",
        "Follow the names of layers in the finding.",
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\ntrain: {lora: {targets: {$append: [no_such_layer]}}}\n",
    ),
    "RCP4009": Explanation(
        "Wan is right at the sizes that it was trained at. Elsewhere bad samples would not tell that training went wrong.",
        "Sample at a size of `model.advice.sizes`.",
        "sample: {width: 640, height: 640}\n",
    ),
    "RCP4010": Explanation(
        "`edge` with `pixel_area` is the side of a square with as many pixels: 480 gives 640x368 for a wide clip, three "
        "fifths of the pixels of 832x480.",
        "Write 632 for about the pixels of 832x480, and 960 for those of 1280x720.",
        "data: {size: {kind: pixel_area, edge: 480}}\n",
    ),
    "RCP4011": Explanation(
        "The small Wan 2.1 is sensitive to guidance: too much burns colours, too little ignores the prompt.",
        "Stay within 4 to 5.",
        "sample: {guidance: 9}\n",
    ),
    "RCP4012": Explanation(
        "Only UniPC, which is of a higher order, can do with fewer than about 40 steps.",
        "Write 40 or more, or `sampler: unipc`.",
        "sample: {sampler: euler, steps: 20}\n",
    ),
    "RCP4013": Explanation(
        "Wan was trained on captions of several sentences, and has one text encoder; a few words do not tell it enough.",
        "Say who or what, how it looks and moves, where, the light, the camera.",
        "sample: {prompts: {cat: a black cat}}\n",
    ),
    "RCP4014": Explanation(
        "Sage attention has no backward pass: queries, keys and values would get no gradient, without a word.",
        "Write `train.attention: native`; `sample.attention: sage` is fine.",
        "train: {attention: sage}\n",
    ),
    "RCP4015": Explanation(
        "Most attention kernels are a GPU's, and the fast ones compute in half precision only.",
        "Write `native`: torch takes the best kernel that there is.",
        "train: {precision: fp32, attention: flash_3}\n",
    ),
    "RCP4016": Explanation(
        "Chunks of the feed-forward save memory only where a block is recomputed, and there are no more chunks than tokens.",
        "Turn gradient checkpointing on, or write 1.",
        "train: {feed_forward_chunks: 4, gradient_checkpointing: false}\n",
    ),
    "RCP4017": Explanation(
        "With a learning rate of 0 the adapter stays what it is, and the run costs what a real one costs.",
        "1e-4 is usual for a LoRA.",
        "train: {learning_rate: 0}\n",
    ),
    "RCP4018": Explanation(
        "Five times what is usual, or more: it breaks the model instead of teaching it, which shows as square grids in the samples.",
        "Write 1e-4 for AdamW, 5e-5 for Lion, and raise it slowly.",
        "train: {learning_rate: 2e-3}\n",
    ),
    "RCP4019": Explanation(
        "The adapter is scaled by alpha / rank, which acts like a factor on the learning rate. Recipes that leave alpha at 1 and "
        "raise the rank seem to learn nothing.",
        "Write the rank for alpha, and change the learning rate instead.",
        "train: {lora: {rank: 32, alpha: 1}}\n",
    ),
    "RCP4020": Explanation(
        "A step of a full clip is about 10^15 operations for the small Wan. A GPU does them in seconds, a CPU in a quarter of an "
        "hour at best.",
        "Run it on a GPU; to try things out without one, extend `builtin:flavours/wan2.1-t2v-micro`.",
        "hardware: {device: cpu}\n",
    ),
    "RCP4021": Explanation(
        "The text encoder reads `model.text_encoder.max_tokens` tokens and drops what is beyond without a word. A word is at "
        "least one token, and most are more, so that a shorter text may be cut as well.",
        "Shorten the text to about half as many words as tokens.",
        f"sample: {{prompts: {{walk: {'a black cat walks ' * 130}}}}}\n",
    ),
    "RCP4022": Explanation(
        "`train.batch_size` is all samples of a step, and `train.micro_batch` the most of them that are on the device at once. "
        "One that is larger than the batch is never filled; often the two were mixed up, or the product of other trainers was "
        "expected.",
        "Write the whole batch as `batch_size`, and what fits the device as `micro_batch`.",
        "train: {batch_size: 4, micro_batch: 8}\n",
    ),
    "RCP4023": Explanation(
        "The first checkpoint would come after the last step. A run that is stopped by ctrl-c saves by itself; one that is killed, "
        "or whose machine goes, would begin anew.",
        "Write a smaller `train.checkpoints.every`.",
        "train: {steps: 400, checkpoints: {every: 1000}}\n",
    ),
    "RCP4024": Explanation(
        "A prompt is empty. A sample of no words shows nothing of what was learnt.",
        "Say what the video shows, or take the line out.",
        'sample: {prompts: {nothing: ""}}\n',
    ),
    "RCP4025": Explanation(
        "The name of a dataset stands in the paths of words, on the command line and in reports.",
        "Use up to 64 letters, digits, `_` and `-`.",
        "data: {more: {my.stills: {source: {kind: folder, path: stills}}}}\n",
    ),
    "RCP4026": Explanation(
        "Limits of length or repeats contradict each other, so that no clip could be trained on.",
        "Follow the finding: one of two words has to move.",
        "data: {min_frames: 90, max_frames: 85}\n",
    ),
    "RCP4027": Explanation(
        "A word about clips has no effect beside the others that are set, or reads something that there is not: weights where an epoch "
        "is made by count, an aspect beside an exact size, a column where there is no table.",
        "Take it out, or change the word that the finding names.",
        "data: {size: {kind: exact, width: 832, height: 480}, aspect: {kind: square}}\n",
    ),
    "RCP4028": Explanation(
        "Pictures would be squashed into another shape, or made larger where they were to be made smaller.",
        "Let them be cut, or keep their own shape.",
        "data: {size: {kind: exact, width: 832, height: 480}, crop: none}\n",
    ),
}  # fmt: skip
