"""20xx: words and their values."""

from engine.language.explanations.explanation import Explanation

WORDS = {
    "RCP2001": Explanation(
        "The vocabulary has no such word at this place. A word that is not known is never skipped: a slip in it would "
        "change what is learnt, and nobody would notice.",
        "Follow the suggestion: a word that is near, the section where it belongs, or its name here if it comes from "
        "another trainer. `recipe doc SECTION` lists what a section has. Notes of your own stand under `meta`.",
        "train: {adapter: {rnk: 8}}\n",
    ),
    "RCP2002": Explanation(
        "The value is of another kind than the word wants, out of its range, or none of its choices. Values are never "
        "converted: `'10'` is a text, `1.10` is a number, and `012` is a text that some readers take for 10.",
        "Write a value as `recipe doc WORD` describes it. Quote texts that look like numbers, and no numbers.",
        "train: {steps: '100'}\n",
    ),
    "RCP2003": Explanation(
        "A recipe that runs says every word, by itself or through its layers. No layer says this one, or one that did was "
        "taken away by `$unset` or by another `kind` of its section.",
        "Say the word, or extend a layer that does; `recipe why WORD FILE` shows who spoke of it.",
        "train: {steps: {$unset: true}}\n",
    ),
}  # fmt: skip
