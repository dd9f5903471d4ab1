"""Files of an older version: they go on working, and `recipe migrate` touches nothing but the words that changed."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.authoring.edits import readable
from engine.authoring.migrate import brought_up
from engine.language.diagnostics import RecipeError
from engine.language.nodes import Source, plain
from engine.language.read import read_text
from engine.language.resolve import check_layers, kind_of, resolve
from engine.language.versions import CHANGES, CURRENT, Renamed, migrated
from engine.words.table import word_at

CORPUS = ROOT / "tests" / "authoring" / "corpus"
OLD = sorted((CORPUS / "v0").iterdir())
assert len(OLD) == len(list((CORPUS / "v1").iterdir())) == 5


def up(text: str) -> str:
    source = Source("x.yaml", text, Path())
    node, findings = read_text(source)
    assert findings == []
    return brought_up(source, node)


def comments(text: str) -> list[str]:
    return sorted(line.partition("#")[2] for line in text.splitlines() if "#" in line)


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_the_corpus_becomes_what_a_person_would_write(old: Path) -> None:
    made = brought_up(*readable(old))
    assert made == (CORPUS / "v1" / old.name).read_text()
    assert comments(made) == comments(old.read_text())
    assert up(made) == made, "migrating twice changes nothing"


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_the_text_and_what_is_read_of_an_old_file_agree(old: Path) -> None:
    _, node = readable(old)
    new, _ = readable(CORPUS / "v1" / old.name), None
    assert plain(migrated(node, 0)[0]) == plain(new[1])


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_an_old_file_is_valid_with_a_warning_at_its_version(old: Path) -> None:
    check = (lambda path: resolve(path).warnings) if kind_of(old) == "recipe" else check_layers
    aged = [found for found in check(old) if found.code == "RCP3001"]
    assert [
        (found.severity, found.span.source.text.splitlines()[found.span.line - 1][:12]) for found in aged
    ] == [("warning", "apiVersion: ")]
    assert "recipe migrate" in aged[0].help
    new = check(CORPUS / "v1" / old.name)
    assert [found for found in new if found.code.startswith("RCP3")] == []


def test_an_old_layer_below_a_current_recipe_goes_on_working(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("apiVersion: wan-recipe/v0\nkind: flavour\ntrain: {lr: 0.25}\n")
    (tmp_path / "x.yaml").write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, old.yaml]\n"
        "data: {source: {kind: folder, path: clips}}\nsample: {prompts: {a: b}}\n"
    )
    made = resolve(tmp_path / "x.yaml")
    assert made.values["train"]["learning_rate"] == 0.25
    assert made.origin("train.learning_rate").span.line == 3
    assert [found.code for found in made.warnings if found.span.source.name.endswith("old.yaml")] == [
        "RCP3001"
    ]


def test_every_new_name_is_a_word() -> None:
    assert max(CHANGES) + 1 == CURRENT
    for change in CHANGES[CURRENT - 1]:
        if isinstance(change, Renamed):
            assert word_at(change.new) is not None, change.new
            assert word_at(change.old) is None, change.old


ENTRIES = {
    "top": ["seed: 5  # s", "'seed': 5", "title: t # #", "meta: {seed: 1}"],
    "data": ["num_frames: 9 # n", '"num_frames": 9', "size: 64x64  # z", "size: '32x64'", "size: {kind: pixel_area}",
             "captions: {kind: textfile} # c", "captions:\n    # k\n    kind: 'textfile'", "frames: 4"],
    "train": ["lr: 1e-3 # l", "validation_prompts:\n    # p\n    a: |\n      # text\n      x\n\n    b: y # b",
              "validation_prompts: {a: b} # v", "steps: 3", "# alone\n  steps: 4", "seed: 9", "learning_rate: 1"],
    "sample": ["steps: 2", "prompts: {c: d}", "negative: >\n    long\n    text"],
}  # fmt: skip


@st.composite
def drafts(draw: st.DrawFn) -> str:
    parts = ["apiVersion: wan-recipe/v0", *draw(st.lists(st.sampled_from(ENTRIES["top"]), max_size=2))]
    for section in draw(st.permutations(["data", "train", "sample"])):
        own = draw(st.lists(st.sampled_from(ENTRIES[section]), max_size=4))
        if own:
            parts += [*draw(st.sampled_from([[], [""], ["# head"]])), f"{section}:  # {section}"]
            parts += [f"  {line}" for line in own]
    return "\n".join(parts) + draw(st.sampled_from(["\n", ""]))


@settings(max_examples=200, deadline=None)
@given(drafts())
def test_any_draft_is_brought_up_or_refused_with_a_place(text: str) -> None:
    source = Source("x.yaml", text, Path())
    node, findings = read_text(source)
    if findings or node is None:
        return
    wanted, refused = migrated(node, 0)
    if refused:
        with pytest.raises(RecipeError):
            brought_up(source, node)
        return
    made = brought_up(source, node)
    assert plain(read_text(Source("x.yaml", made, Path()))[0]) == plain(wanted)
    assert comments(made) == comments(text)
    assert up(made) == made
    touched = {
        "negative: >",
        "apiVersion",
        "seed",
        "num_frames",
        "size",
        "captions",
        "kind",
        "lr",
        "validation_prompts",
        "train:",
    }
    kept = [line for line in text.splitlines() if not any(word in line for word in touched)]
    left = made.splitlines()
    assert all(line in left for line in kept if line.strip() and not line.startswith("    ")), (
        "other lines are as they were"
    )


BETWEEN = ["", "", "\n", "#?\n", "  #?\n", "      #?\n", "    #?\n\n  #?\n"]
GAPS = ["", " ", "  #?\n    ", "\n  #?\n    ", " #?\n  #?\n\n      #?\n ", "\n    "]
VALUES = {
    "data": ["num_frames: 9", "size: 64x64", "captions: {kind: textfile}"],
    "train": ["lr: 1", "validation_prompts: {a: b}", "steps: 3", "batch_size: 2"],
    "sample": ["steps: 2", "guidance: 4"],
}
LONG = [
    "validation_prompts: #?\n    #?\n    a: | #?\n      # text\n      x\n        \n",
    "validation_prompts: {#?\n    a: b #?\n    }",
]


@st.composite
def commented(draw: st.DrawFn, *, brackets: bool) -> str:
    """A draft with comments wherever there can be some, each with its own number."""
    parts = ["apiVersion: wan-recipe/v0  #?\n", draw(st.sampled_from(["", "#?\nseed: 5 #?\n"]))]
    for section in draw(st.permutations(["data", "train", "sample"])):
        own = draw(st.lists(st.sampled_from(VALUES[section]), max_size=3, unique=True))
        parts += draw(st.lists(st.sampled_from(BETWEEN), max_size=2))
        if own and brackets and draw(st.booleans()):
            gap = st.sampled_from(GAPS)
            inner = ",".join(
                f"{draw(gap)}{line}{draw(st.sampled_from(['', '', ' #?' + chr(10)]))}" for line in own
            )
            parts.append(f"{section}: {{{inner.replace('{#', '{ #')}{draw(gap)}}} #?\n")
        elif own:
            parts.append(f"{section}: #?\n")
            for line in own:
                moves = line.startswith("validation_prompts")
                said = draw(st.sampled_from([line, *LONG])) if moves else line
                parts += [
                    draw(st.sampled_from(BETWEEN)),
                    f"  {said}",
                    draw(st.sampled_from(["", " #?"])),
                    "\n",
                ]
    text = "".join([*parts, draw(st.sampled_from(["", "#?", "\n  #?\n", "...\n", "... #?\n#?\n"]))])
    head, *rest = text.split("#?")
    return head + "".join(f"# c{number};{part}" for number, part in enumerate(rest))


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"# c\d+;", text))


@settings(max_examples=200, deadline=None)
@given(commented(brackets=False))
def test_every_comment_is_kept(text: str) -> None:
    assert numbers(up(text)) == numbers(text)


@settings(max_examples=200, deadline=None)
@given(commented(brackets=True))
def test_in_brackets_every_comment_is_kept_or_the_author_is_asked(text: str) -> None:
    made, codes = None, {"RCP3003"}
    try:
        made = up(text)
    except RecipeError as error:
        codes = {found.code for found in error.findings}
    assert codes == {"RCP3003"}
    assert made is None or numbers(made) == numbers(text)


MOVES = {
    "a comment behind the comma goes with its word": (
        "train: {validation_prompts: {a: b}, # why these prompts\n  steps: 3}\nsample: {steps: 4}\n",
        "train: {steps: 3}\nsample: {prompts: {a: b}, # why these prompts\n         steps: 4}\n",
    ),
    "and into lines": (
        "train: {validation_prompts: {a: b}, # why\n  # of steps\n  steps: 3}\nsample:\n  steps: 4\n",
        "train: {\n  # of steps\n  steps: 3}\nsample:\n  steps: 4\n  prompts: {a: b} # why\n",
    ),
    "a comment above goes with its word, one beside its neighbour stays": (
        "train: {steps: 3, # of steps\n  # why\n  validation_prompts: {a: b}}\nsample: {steps: 4}\n",
        "train: {steps: 3 # of steps\n  }\nsample: {\n         # why\n         prompts: {a: b}, steps: 4}\n",
    ),
    "a comment behind the last goes with it": (
        "train: {\n  steps: 3,\n  validation_prompts: {a: b}  # why\n  # end\n}\nsample: {\n  # of steps\n  steps: 4\n}\n",
        "train: {\n  steps: 3\n  # end\n}\nsample: {prompts: {a: b},  # why\n  # of steps\n  steps: 4\n}\n",
    ),
    "one in the middle": (
        "train: {steps: 3,  # s\n  # why\n  validation_prompts: {a: b},\n  # of seed\n  seed: 1}\nsample: {steps: 4}\n",
        "train: {steps: 3,  # s\n  # of seed\n  seed: 1}\nsample: {\n         # why\n         prompts: {a: b}, steps: 4}\n",
    ),
    "comments within the value": (
        "train: {validation_prompts: {a: b, # in it\n  # c\n  c: d}, steps: 3}\nsample:\n  steps: 4\n",
        "train: {steps: 3}\nsample:\n  steps: 4\n  prompts: {a: b, # in it\n    # c\n    c: d}\n",
    ),
    "into brackets over several lines": (
        "train: {steps: 3, validation_prompts: {a: b}}\nsample: {\n  steps: 4\n}\n",
        "train: {steps: 3}\nsample: {prompts: {a: b},\n  steps: 4\n}\n",
    ),
    "lines into brackets": (
        "train:\n  steps: 3\n  # why\n  validation_prompts: {a: b}  # beside\nsample: {}\n",
        "train:\n  steps: 3\nsample: {\n         # why\n         prompts: {a: b}  # beside\n         }\n",
    ),
    "a comment that closes a section that goes": (
        "data:\n  frames: 3\ntrain:  # t\n  validation_prompts:\n      a: b\n      # deep\n\n  # after\nsample:\n  steps: 4\n",
        "data:\n  frames: 3\n# t\nsample:\n  steps: 4\n  prompts:\n      a: b\n      # deep\n\n  # after\n",
    ),
    "a comment deeper than the next word is of the word above": (
        "train:\n    validation_prompts:\n        a: b\n        # deep\n    # of steps\n    steps: 3\nsample:\n  steps: 4\n",
        "train:\n    # of steps\n    steps: 3\nsample:\n  steps: 4\n  prompts:\n      a: b\n      # deep\n",
    ),
    "comments left of their word": (
        "train:\n# why\n  validation_prompts:\n   a: b\n  steps: 3\nsample:\n  steps: 4\n  # last\n# end\n",
        "train:\n  steps: 3\nsample:\n  steps: 4\n  # last\n  # why\n  prompts:\n   a: b\n# end\n",
    ),
    "spaces that are part of a text": (
        "train:\n    validation_prompts:\n      a: |\n        x\n          \n        y\n    steps: 3\nsample:\n  steps: 4\n",
        "train:\n    steps: 3\nsample:\n  steps: 4\n  prompts:\n    a: |\n      x\n        \n      y\n",
    ),
    "before the end of the document": (
        "train:\n  steps: 3\n  validation_prompts: {a: b}\n... # end\n",
        "train:\n  steps: 3\n\nsample:\n  prompts: {a: b}\n... # end\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), MOVES.values(), ids=MOVES.keys())
def test_a_word_that_moves_takes_its_comments_with_it_and_no_others(old: str, new: str) -> None:
    assert up(f"apiVersion: wan-recipe/v0\n{old}") == f"apiVersion: wan-recipe/v1\n{new}"


LEFT = {
    "alone in brackets": "train: {validation_prompts: {a: b},}  # c\nsample:\n  steps: 4\n",
    "a comment before the comma": "train: {validation_prompts: {a: b} # why\n  , steps: 3}\nsample: {steps: 4}\n",
    "a comment of a text that is spelt otherwise": "data:\n  size: >- # why\n    64x64\n",
    "several lines into brackets": "train:\n  steps: 3\n  validation_prompts:\n    a: b\nsample: {steps: 4}\n",
    "a file in brackets": "{apiVersion: wan-recipe/v0, seed: 5}\n",
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_where_a_comment_would_be_lost_the_author_is_asked(recipe, tmp_path: Path, text: str) -> None:
    text = text if "apiVersion" in text else f"apiVersion: wan-recipe/v0\n{text}"
    (tmp_path / "x.yaml").write_text(text)
    (tmp_path / "y.yaml").write_text("apiVersion: wan-recipe/v0\n")
    done = recipe("migrate", "--write", "x.yaml", "y.yaml")
    assert (done.code, done.out) == (1, "y.yaml: brought up\n")
    assert "error[RCP3003]" in done.err
    assert (tmp_path / "x.yaml").read_text() == text


def test_an_old_and_a_new_name_together_are_said_and_nothing_is_written(recipe, tmp_path: Path) -> None:
    text = "apiVersion: wan-recipe/v0\nkind: recipe\ntrain: {lr: 1, learning_rate: 2}\n"
    (tmp_path / "x.yaml").write_text(text)
    done = recipe("migrate", "--write", "x.yaml")
    assert done.code == 1
    assert "x.yaml:3:9: error[RCP3003]: `train.lr` is now called `train.learning_rate`" in done.err
    assert (tmp_path / "x.yaml").read_text() == text


def test_a_value_behind_an_anchor_is_left_to_its_author(recipe, tmp_path: Path) -> None:
    text = "apiVersion: wan-recipe/v0\nx-size: &s 64x64\ndata: {size: *s}\n"
    (tmp_path / "x.yaml").write_text(text)
    done = recipe("migrate", "--write", "x.yaml")
    assert done.code == 1
    assert "RCP3003" in done.err
    assert (tmp_path / "x.yaml").read_text() == text


def test_migrate_shows_checks_and_writes(recipe, tmp_path: Path) -> None:
    old, new = (
        "apiVersion: wan-recipe/v0\nkind: recipe\ntrain: {lr: 1}\n",
        "apiVersion: wan-recipe/v1\nkind: recipe\ntrain: {learning_rate: 1}\n",
    )
    (tmp_path / "x.yaml").write_text(old)
    shown = recipe("migrate", "x.yaml")
    assert shown.code == 0
    assert "-train: {lr: 1}\n+train: {learning_rate: 1}\n" in shown.out
    checked = recipe("migrate", "--check", "x.yaml")
    assert (checked.code, checked.out) == (1, "x.yaml: of an older version\n")
    assert (tmp_path / "x.yaml").read_text() == old
    assert recipe("migrate", "--write", "x.yaml").code == 0
    assert (tmp_path / "x.yaml").read_text() == new
    assert recipe("migrate", "--check", "x.yaml").code == 0


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_of_windows_and_the_mark_before_a_file_stay(recipe, tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(mark + b"apiVersion: wan-recipe/v0\r\nkind: recipe\r\n")
    assert recipe("migrate", "--write", "x.yaml").code == 0
    assert (tmp_path / "x.yaml").read_bytes() == mark + b"apiVersion: wan-recipe/v1\r\nkind: recipe\r\n"


@pytest.mark.parametrize("verb", [("validate",), ("plan",), ("migrate",)])
def test_a_file_from_the_future_needs_a_newer_program(recipe, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "x.yaml").write_text("apiVersion: wan-recipe/v2\nkind: recipe\ntrain: {teleport: 1}\n")
    done = recipe(*verb, "x.yaml")
    assert done.code == 8
    assert "x.yaml:1:13: error[RCP3002]: written for wan-recipe/v2" in done.err
    assert "install a newer version" in done.err
    assert "teleport" not in done.err.replace("train: {teleport: 1}", "")


def test_validate_names_the_way_out_of_an_old_file(recipe, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text((CORPUS / "v0" / "plain.yaml").read_text())
    done = recipe("validate", "x.yaml")
    assert done.code == 0
    assert "warning[RCP3001]: written for wan-recipe/v0" in done.err
    assert "run `recipe migrate x.yaml --write`" in done.err


@pytest.mark.parametrize(
    "said", ["wan-recipe/v", "wan-recipe/v01", "wan-recipe/vx", "v1", "wan-recipe/v99999"]
)
def test_what_is_no_version_is_a_wrong_value(recipe, tmp_path: Path, said: str) -> None:
    (tmp_path / "x.yaml").write_text(f"apiVersion: {said}\nkind: recipe\n")
    done = recipe("validate", "x.yaml")
    assert done.code == 1
    assert "x.yaml:1:13: error[RCP2002]" in done.err
