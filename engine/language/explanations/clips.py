"""408x and 41xx: what the clips of a recipe are for, and the clips themselves, which a plan looks at."""

from engine.language.explanations.explanation import Explanation

CLIPS = {
    "RCP4080": Explanation(
        "A clip of a dataset with `role: evaluate` has the content of one that is trained on, whatever the two are called, and their windows "
        "share frames. Its loss falls with what is learnt by heart, and no longer says whether anything was understood.",
        "Keep such clips in one of the two datasets, or take windows that do not overlap.",
    ),
    "RCP4081": Explanation(
        "`train.evaluation` asks for the loss on clips that are held out, and no dataset is.",
        "Put a few clips into a folder of their own and name it: `data.more: {held: {source: {kind: folder, path: held-out}, role: evaluate}}`.",
        "train: {evaluation: {kind: held_out, every: 100, samples: 4, levels: 8}}\n",
    ),
    "RCP4082": Explanation(
        "A dataset has `role: evaluate`: its clips are not trained on. `train.evaluation` measures nothing, so they are used for nothing.",
        "Switch the evaluation on, with `train.evaluation: {kind: held_out, …}`, or leave the dataset out with `repeats: 0`.",
        "data: {more: {held: {source: {kind: folder, path: held-out}, role: evaluate}}}\n",
    ),
    "RCP4083": Explanation(
        "Either no dataset has `role: train`, so that nothing is learnt; or clips are to stay as the model without the adapter makes them, "
        "while all weights of the model are trained and there is no adapter to do without.",
        "Give one dataset `role: train`; those of `data.more` have the role of `data` unless they say another. To regularise, train an adapter.",
        "data: {role: regularise}\n",
    ),
    "RCP4101": Explanation(
        "The folder of clips is not there, or nothing in it can be trained on. A relative path is relative to the file that "
        "says it, and `~` has no meaning.",
        "Set `data.source.path`; the finding says where it looked and which file names are clips.",
        "data: {source: {kind: folder, path: no-such-folder}}\n",
    ),
    "RCP4102": Explanation(
        "Some files cannot be read: they are damaged, empty, of an unknown kind, or yours to read no more.",
        "Mend or move them, or set `data.bad_files: skip`. Nothing here changes or deletes a clip.",
    ),
    "RCP4103": Explanation(
        "Some clips have no caption. To train on them all the same would teach the model that the prompt does not matter.",
        "Write the words where `data.captions` says that they are, set `data.captions: {kind: one, text: …}`, or leave such clips out "
        "with `data.no_caption: drop`.",
    ),
    "RCP4104": Explanation(
        "Some clips are shorter than `data.frames` at the frame rate of the model.",
        "Ask for fewer frames, or set `data.short_clips` to `drop`, `fewer` or `loop`.",
    ),
    "RCP4106": Explanation(
        "Results would lie among the clips, and would be trained on the next time.",
        "Name another folder with `--output` or `--store`.",
    ),
    "RCP4107": Explanation(
        "A batch is of one shape. Where an epoch has fewer samples of a shape than a batch takes, they wait for those of the next "
        "epochs, and one batch shows the same clip more than once.",
        "Lower `train.batch_size`, add clips, raise `data.repeats`, give all clips one shape with `data.size: {kind: exact, …}`, or have "
        "them repeated until they fill a batch with `data.small_buckets: repeat`.",
    ),
    "RCP4108": Explanation(
        "Some clips are smaller than `min_size`, shorter than `min_frames` or longer than `max_frames`, and are left out as the recipe asks.",
        "Nothing, where that is meant. The survey lists them: `recipe survey`.",
    ),
    "RCP4109": Explanation(
        "The list or the table that names the clips is not there, or is not in the form that its name promises.",
        "Mend the file; the finding names the line.",
    ),
    "RCP4110": Explanation(
        "A list, a table or a `metadata` file names clips that are not where it says.",
        "Correct the names, which are relative to that file, or leave them out with `data.bad_files: skip`.",
    ),
    "RCP4112": Explanation(
        "The address of the clips is of a kind that is not known here, holds what may be a secret, or leads out of its folder.",
        "Name the folder alone, such as `s3://bucket/clips`; keys and endpoints stand where the storage's own tools want them.",
        'data: {source: {kind: remote, url: "ftp://host/clips", as_of: today}}\n',
    ),
    "RCP4111": Explanation(
        "Some clips have fewer pixels than the size of training. Scaled up they look soft, and softness is learnt as well.",
        "Ask for a smaller `data.size`, or leave small clips out with `data.min_size`.",
    ),
}  # fmt: skip
