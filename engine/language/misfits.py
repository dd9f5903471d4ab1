"""What does not fit a schema, in words, at its place. Loaded only where something does not fit."""

import json
import re
from collections.abc import Iterator
from collections.abc import Mapping as Words
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from engine.language.diagnostics import Diagnostic
from engine.language.fits import matches
from engine.language.foreign import foreign_names
from engine.language.hints import hint_for_number, hint_for_text, hint_for_truth
from engine.language.layers import Layer
from engine.language.merge import Section, demanded, place, values
from engine.language.nodes import KeyPath, Span, key_span, plain, value_span
from engine.language.refused import refusal
from engine.language.suggest import did_you_mean, nearest
from engine.words.table import MEANINGS, WORDS, word_at

# JSON Schema takes 16.0 for an integer and so hides a slip; a recipe's integer is written without a point
_STRICT = Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


STRICT = extend(Draft202012Validator, {"pattern": _pattern}, type_checker=_STRICT)  # type: ignore[no-untyped-call]

Schema = dict[str, Any]


def misfits_of_layer(layer: Layer, schema: Schema) -> tuple[list[Diagnostic], list[KeyPath]]:
    """Return what does not fit in one layer, and the paths of the values that cannot be used."""
    findings, bad = list[Diagnostic](), list[KeyPath]()
    for error in STRICT(schema).iter_errors(plain(layer.node)):
        for found, path in _explain(error, layer, schema):
            findings.append(found)
            bad.append(path)
    return _once(findings), bad


def misfits_of_recipe(merged: Section, schema: Schema) -> list[Diagnostic]:
    """Return what a complete recipe lacks, and what only meets in it."""
    findings = []
    for error in STRICT(schema).iter_errors(values(merged)):
        at = ".".join(map(str, error.absolute_path))
        if error.validator == "additionalProperties":
            known = _given(error.schema)["properties"]
            kind = _given(error.instance).get("kind", "")
            findings += [
                Diagnostic("RCP2001", f"`{at}` of kind `{kind}` has no word `{name}`", place(merged, f"{at}.{name}"),
                           f"{at}.{name}", f"known here: {', '.join(known)}")
                for name in _strangers(error)
            ]  # fmt: skip
            continue
        if error.validator != "required":
            findings.append(Diagnostic("RCP2002", _says(error), place(merged, at), at, _about(at)))
            continue
        path = f"{at}.{_missing(error)}".strip(".")
        why, asked = demanded(merged, path) or ("", None)
        related = (("it is asked for at", asked),) if asked else ()
        about = " ".join(filter(None, [why, _about(path), _written_out(error)]))
        findings.append(
            Diagnostic("RCP2003", f"`{path}` is missing", place(merged, at), path, about, related=related)
        )
    return findings


def _missing(error: ValidationError) -> str:
    """Return the word that a ``required`` error is about; the library says it only in its message."""
    return str(next(name for name in _given(error.validator_value) if error.message.startswith(f"{name!r} ")))


def _strangers(error: ValidationError) -> list[str]:
    """Return the names that an ``additionalProperties`` error is about."""
    patterns = _given(error.schema).get("patternProperties", {})
    return sorted(
        name
        for name in set(_given(error.instance)) - set(_given(error.schema)["properties"])
        if not any(re.search(pattern, name) for pattern in patterns)
    )


def _given(value: Any) -> Any:
    """Pass on what the library types as perhaps unset; an error that came from a schema always has it."""
    return value


def _explain(error: ValidationError, layer: Layer, schema: Schema) -> Iterator[tuple[Diagnostic, KeyPath]]:
    path: KeyPath = tuple(error.absolute_path)
    at = ".".join(map(str, path))
    if error.validator == "additionalProperties":
        known = {name: said for name, said in _given(error.schema)["properties"].items() if name[0] != "$"}
        for name in _strangers(error):
            below = (*path, name)
            where = f" under `{at}`" if at else ""
            code, message, help_ = refusal(at, name, _given(error.instance)[name]) or (
                "RCP2001", f"unknown word `{name}`{where}", _unknown(name, at, known),
            )  # fmt: skip
            span = key_span(layer.node, below)
            yield Diagnostic(code, message, span, f"{at}.{name}".strip("."), help_), below
    elif error.validator == "required":
        name = _missing(error)
        about = FORMS.get(name, schema["properties"].get(name, {}).get("description", ""))
        yield (
            Diagnostic("RCP2003", f"`{name}` is missing", value_span(layer.node, path), name, about),
            (*path, name),
        )
    else:
        span = value_span(layer.node, path)
        refused = (
            refusal(".".join(map(str, path[:-1])), str(path[-1]), _given(error.instance)) if path else None
        )
        code, message, help_ = refused or (
            "RCP2002",
            _says(error),
            _as_kind(error) or _hint(error, span) + _about(at),
        )
        yield Diagnostic(code, message, span, at, help_.strip()), path


