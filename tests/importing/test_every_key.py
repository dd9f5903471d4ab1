"""No key vanishes: each ends in exactly one of mapped, dropped with a reason, unsupported with a reason."""

import json
import shlex
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.importing.convert import CONVERSIONS
from engine.importing.given import Dropped, Mapped, Unsupported
from engine.importing.recipe import Imported, from_ai_toolkit, from_musubi, from_simpletuner, report
from engine.importing.table import TABLES, table
from engine.language.builtin import builtin_names
from engine.language.check import check_layer
from engine.language.layers import Layer
from engine.language.nodes import Mapping, Source
from engine.language.read import read_text
from engine.language.refused import refusal
from engine.words.table import HEADER_WORDS, MEANINGS, WORDS

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in TABLES.glob("*.yaml"))
ROWS = [pytest.param(row, id=f"{name}:{row.part}:{row.key}") for name in NAMES for row in table(name).rows]
assert len(ROWS) > 400


def keys_of(value, above: str = "") -> Counter[str]:
    """The keys of plain data, counted without the program: what lies in a list is one value."""
    if not isinstance(value, dict) or not value:
        return Counter([above])
    return sum(
        (keys_of(inner, f"{above}.{key.removeprefix('--')}".strip(".")) for key, inner in value.items()),
        Counter(),
    )


def buckets(imported: Imported) -> Counter[str]:
    kinds = Counter(type(outcome) for _, outcome in imported.outcomes)
    assert (
        sum(kinds.values()) == kinds[Mapped] + kinds[Dropped] + kinds[Unsupported] == len(imported.outcomes)
    )
    assert all(
        outcome.words if isinstance(outcome, Mapped) else outcome.reason for _, outcome in imported.outcomes
    )
    return Counter(one.name for one, _ in imported.outcomes)


def test_the_seed_loses_no_key() -> None:
    config, data = (
        json.loads((HERE / name).read_text()) for name in ("seed-config.json", "seed-conditioning.json")
    )
    given_keys = keys_of(config) + sum(
        (keys_of(entry, f"[{number}]") for number, entry in enumerate(data)), Counter()
    )
    assert buckets(from_simpletuner(HERE / "seed-config.json", HERE / "seed-conditioning.json")) == given_keys


def test_musubi_loses_no_key() -> None:
    script = (HERE / "musubi-train.sh").read_text()
    options = Counter(
        word
        for line in script.splitlines()
        if not line.startswith("#")
        for word in line.split()
        if word.startswith("--")
    )
    found = buckets(from_musubi(HERE / "musubi-dataset.toml", str(HERE / "musubi-train.sh")))
    assert Counter({f"--{name.rpartition('--')[2]}": 1 for name in found if "--" in name}) == Counter(
        dict.fromkeys(options, 1)
    )
    assert sum(found.values()) == sum(options.values()) + 10, "and the ten keys of the TOML"


def test_ai_toolkit_loses_no_key() -> None:
    found = buckets(from_ai_toolkit(HERE / "ai-toolkit.yaml"))
    lines = [line for line in (HERE / "ai-toolkit.yaml").read_text().splitlines() if ":" in line]
    sections = {"config", "process", "network", "save", "datasets", "train", "model", "sample"}
    names = [line.partition(":")[0].strip(" -") for line in lines]
    # `meta`, `optimizer_params` and the prompts are one value; `ema_config` is a section
    expected = Counter(
        name for name in names if name not in sections | {"ema_config", "version", "weight_decay"}
    ) - Counter(["name"])
    assert Counter(name.rpartition(".")[2] for name in found) == expected


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_one_thing_in_words_and_conversions_that_exist(row) -> None:
    assert sum(map(bool, (row.words or row.values, row.drop, row.unsupported))) == 1
    assert all(how.partition(" ")[0] in CONVERSIONS for how in row.words.values())
    for word in row.targets:
        assert word in {*WORDS, *MEANINGS, *HEADER_WORDS}, word
    for said, entry in row.values.items():
        assert len(entry.keys() & {"is", "sets", "drop", "unsupported"}) == 1, (said, entry)
        assert "is" not in entry or row.words
        assert entry.keys() <= {"is", "sets", "drop", "unsupported", "note", "learns"}
    if row.unsupported == "refused":
        assert refusal("", row.key.rpartition(".")[2], "x") is not None


@pytest.mark.parametrize("name", NAMES)
def test_what_a_tool_does_without_being_told_are_words(name: str) -> None:
    assert all(
        word in WORDS and said.keys() == {"part", "is", "note"} for word, said in table(name).always.items()
    )


CONFIG_KEYS = [row.key.replace("*", "thing") for row in table("simpletuner").rows if row.part == "config"]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5000), st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["true", "false", "16", "5e-5", "bf16", "cosine", "832x480", "none", "area", "value", "x y: #", "🎈\n\t\u2028"]),
    st.lists(st.integers(0, 9), max_size=2), st.dictionaries(st.sampled_from("ab"), st.integers(0, 9), max_size=2),
)  # fmt: skip
CONFIGS = st.dictionaries(
    st.one_of(st.sampled_from(CONFIG_KEYS), st.sampled_from(CONFIG_KEYS).map("--{}".format), st.from_regex(r"[a-z_]{3,12}", fullmatch=True)),
    VALUES, max_size=25,
)  # fmt: skip
ENTRY_KEYS = [row.key for row in table("simpletuner").rows if row.part == "clips" and "." not in row.key]
ENTRIES = st.lists(
    st.dictionaries(
        st.sampled_from([*ENTRY_KEYS, "mystery"]),
        VALUES.filter(lambda said: not isinstance(said, dict)),
        max_size=10,
    ),
    max_size=3,
)


