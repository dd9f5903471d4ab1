"""The vocabulary is one source: models, schemas, reference and stages agree on it."""

from typing import get_args, get_origin

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from engine.authoring.__main__ import generated
from engine.language.check import check_complete
from engine.language.resolve import resolve
from engine.plan.keys import word_paths
from engine.seam import Stage
from engine.stages import STAGES
from engine.words.classes import CacheClass
from engine.words.recipe import Recipe
from engine.words.schema import layer_schema, resolved_schema
from engine.words.table import WORDS, general, word_at


def test_the_generated_files_are_up_to_date() -> None:
    stale = [
        path.name for path, text in generated().items() if not path.is_file() or path.read_text() != text
    ]
    assert stale == [], "run python -m engine.authoring"


@pytest.mark.parametrize("schema", [layer_schema(), resolved_schema()])
def test_the_schemas_are_schemas(schema: dict) -> None:
    Draft202012Validator.check_schema(schema)


def test_every_word_says_what_it_means() -> None:
    assert len(WORDS) > 80
    assert [path for path, word in WORDS.items() if not word.description.endswith((".", ".`"))] == []


def test_no_model_has_a_default() -> None:
    def models(kind: type[BaseModel]):
        yield kind
        for field in kind.model_fields.values():
            for inner in (field.annotation, *get_args(field.annotation)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    yield from models(inner)

    with_default = [f"{kind.__name__}.{name}" for kind in models(Recipe)
                    for name, field in kind.model_fields.items() if not field.is_required()]  # fmt: skip
    assert with_default == [], "defaults are recipe text, in recipes/base/wan.yaml"


def leaf_words(path: str, annotation: object) -> list[str]:
    """The words that a field of a spec brings in: itself, or all those of its section."""
    models = [kind for kind in (annotation, *get_args(annotation))
              if isinstance(kind, type) and issubclass(kind, BaseModel)]  # fmt: skip
    if not models or get_origin(annotation) is list:
        return [path]
    path = f"{path}.name" if get_origin(annotation) is dict else path
    return [word for model in models for name, field in model.model_fields.items()
            for word in leaf_words(f"{path}.{name}", field.annotation)]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_spec_holds_only_words_that_count_and_the_rest_travels_beside_it(stage: Stage) -> None:
    counts = {CacheClass.IDENTITY, CacheClass.EXTEND}
    # where something lies may stand in a spec: no key is made of it
    for model, allowed in (
        (stage.spec, counts | {CacheClass.LOCATION}),
        (stage.runtime, set(CacheClass) - counts),
    ):
        for name, path in word_paths(model).items():
            for leaf in leaf_words(path, model.model_fields[name].annotation):
                word = word_at(leaf)
                assert word is not None, f"{stage.name} reads {leaf}, which is no word"
                assert word.cache in allowed, (
                    f"{stage.name}.{model.__name__} reads {leaf}, which is {word.cache}"
                )


def test_every_word_that_counts_is_read_by_a_stage() -> None:
    read = {general(leaf) for stage in STAGES for name, path in word_paths(stage.spec).items()
            for leaf in leaf_words(path, stage.spec.model_fields[name].annotation)}  # fmt: skip
    counted = {path for path, word in WORDS.items() if word.cache in (CacheClass.IDENTITY, CacheClass.EXTEND)}
    # further datasets have the words of `data`
    assert counted - read == {"data.more"}, "a word that nothing reads promises something"


def test_a_complete_recipe_is_complete() -> None:
    from conftest import ROOT

    assert check_complete(resolve(ROOT / "recipes/examples/micro-cartoon.yaml").merged) == []