def _listed(limit: Any) -> list[Any]:
    return limit if isinstance(limit, list) else [limit]


def _hint(error: ValidationError, span: Span) -> str:
    """What to write instead, where the kind of slip tells."""
    hint, wanted = "", _given(error.validator_value) if error.validator == "type" else ""
    match wanted, _given(error.instance):
        case _, None:
            hint = "to take the word away, write `{$unset: true}`"
        case "integer" | "number", str(text):
            hint = hint_for_text(text)
        case "boolean", str(text):
            hint = hint_for_truth(text)
        case "integer", float(number) if number.is_integer():
            hint = f"write {int(number)}"
        case "string", bool() | int() | float():
            hint = hint_for_number(span)
    return f"{hint}. " if hint else ""


def _as_kind(error: ValidationError) -> str:
    """Where a choice was given by its bare name, show how it is written."""
    kinds = _given(error.schema).get("properties", {}).get("kind", {}).get("enum", [])
    value = _given(error.instance)
    return f"write `{{kind: {value}, …}}`" if isinstance(value, str) and value in kinds else ""


def _written_out(error: ValidationError) -> str:
    """Where a choice lacks words, show one that has all of them."""
    examples = _given(error.schema).get("examples", [])
    words = [
        f"{name}: {said if isinstance(said, str) else json.dumps(said)}"
        for example in examples
        for name, said in sorted(example.items(), key=lambda item: item[0] != "kind")
    ]
    return f"For example `{{{', '.join(words)}}}`." if examples else ""


def _says(error: ValidationError) -> str:
    """Say in words what is wrong with a value."""
    where = ".".join(map(str, error.absolute_path)) or "the file"
    value, limit = _given(error.instance), _given(error.validator_value)
    shown = f"{value!r}" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    match error.validator:
        case "type":
            return f"`{where}` is {shown}, not {_KINDS.get(str(limit), str(limit))}"
        case "enum" | "const":
            known = [item if isinstance(item, str) else json.dumps(item) for item in _listed(limit)]
            near = did_you_mean(value, known) if isinstance(value, str) else ""
            return f"`{where}` is {shown}, not {'one of ' * (len(known) > 1)}{', '.join(known)}" + (
                f"; {near}" if near else ""
            )
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return f"`{where}` is {shown}; it must be {_LIMITS[error.validator]} {limit}"
        case "minLength" | "minItems" | "minProperties":
            return (
                f"`{where}` is empty"
                if not value
                else f"`{where}` has too few parts ({shown}): at least {limit}"
            )
        case _:
            return f"`{where}`: {error.message}"


_KINDS = {
    "integer": "a whole number", "number": "a number", "string": "a text (quote it)", "boolean": "true or false",
    "array": "a list", "object": "a section", "null": "null",
}  # fmt: skip
FORMS = {"apiVersion": "write `apiVersion: wan-recipe/v1`", "kind": "write `kind: recipe`"}
_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "below",
}


def _unknown(name: str, at: str, siblings: Words[str, Any]) -> str:
    """Suggest a sibling, or say where a word of that name belongs."""
    if ours := foreign_names().get(name.removeprefix("--")):
        return f"here it is called `{ours}`"
    if near := nearest(name, siblings):
        return f"did you mean `{near}`?"
    elsewhere = [path for path in WORDS if path.rpartition(".")[2] == name]
    if elsewhere:
        return f"`{name}` belongs under `{elsewhere[0].rpartition('.')[0]}`"
    known = ", ".join(siblings)
    return (
        f"known here: {known}"
        if len(known) < 160
        else f"see the words under `{at or 'a recipe'}` in docs/reference.md"
    )


def _about(path: str) -> str:
    word = word_at(path)
    return word.description if word else MEANINGS.get(path, "")


def _once(findings: list[Diagnostic]) -> list[Diagnostic]:
    """A choice of sections says the same once for each of them; keep the one that shows what to write."""
    kept: dict[tuple[str, Span, str], Diagnostic] = {}
    for found in findings:
        at = (found.code, found.span, found.message)
        if at not in kept or found.help.startswith("write"):
            kept[at] = found
    return list(kept.values())
