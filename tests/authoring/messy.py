"""YAML as people write it: any indent, any spacing, comments and blank lines everywhere, every style of text."""

from hypothesis import strategies as st

WORDS = [
    "apiVersion",
    "kind",
    "title",
    "extends",
    "model",
    "data",
    "train",
    "sample",
    "hardware",
    "meta",
    "x-own",
]
PLAIN = [
    "1",
    "1.0",
    "1e-4",
    "True",
    "true",
    "~",
    "null",
    "NO",
    "16:9",
    "cat",
    "a b",
    "-1",
    "x#y",
    "é",
    "猫",
    "a:b",
]
KEYS = ["a", "b", "lora", '"c d"', "'e'", "on", "k1", "猫"]
QUOTED = ["''", '""', "'a: b # c'", '"tab\\t"', "'it''s'", '" two  spaces "', "'#'", '"True"']
spaces = st.integers(1, 4).map(" ".__mul__)
maybe = st.sampled_from(["", "", "", " ", "   ", "\t"])
lines_between = st.lists(
    st.sampled_from(["", "", "   ", "# c1", "   # c2", "        # deep", "#no space", "# a: b"]), max_size=3
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A mapping of recipe words, in any order and any shape."""
    keys = draw(st.lists(st.sampled_from(WORDS), unique=True, min_size=1, max_size=5))
    parts = draw(lines_between)
    for key in keys:
        parts += [key + draw(maybe).replace("\t", "") + ":" + text for text in draw(values(0))]
        parts += draw(lines_between)
    ends = [
        "\n",
        "\n",
        "",
        "\n\n",
        "\n  \n",
        "\n...",
        "\n...\n",
        "\n\n... # c1\n# c2\n",
        "\n# c1\n...\n\n  # c2\n",
    ]
    head = draw(st.sampled_from(["", "", "", "---\n", "---   # c1\n", "# c2\n\n---\n", "--- \n\n# c2\n"]))
    return head + "\n".join(parts) + draw(st.sampled_from(ends))


@st.composite
def values(draw: st.DrawFn, indent: int, depth: int = 0) -> list[str]:
    """What stands behind `key:`, as one text that may hold several lines."""
    kinds = [scalars(indent), flows(indent)]
    if depth < 3:
        kinds += [mappings(indent, depth), sequences(indent, depth)]
    return [draw(st.one_of(kinds))]


@st.composite
def scalars(draw: st.DrawFn, indent: int) -> str:
    comment = draw(st.sampled_from(["", "", "  # beside", "\t# tab"]))
    kind = draw(st.sampled_from(["plain", "plain", "quoted", "block", "long", "next line"]))
    deeper = " " * (indent + draw(st.integers(1, 5)))
    if kind == "plain":
        return draw(spaces) + draw(st.sampled_from(PLAIN)) + comment + draw(maybe)
    if kind == "quoted":
        return draw(spaces) + draw(st.sampled_from(QUOTED)) + comment + draw(maybe)
    if kind == "next line":
        return f"{draw(maybe)}\n{deeper}{draw(st.sampled_from(PLAIN + QUOTED))}{comment}"
    if kind == "long":
        mark = draw(st.sampled_from(["", "'", '"']))
        rest = draw(st.lists(st.sampled_from(["more", "and  more", "", "  far"]), max_size=3))
        return " " + "\n".join(
            [f"{mark}some text", *(deeper + line if line else line for line in rest), f"{deeper}end{mark}"]
        )
    head = draw(st.sampled_from(["|", ">", "|-", ">-", "|+", ">+"]))
    body = draw(
        st.lists(
            st.sampled_from(
                [
                    "text",
                    "  more",
                    "",
                    "# no comment",
                    "trailing  ",
                    "key: 1",
                    "- x",
                    "\ttab",
                    "\t# no comment",
                    "\t",
                    "...",
                    "---",
                ]
            ),
            max_size=4,
        )
    )
    first = draw(st.sampled_from(["first", "first", "\tfirst", "# first", "..."]))
    own = [deeper + line if line else line for line in [first, *body]]
    return f" {head}{comment}\n" + "\n".join(own)


@st.composite
def flows(draw: st.DrawFn, indent: int, depth: int = 0) -> str:
    """A value in brackets, perhaps over several lines."""
    line = "\n" + " " * (indent + draw(st.integers(1, 4)))
    gap = draw(st.sampled_from(["", " ", "  ", " ", line, f" # in it{line}"]))
    parts = draw(st.lists(st.sampled_from(["1", "a", "'q'", "True"]), max_size=3))
    if depth < 2 and draw(st.booleans()):
        parts.append(draw(flows(indent, depth + 1)).strip())
    if draw(st.booleans()):
        parts = [f"k{number}:{draw(st.sampled_from([' ', '  ']))}{part}" for number, part in enumerate(parts)]
        return " {" + gap + f"{draw(st.sampled_from(['', ' ']))},{gap or ' '}".join(parts) + gap + "}"
    return " [" + gap + f",{gap}".join(parts) + gap + "]"


@st.composite
def mappings(draw: st.DrawFn, indent: int, depth: int) -> str:
    """A section on the lines below."""
    column = indent + draw(st.integers(1, 5))
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1, max_size=3))
    parts = [draw(st.sampled_from(["", "  # of the section", "  "]))]
    for key in keys:
        parts += draw(lines_between)
        parts += [" " * column + key + ":" + text for text in draw(values(column, depth + 1))]
    return "\n".join(parts)


@st.composite
def sequences(draw: st.DrawFn, indent: int, depth: int) -> str:
    """A list on the lines below; its dashes may stand in the column of the key."""
    column = indent + draw(st.integers(0, 4))
    parts = [""]
    for _ in range(draw(st.integers(1, 3))):
        parts += draw(lines_between)
        if depth < 2 and draw(st.booleans()):
            inner = column + 1 + draw(st.integers(1, 3))
            dash = " " * column + "-" + " " * (inner - column - 1)
            first, *rest = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1, max_size=2))
            parts += [dash + first + ":" + text for text in draw(values(inner, depth + 1))]
            parts += [
                " " * inner + key + ":" + text for key in rest for text in draw(values(inner, depth + 1))
            ]
        else:
            parts.append(" " * column + "-" + draw(scalars(column)))
    return "\n".join(parts)
