"""A code is stable, explained, and found by what it says that it is found by."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from program import recipe

from engine import pipeline
from engine.authoring.codes import codes_page, explained
from engine.language.codes import CODES
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.explanations import EXPLANATIONS
from engine.language.overrides import Override

HEADER = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [parent.yaml]\n"
PARENT = (
    'apiVersion: wan-recipe/v1\nkind: flavour\nextends: ["builtin:flavours/wan2.1-t2v-1.3b"]\n'
    "data: {source: {kind: folder, path: clips}}\n"
    "sample: {prompts: {walk: A black cat walks to the right past two houses under a crescent moon.}}\n"
)

# what takes more than a recipe: the test that has it
SITUATIONS = {
    "RCP1005": "language/test_read.py::test_a_hostile_file_is_refused_at_once_and_in_little_memory",
    "RCP1006": "language/test_read.py::test_a_file_that_is_missing_too_large_or_not_utf_8_is_a_finding",
    "RCP1009": "authoring/test_form.py::test_a_file_that_forming_would_spoil_is_left_alone_with_a_finding",
    "RCP2202": "language/test_merge.py::test_the_table_in_the_docs_is_what_happens",
    "RCP2302": "language/test_resolve.py::test_only_a_recipe_runs",
    "RCP3003": "authoring/test_migrate.py::test_an_old_and_a_new_name_together_are_said_and_nothing_is_written",
    "RCP3201": "importing/test_import_verb.py::test_a_file_that_is_none_is_one_finding_with_its_place",
    "RCP3202": "importing/test_import_verb.py::test_a_key_that_cannot_be_said_stops_before_anything_is_written",
    "RCP3203": "importing/test_import_verb.py::test_a_file_that_is_there_is_never_overwritten",
    "RCP4040": "stages/test_train_packages.py::test_a_package_that_is_not_there_is_said_by_the_plan",
    "RCP4080": "stages/test_survey_roles.py::test_a_clip_that_is_measured_and_trained_on_is_said_whatever_it_is_called",
    "RCP4102": "stages/test_survey.py::test_a_file_that_cannot_be_read_is_refused_by_name_or_left_out",
    "RCP4103": "stages/test_survey.py::test_a_missing_caption_is_refused",
    "RCP4104": "stages/test_survey.py::test_a_short_clip_is_refused_dropped_or_used_as_far_as_it_goes",
    "RCP4108": "stages/test_survey_datasets.py::test_a_clip_outside_of_the_limits_is_left_out_and_said",
    "RCP4109": "stages/test_survey_datasets.py::test_a_table_that_cannot_be_read_is_refused_with_its_line",
    "RCP4110": "stages/test_survey_datasets.py::test_a_table_that_names_what_is_not_there_is_refused_or_left_out",
    "RCP4111": "stages/test_survey_datasets.py::test_an_enlarged_clip_is_said",
    "RCP4106": "stages/test_survey.py::test_results_among_the_clips_are_refused_before_anything_runs",
    "RCP4107": "stages/test_train_buckets.py::test_a_bucket_with_fewer_clips_than_a_batch_is_named_with_the_remedy",
    "RCP5003": "sharing/test_attacks.py::test_a_link_in_a_repository_is_not_followed",
    "RCP5004": "sharing/test_git_layers.py::test_a_layer_from_elsewhere_does_not_say_where_things_lie",
    "RCP5005": "sharing/test_git_layers.py::test_chains_of_repositories_end",
    "RCP5007": "sharing/test_trust.py::test_where_nobody_can_be_asked_a_run_exits_5_before_anything_is_made",
    "RCP5008": "sharing/test_git_layers.py::test_an_object_that_was_changed_in_the_cache_is_not_believed",
    "RCP5101": "sharing/test_lock.py::test_the_program_locks_checks_and_refuses",
    "RCP5102": "sharing/test_lock.py::test_a_file_of_that_name_that_is_no_lock_is_left_alone",
    "RCP5103": "sharing/test_lock.py::test_a_newer_version_is_refused_and_a_newer_revision_is_read",
    "RCP5105": "sharing/test_git_layers.py::test_a_missing_git_says_what_to_install",
    "RCP5106": "sharing/test_card.py::test_a_file_that_was_changed_is_named",
}
EXAMPLES = {code: told.example for code, told in EXPLANATIONS.items() if told.example}


def findings(folder: Path, example: str) -> tuple[Diagnostic, ...]:
    """What checking a recipe says; and if that is nothing, what a plan says."""
    (folder / "parent.yaml").write_text(PARENT)
    option = example.removesuffix("\n").split(" ", 1) if example.startswith("--") else []
    whole = example.startswith("apiVersion")
    file = folder / "x.yaml"
    file.write_text(example if whole else HEADER if option else HEADER + example)
    said = (Override(*option),) if option else ()
    try:
        return pipeline.validate(file, said) or pipeline.plan(file, said, folder / "store")[2]
    except RecipeError as wrong:
        return wrong.findings


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_has_its_finding_and_no_other(tmp_path: Path, code: str) -> None:
    found = findings(tmp_path, EXAMPLES[code])
    assert {one.code for one in found} == {code}, [f"{one.span}: {one.message}" for one in found]


def test_every_code_is_explained_and_has_an_example_or_a_test() -> None:
    assert set(EXPLANATIONS) == set(CODES)
    assert set(EXAMPLES) | set(SITUATIONS) == set(CODES)
    assert set(EXAMPLES) & set(SITUATIONS) == set()


@pytest.mark.parametrize("code", SITUATIONS)
def test_the_test_of_a_situation_is_there_and_is_about_it(code: str) -> None:
    file, _, name = SITUATIONS[code].partition("::")
    text = (ROOT / "tests" / file).read_text()
    assert f"def {name}(" in text
    assert code in text


def test_every_code_that_is_used_is_in_the_table_and_the_other_way_round() -> None:
    used = {code for path in (ROOT / "engine").rglob("*.py") if "codes.py" not in path.name and "explanations" not in path.parts
            for code in re.findall(r"RCP\d{4}", path.read_text())}  # fmt: skip
    assert used == set(CODES)


def test_texts_are_sentences_and_codes_are_of_a_kind() -> None:
    for code, known in CODES.items():
        told = EXPLANATIONS[code]
        assert re.fullmatch(r"RCP[1-5]\d{3}", code)
        assert all(text.endswith((".", ".`")) for text in (known.title, told.cause, told.fix)), code
        assert f"### {code}\n" in codes_page(), "a code outside of every range of the page"


def test_explain_says_it_in_the_terminal_whatever_the_case() -> None:
    done = recipe("explain", "rcp2001")
    assert done.returncode == 0
    assert done.stdout == explained("RCP2001") + "\n"
    for text in (CODES["RCP2001"].title, "train: {adapter: {rnk: 8}}", "exit code 1"):
        assert text in done.stdout


def test_explain_alone_lists_every_code() -> None:
    lines = recipe("explain").stdout.splitlines()
    assert [line.split("  ", 1)[0] for line in lines] == sorted(CODES)


def test_a_code_that_is_none_is_told_the_nearest() -> None:
    done = recipe("explain", "RCP200I")
    assert done.returncode == 2
    assert "RCP200" in " ".join(done.stderr.split()).partition("did you mean")[2]
