"""22xx to 25xx: layers, and what is laid on them."""

from engine.language.explanations.explanation import Explanation

LAYERS = {
    "RCP2201": Explanation(
        "A layer under `extends` is not there, or leads back to the file itself. A path is relative to the file that says it.",
        "Look at the name; `recipe list` shows what comes with the program. Take one step out of a circle.",
        'apiVersion: wan-recipe/v1\nkind: recipe\nextends: ["builtin:flavours/wan2.1-t2v-2.3b"]\n',
    ),
    "RCP2202": Explanation(
        "One layer has a section where another has a single value or a list. To merge them would drop one without a word.",
        "Write the same kind as the layer below, or put `{$replace: …}` in its place.",
    ),
    "RCP2203": Explanation(
        "A directive (`$append`, `$prepend`, `$remove`, `$replace`, `$unset`) finds nothing below that it could change. If "
        "it were skipped, the layer below could be renamed and the wish would be lost.",
        "Look at what stands below with `recipe why WORD FILE`, and mend the path or take the directive out.",
        "train: {adapter: {targets: {$remove: [nothing]}}}\n",
    ),
    "RCP2205": Explanation(
        "`${…}` names a word that has no value, a section, itself through others, or the environment where the environment "
        "may not speak: only words that say where things lie may depend on it.",
        "Name a word with a value; write `$${` for a plain `${`.",
        'train: {adapter: {alpha: "${train.adapter.rnk}"}}\n',
    ),
    "RCP2206": Explanation(
        "Two layers side by side, neither of which knows of the other, give a word two values, and nobody above decides. "
        "Which one wins would depend on their order alone.",
        "Say the word in your recipe; or extend only one of them.",
        'apiVersion: wan-recipe/v1\nkind: recipe\n'
        'extends: ["builtin:flavours/wan2.1-t2v-micro", "builtin:hardware/cpu", "builtin:hardware/rtx-4090-24gb"]\n'
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n",
    ),
    "RCP2207": Explanation(
        "`$include` takes in a file of kind `fragment` that speaks of that place alone. This one is not there, is of another "
        "kind, or speaks of other places.",
        "Put the other words into a layer and extend it.",
        "data: {$include: parts/gone.yaml}\n",
    ),
    "RCP2301": Explanation(
        "A hardware profile says how a machine works, never what is learnt: with another one the same recipe must come to "
        "the same result.",
        "Set the word in the recipe or in the flavour.",
        "apiVersion: wan-recipe/v1\nkind: hardware\ntrain: {learning_rate: 1e-4}\n",
    ),
    "RCP2302": Explanation(
        "Bases, flavours, hardware profiles and fragments are what recipes are made of; by themselves they do not run.",
        "Write a recipe that extends it.",
    ),
    "RCP2304": Explanation(
        "`requires.engine` names versions of the program, and this one is none of them.",
        "Install such a version, or use another file.",
        'apiVersion: wan-recipe/v1\nkind: recipe\nrequires: {engine: ">=900"}\n'
        'extends: ["builtin:flavours/wan2.1-t2v-micro"]\n'
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n",
    ),
    "RCP2401": Explanation(
        "`--set` takes `path=value` with a value in YAML, `--set-json` one in JSON, and `--unset` a path. The header of a "
        "file (`kind`, `extends` …) cannot be set from outside.",
        "Quote the argument for your shell: `--set 'sample.prompts.cat=A cat, walking'`.",
        "--set train.steps\n",
    ),
    "RCP2501": Explanation(
        "`# recipe: allow CODE reason` silences one warning on its line. It names a code that is a warning there, and a reason "
        "for whoever reads the recipe. Errors cannot be allowed.",
        "Say why, name the code of a warning, or mend the line.",
        "train: {seed: 1}  # recipe: allow RCP4017\n",
    ),
    "RCP2502": Explanation(
        "The warning that this comment allows is not there any more: an allowance that outlived its reason would hide the "
        "next one.",
        "Take the comment out, or put it on the line of the warning or alone on the line above.",
        "train: {seed: 1}  # recipe: allow RCP4017 a control that must not learn\n",
    ),
}  # fmt: skip
