"""3xxx: the age of a file, and files of other trainers."""

from engine.language.explanations.explanation import Explanation

FILES = {
    "RCP3001": Explanation(
        "The file is written for an older version of the language. It goes on working: its words are read as what they are "
        "called today.",
        "`recipe migrate FILE --write` changes the words that need it and leaves everything else as it is.",
        'apiVersion: wan-recipe/v0\nkind: recipe\nextends: ["builtin:flavours/wan2.1-t2v-micro"]\n'
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n",
    ),
    "RCP3002": Explanation(
        "The file is written for a version of the language that this program does not know. Its words may mean something else.",
        "Install a newer version of the program.",
        "apiVersion: wan-recipe/v9\nkind: recipe\n",
    ),
    "RCP3003": Explanation(
        "The file uses the old name of a word and the new one, or an old word where it cannot be rewritten: behind an anchor, "
        "or where a comment about it would be lost. Nobody but its author knows what counts.",
        "Keep one of the two, write the value out, or give the word lines of its own.",
    ),
    "RCP3201": Explanation(
        "The file is not what that trainer writes: it is no JSON, TOML or YAML, or holds another kind of document.",
        "Look at the name of the trainer and at the file; the place is where it stops making sense.",
    ),
    "RCP3202": Explanation(
        "The configuration has keys that no word here says. A key is never dropped in silence.",
        "Read the notes; `--allow-unmapped` writes the recipe all the same, with the keys in comments.",
    ),
    "RCP3203": Explanation(
        "There is a file of that name already, and nothing here overwrites a file of yours.",
        "Name another with `-o`, or move the old one.",
    ),
}  # fmt: skip
