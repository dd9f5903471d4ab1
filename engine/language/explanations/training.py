"""40xx: what is known about training Wan."""

from engine.language.explanations.explanation import Explanation

_CREPA = "weight: 0.5, falls: constant, distance: 1, neighbours: nearest, decay: 1"

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
        "more than half of it, which is a warning. Or what is left has fewer than two steps for each of the `cycles` of "
        "`cosine_restarts`: a cycle starts at its top, and so would have no time to fall.",
        "A twentieth of the steps is plenty for a warm-up; and three cycles for most runs.",
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
        "`train.adapter.targets` and `data.caption_filter` are regular expressions, and this is none. It would stop the run after the long stages.",
        "Write `\\.` for a point and `\\(` for a bracket.",
        'train: {adapter: {targets: ["("]}}\n',
    ),
    "RCP4007": Explanation(
        "The short name of a prompt becomes the name of a file.",
        "Use up to 64 small letters, digits, `-` and `_`.",
        "sample: {prompts: {A Cat: A black cat walks to the right past two houses under a crescent moon.}}\n",
    ),
    "RCP4008": Explanation(
        "A pattern of `train.adapter.targets` matches no layer of the model: it trains nothing, and looks as if it did.",
        "Follow the names of layers in the finding.",
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\ntrain: {adapter: {targets: {$append: [no_such_layer]}}}\n",
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
        "The feed-forward network takes the tokens of a clip in chunks, and there are no more chunks than tokens.",
        "Write fewer chunks; four already save most of the memory that can be saved so.",
        "data: {frames: 1, size: {kind: exact, width: 32, height: 32}}\ntrain: {feed_forward_chunks: 5}\n",
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
        "train: {adapter: {rank: 32, alpha: 1}}\n",
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
    "RCP4030": Explanation(
        "Noise levels are learnt from `train.noise.lowest` on and below `train.noise.highest`. The one is not below the other, so "
        "there are none.",
        "For the expert of much noise write its boundary as `lowest` and 1 as `highest`; for the other, 0 and the boundary.",
        "train: {noise: {lowest: 0.9, highest: 0.9}}\n",
    ),
    "RCP4031": Explanation(
        "A noise level outside of the range from `train.noise.lowest` to `train.noise.highest` is drawn again. Hardly any lies "
        "inside, after the shift: drawing would take longer than training, or never end.",
        "Widen the range, or take levels or a shift that reach it: a larger `train.noise.shift.factor` moves them towards 1.",
        "train: {noise: {highest: 0.01}}\n",
    ),
    "RCP4032": Explanation(
        "The share of samples that are rolled out is 0 throughout, so that `train.rollout` does nothing; or it falls, though a model "
        "that has learnt little makes states that little is learnt from; or it rises so slowly that the run is over first.",
        "Let `start_probability` be lower than `probability`, `probability` be above 0, and `ramp_steps` fewer than `train.steps`.",
        "train: {rollout: {kind: euler, probability: 0, start_probability: 0, ramp_steps: 0, reach: 0.2, strategy: uniform, "
        "steps: 2, target: drawn}}\n",
    ),
    "RCP4033": Explanation(
        "A mode favours the middle of the noise levels, the more the larger its scale. Beyond 2/(π − 2), about 1.75, its formula "
        "folds over: two levels beside the middle are met most often, and later there are levels below 0 and above 1.",
        "Write at most 1.75; 1.29 is usual.",
        "train: {noise: {levels: {kind: mode, scale: 2}}}\n",
    ),
    "RCP4035": Explanation(
        "`train.start` names a file whose tensors become the new adapter's, so they must be the same: of the same kind, on the same "
        "layers, of the same rank. A tensor that is left out, or starts at random, would go unnoticed.",
        "Write the words of `train.adapter` as the finding says, or start fresh.",
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\ntrain: {start: {kind: file, path: nowhere.safetensors}}\n",
    ),
    "RCP4050": Explanation(
        "A TREAD route goes from the block `first` to the block `last`, both counted from 0 and both part of it; negative numbers "
        "count from the end. This one names blocks that the model does not have, ends before it starts, or shares blocks with another.",
        "Write numbers below `model.transformer.layers`, the smaller one first, and let the next route start after the last block.",
        "train: {tread: {kind: routes, routes: [{first: 2, last: 30, drop: 0.1}]}}\n",
    ),
    "RCP4051": Explanation(
        "The first blocks find out what is in a clip, and the last makes the prediction, also for the tokens that were away. They "
        "need all tokens.",
        "Let routes start at 2 or later and end at -2 or earlier.",
        "train: {tread: {kind: routes, routes: [{first: 2, last: -1, drop: 0.1}]}}\n",
    ),
    "RCP4052": Explanation(
        "`drop` is the share of the tokens that goes around the blocks of a route, not the one that goes through them. Beyond a half, "
        "more quality is lost than time is saved. It is rounded down to whole tokens: a small share of a small clip is none, and the route "
        "does nothing.",
        "Write at most 0.5, and at least 1 / tokens; 0.1 is careful.",
        "train: {tread: {kind: routes, routes: [{first: 2, last: -2, drop: 0.9}]}}\n",
    ),
    "RCP4053": Explanation(
        "Offload brings the weights of a block to the device when it runs. The backward pass holds them there until it has come to the "
        "block, unless the block is computed again then, and fetches them anew. So without that for every block, they all gather on "
        "the device, and time is lost for nothing.",
        "Write `gradient_checkpointing: {kind: blocks, every: 1}` or `{kind: keep_attention}`, or no offload.",
        "train: {offload: {kind: memory}, gradient_checkpointing: {kind: none}}\n",
    ),
    "RCP4054": Explanation(
        "Only frozen weights can wait outside of the device. With `train.adapter.kind: full` all of them are trained, and none is frozen.",
        "Train an adapter, or take the offload out.",
        "train: {adapter: {$replace: {kind: full}}, weights: {kind: bf16, rounding: stochastic}, offload: {kind: memory}}\n",
    ),
    "RCP4060": Explanation(
        "The folder of `train.crepa.encoder` holds no DINOv2 that can be read: no `config.json` or another model's, weights in "
        "another format than safetensors, or patches that do not fit `image_size`. The classes with registers are other models.",
        "Give a folder with `config.json` and `model.safetensors`, such as a download of facebook/dinov2-giant.",
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\ntrain: {crepa: {kind: dinov2, encoder: {kind: folder, path: no-such-folder}, "
        f"image_size: 518, block: 8, {_CREPA}}}}}\n",
    ),
    "RCP4061": Explanation(
        "CREPA takes hidden tokens after the block `train.crepa.block`, counted from 0, and the denoiser has fewer. Or it aligns frames "
        "with neighbours at `train.crepa.distance`, in latent frames, and clips are no longer than that, which is a warning.",
        "Write a smaller number; the quickstart takes block 8 and distance 1.",
        f"train: {{crepa: {{kind: dinov2, encoder: {{kind: built, seed: 0}}, image_size: 518, block: 30, {_CREPA}}}}}\n",
    ),
    "RCP4062": Explanation(
        "DINOv2 cuts a picture into patches of 14 px and drops what is left over. The right and the lower edge of every frame "
        "would be missing, and the rest shifted against the hidden tokens.",
        "Write one of the two multiples of 14 in the finding.",
        f"train: {{crepa: {{kind: dinov2, encoder: {{kind: built, seed: 0}}, image_size: 512, block: 8, {_CREPA}}}}}\n",
    ),
    "RCP4063": Explanation(
        "Within a route of TREAD some tokens are missing, so that what is there is no whole frame that could be aligned.",
        "Take hidden tokens before the first block of the route, or from its last block on, where all are back.",
        "train:\n  tread: {kind: routes, routes: [{first: 2, last: -2, drop: 0.1}]}\n"
        f"  crepa: {{kind: dinov2, encoder: {{kind: built, seed: 0}}, image_size: 518, block: 8, {_CREPA}}}\n",
    ),
    "RCP4070": Explanation(
        "DoRA measures the rows of the base, which peft casts to float32 for that, and weights in 8 bits cannot be cast. Where "
        "the denoiser computes in float32 nothing needs to be. And Apple's GPUs have no 8-bit floating point numbers.",
        "Write `kind: lora`, or `quantize: none`; on `mps` write `int8`.",
        "train:\n  quantize: int8\n  adapter: {kind: dora, rank: 16, alpha: 16, dropout: 0, targets: [.*to_q]}\n",
    ),
    "RCP4071": Explanation(
        "Weights are kept in 8 bits and computed with in `train.precision`, so that fp8 is no faster than int8. It has 4 significant "
        "bits for every weight, a relative error of 2.6 %; int8 has 255 even steps for a row, an error of 0.8 %. Only where a "
        "row has outliers, which make these steps wide, is fp8 closer.",
        "Write `int8`. Training says the largest error when it has loaded the weights.",
        "train: {quantize: fp8}\n",
    ),
    "RCP4090": Explanation(
        "The batch of a step is split among the devices, each of which computes the gradients of its share. One without a sample "
        "would wait for the others at every step.",
        "Write at most as many devices as the batch has samples.",
        "hardware: {devices: 4}\ntrain: {batch_size: 2}\n",
    ),
    "RCP4091": Explanation(
        "A Mac has one graphics device for torch, and nothing by which several could share gradients.",
        "Write `devices: 1`.",
        "hardware: {device: mps, devices: 2}\ntrain: {batch_size: 2}\n",
    ),
    "RCP4092": Explanation(
        "Sharding leaves a part of each block on each of several devices. One device has all parts, and saves nothing.",
        "Write `shard: false`, or more devices. On one device, `train.offload` lets blocks wait in the machine's memory.",
        "hardware: {devices: 1, shard: true}\n",
    ),
    "RCP4093": Explanation(
        "To run a sharded block, every device sends its part and waits for all others. So all must run each block equally often in "
        "each step: with the same share of the batch, no samples that regularise and no rollouts, which pass through the model on one "
        "device and not on another. Only frozen weights that lie on the devices are cut into parts: none that are trained, and none that "
        "wait elsewhere. Weights in 8 bits would be widened again by torch when it cuts them.",
        "Take out what the message names, or write `shard: false`: each device then has the whole model.",
        "hardware: {devices: 2, shard: true}\ntrain: {batch_size: 3}\n",
    ),
}  # fmt: skip
