"""1xxx: the text itself."""

from engine.language.explanations.explanation import Explanation

READING = {
    "RCP1001": Explanation(
        "The text is not YAML, so nobody can tell what it says. The place is where it stops making sense, which is often "
        "the line after the slip: a bracket or a quote that is not closed, a tab, a text with `: ` in it, a line that is "
        "indented by another amount than its neighbours.",
        "Close what is open, indent with spaces, and put texts with `: `, ` #`, or a leading `@`, `*`, `&`, `%` in quotes.",
        "sample: {prompts: {cat: [a cat}}\n",
    ),
    "RCP1002": Explanation(
        "A key stands twice in one section. Most readers of YAML take the last and say nothing, so that one of the two "
        "values is lost.",
        "Keep one of the two; the finding shows both places.",
        "train: {steps: 100, seed: 1, steps: 200}\n",
    ),
    "RCP1003": Explanation(
        "Recipes are plain data: sections, lists, texts, numbers, true, false and null. Tags (`!!python/object`), merge keys "
        "(`<<`), directives (`%YAML`), a second document, keys that are not texts, and an alias to what is not complete mean "
        "something else to each reader, or run code.",
        "Write the value itself. To build on another file, use `extends`; to take a piece in, `$include`. Quote a key that "
        "looks like a number.",
        "train: {steps: !!int '100'}\n",
    ),
    "RCP1004": Explanation(
        "Numbers of a recipe are finite, and whole numbers lie within ±2^53: beyond that, two programs read two numbers. "
        "`.nan` would pass every check of a range.",
        "Write a number that there is; quote it if it is a name.",
        "train: {learning_rate: .nan}\n",
    ),
    "RCP1005": Explanation(
        "A file of a few hundred bytes can stand for gigabytes once its aliases are written out, and a deep one can break "
        "the program that reads it. So a file has at most 1 MiB, 32 levels, 20,000 values, 64 aliases, 65,536 characters in "
        "one value and 100 problems; a recipe has at most 64 layers.",
        "No recipe needs that much: look at where the file comes from.",
    ),
    "RCP1006": Explanation(
        "The file is not there, is a folder, may not be read, or is not UTF-8.",
        "Look at its name and its rights; save it as UTF-8.",
    ),
    "RCP1007": Explanation(
        "Some characters show one thing to whoever reviews a file and another to the program: U+0085, U+2028 and U+2029 end a "
        "line for YAML and for no editor, so that a comment can go on as a value; others turn the direction of text; a "
        "no-break space beside a key looks like a space and is a part of the word. A byte order mark is a warning.",
        "Take the character out. In a text, write it as an escape in double quotes, such as `\\u2028`; text from right to "
        "left may stand in quotes as it is.",
        "train: {steps\u00a0: 100}\n",
    ),
    "RCP1008": Explanation(
        "`True` and `FALSE` are true and false in YAML 1.2 and texts for some other programs.",
        "Write `true`, `false` or `null`; `recipe fmt` does it.",
        "data: {latents: {compress: True}}\n",
    ),
    "RCP1009": Explanation(
        "`recipe fmt` reads again what it made of a file. It would have said something else, or would have lost a comment, so "
        "the file is as it was. That is a mistake of the program.",
        "Go on with the file as it is, and report what it says.",
    ),
    "RCP1010": Explanation(
        "In YAML ` #` begins a comment, also behind a text without quotes: `Take #3 of the dance` is the text `Take`. Where a "
        "prompt or caption has a `#` right behind it, it is likely to be cut.",
        "Quote the whole text; write a comment on a line of its own, or two spaces behind the text.",
        "sample:\n  prompts:\n    walk: A black cat walks past two houses in a moonlit village street #3 of the tale\n",
    ),
}  # fmt: skip