@settings(max_examples=120, deadline=None)
@given(CONFIGS, ENTRIES)
def test_no_key_of_any_config_vanishes_and_what_is_written_is_well_formed(
    config: dict, entries: list
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, data = Path(folder) / "config.json", Path(folder) / "data.json"
        path.write_text(json.dumps(config))  # with escapes, as SimpleTuner writes it
        data.write_text(json.dumps(entries))
        imported = from_simpletuner(path, data)
    opaque = {row.key for row in table("simpletuner").rows if row.part == "config"}
    flat = Counter()
    for prefix, part in (("", config), *((f"[{number}].", entry) for number, entry in enumerate(entries))):
        for said, value in part.items():
            key = said.removeprefix("--")
            known = key in opaque or not isinstance(value, dict) or not value
            flat.update([f"{prefix}{key}"] if known else [f"{prefix}{key}.{inner}" for inner in value])
    assert buckets(imported) == flat
    node, findings = read_text(Source("x", imported.text, Path()))
    assert isinstance(node, Mapping)
    assert findings == []
    assert [found for found in check_layer(Layer("x", node))[0] if found.code != "RCP2003"] == []
    assert report(imported)


def test_an_unknown_key_is_unsupported_and_told_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"lora_rnak": 3}')
    ((one, outcome),) = from_simpletuner(tmp_path / "c.json", None).outcomes
    assert isinstance(outcome, Unsupported)
    assert (one.span.line, one.span.column) == (1, 2)
    assert "did you mean `lora_rank`?" in outcome.reason


def test_what_changes_what_is_learnt_is_said_first(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"report_to": "wandb", "masked_loss_probability": 1}')
    assert [one.key for one, _ in from_simpletuner(tmp_path / "c.json", None).unsupported] == [
        "masked_loss_probability",
        "report_to",
    ]


def test_only_flavours_that_exist_are_written(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"pretrained_model_name_or_path": "someone/Wan-Anything"}')
    imported = from_simpletuner(tmp_path / "c.json", None)
    assert "extends" in imported.lacks
    assert "there is no flavour of `someone/Wan-Anything` yet" in report(imported)
    (tmp_path / "c.json").write_text('{"model_flavour": "t2v-480p-1.3b-2.1"}')
    said = from_simpletuner(tmp_path / "c.json", None).text
    assert 'extends: ["builtin:flavours/wan2.1-t2v-1.3b"]  # model_flavour' in said
    assert "flavours/wan2.1-t2v-1.3b" in builtin_names()


def well_formed(imported: Imported) -> None:
    node, findings = read_text(Source("x", imported.text, Path()))
    assert isinstance(node, Mapping)
    assert findings == []
    assert [found for found in check_layer(Layer("x", node))[0] if found.code != "RCP2003"] == []


SCALARS = VALUES.filter(lambda said: not isinstance(said, dict))


def nested(part: str):
    """Mappings of the keys of a part of ai-toolkit's table, one in a while a stranger."""
    keys = [row.key for row in table("ai-toolkit").rows if row.part == part and "*" not in row.key]
    return st.dictionaries(
        st.sampled_from([*keys, "odd", "train.odd", "train.ema_config.odd"]), SCALARS, max_size=12
    )


def deep(flat: dict) -> dict:
    made: dict = {}
    for path, value in flat.items():
        *above, last = path.split(".")
        below = made
        for name in above:
            below = below.setdefault(name, {}) if isinstance(below.setdefault(name, {}), dict) else {}
        below[last] = value
    return made


@settings(max_examples=80, deadline=None)
@given(nested("process"), nested("dataset"))
def test_no_key_of_any_job_of_ai_toolkit_vanishes(process: dict, dataset: dict) -> None:
    process, dataset = deep(process), deep(dataset)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(json.dumps({"config": {"process": [process | {"datasets": [dataset]}]}}))
        imported = from_ai_toolkit(path)
    rows = {row.key for row in table("ai-toolkit").rows if row.part == "process"}
    flat = Counter()
    for name, value in process.items():
        flat += Counter([name]) if name in rows else keys_of(value, name)
    assert buckets(imported) == flat + Counter(f"datasets[0].{name}" for name in keys_of(dataset) if name)
    well_formed(imported)


ARGUMENTS = [row.key.replace("*", "thing") for row in table("musubi").rows if row.part == "arguments"]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*ARGUMENTS, "odd"]),
            st.lists(st.sampled_from(["1", "0.5", "x=1", "bf16", "it's", "a b", "-1"]), max_size=2),
        ),
        max_size=20,
    )
)
def test_no_word_of_any_command_line_vanishes(options: list) -> None:
    line = " ".join(shlex.join([f"--{name}", *values]) for name, values in options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.toml"
        path.write_text('[[datasets]]\nvideo_directory = "clips"\n')
        imported = from_musubi(path, f"python wan_train_network.py {line}")
    assert buckets(imported) == Counter(
        [*(f"--{name}" for name, _ in options), "datasets[0].video_directory"]
    )
    well_formed(imported)
