"""What does not fit a schema, in words, at its place. Loaded only where something does not fit."""

import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Words
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from engine.language.choices import instead_of_section, other_kind
from engine.language.diagnostics import Diagnostic
from engine.language.fits import matches
from engine.language.hints import (
    hint_for_measure,
    hint_for_number,
    hint_for_text,
    hint_for_truth,
    meant_choice,
)
from engine.language.layers import Layer
from engine.language.meant import DIRECTIVES, meant
from engine.language.merge import Section, demanded, place, values
from engine.language.nodes import KeyPath, Span, key_before, key_span, plain, value_span
from engine.language.refused import refusals
from engine.language.slips import spaced
from engine.language.suggest import did_you_mean
from engine.language.write import one_line
from engine.words.table import MEANINGS, general, word_at

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
    findings, lacks = list[Diagnostic](), dict[str, list[ValidationError]]()
    for error in STRICT(schema).iter_errors(values(merged)):
        at = ".".join(map(str, error.absolute_path))
        if error.validator == "additionalProperties":
            findings.append(_other_kind(merged, at, error))
        elif error.validator == "required":
            lacks.setdefault(at, []).append(error)
        else:
            findings.append(_wrong(error, at, place(merged, at)))
    for at, errors in lacks.items():
        paths = [f"{at}.{_missing(error)}".strip(".") for error in errors]
        demands = any(demanded(merged, path) for path in paths)
        if len(errors) > 1 and not demands and "kind" in _given(errors[0].instance):
            findings.append(_new_kind(merged, at, errors))
        else:
            findings += [_lack(merged, path, error) for path, error in zip(paths, errors, strict=True)]
    return findings


def _new_kind(merged: Section, at: str, errors: Sequence[ValidationError]) -> Diagnostic:
    """Say once what a section of a kind lacks, at the kind: another kind drops what was said of the one below."""
    *most, last = [f"`{_missing(error)}`" for error in errors]
    message = f"`{at}` of kind `{_given(errors[0].instance)['kind']}` lacks {', '.join(most)} and {last}"
    about = " ".join(
        filter(
            None, ["What a layer below says of another kind is not carried over.", _written_out(errors[0])]
        )
    )
    path = f"{at}.kind"
    return Diagnostic("RCP2003", message, place(merged, path), path, about)


def _other_kind(merged: Section, at: str, error: ValidationError) -> Diagnostic:
    """Words that meet a section of another kind, which a layer below says: one slip, however many words."""
    names, said = _strangers(error), _given(error.instance)
    spans = [key_before(place(merged, f"{at}.{name}"), name) for name in names]
    others = tuple((f"`{name}` stands at", span) for name, span in zip(names[1:], spans[1:], strict=True))
    help_ = other_kind(at, names, said) or f"known here: {', '.join(_given(error.schema)['properties'])}"
    kind = ("its kind is set at", place(merged, f"{at}.kind"))
    return Diagnostic(
        "RCP2001", _of_no_kind(at, names, said), spans[0], f"{at}.{names[0]}", help_, related=(*others, kind)
    )


def _of_no_kind(at: str, names: Sequence[str], said: Words[str, Any]) -> str:
    words = "words" if len(names) > 1 else "word"
    return (
        f"`{at}` of kind `{said.get('kind', '')}` has no {words} {', '.join(f'`{name}`' for name in names)}"
    )


def _lack(merged: Section, path: str, error: ValidationError) -> Diagnostic:
    why, asked = demanded(merged, path) or ("", None)
    related = (("it is asked for at", asked),) if asked else ()
    because = f"asked for: {why.rstrip('. ')}." if why else ""
    about = " ".join(filter(None, [because, _about(path), _written_out(error)]))
    return Diagnostic("RCP2003", f"`{path}` is missing", place(merged, path), path, about, related=related)


def _missing(error: ValidationError) -> str:
    """Return the word that a ``required`` error is about; the library says it only in its message."""
    return str(next(name for name in _given(error.validator_value) if error.message.startswith(f"{name!r} ")))


def _strangers(error: ValidationError) -> list[str]:
    """Return the names that an ``additionalProperties`` error is about, in the order of the text."""
    patterns, known = _given(error.schema).get("patternProperties", {}), _given(error.schema)["properties"]
    return [
        name
        for name in _given(error.instance)
        if name not in known and not any(re.search(pattern, name) for pattern in patterns)
    ]


def _given(value: Any) -> Any:
    """Pass on what the library types as perhaps unset; an error that came from a schema always has it."""
    return value


def _explain(error: ValidationError, layer: Layer, schema: Schema) -> Iterator[tuple[Diagnostic, KeyPath]]:
    path: KeyPath = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        yield from _unknown(error, layer, path)
    elif error.validator == "required":
        name = _missing(error)
        about = FORMS.get(name, schema["properties"].get(name, {}).get("description", ""))
        yield (
            Diagnostic("RCP2003", f"`{name}` is missing", value_span(layer.node, path), name, about),
            (*path, name),
        )
    else:
        at, span = ".".join(map(str, path)), value_span(layer.node, path)
        above = ".".join(map(str, path[:-1]))
        refused = refusals(above, str(path[-1]), _given(error.instance)) if path else []
        for no in refused:
            yield (
                Diagnostic(no.code, no.message, span, at, no.help),
                path,
            )
        if not refused:
            yield _wrong(error, at, span), path


def _wrong(error: ValidationError, at: str, span: Span) -> Diagnostic:
    """A value of the wrong kind or out of range, with what to write instead."""
    hint = _hint(error, at, span)
    help_ = (f"{hint}. " if hint else "") + _about(at)
    return Diagnostic("RCP2002", _says(error, span, hint=hint), span, at, help_.strip())


def _unknown(error: ValidationError, layer: Layer, path: KeyPath) -> Iterator[tuple[Diagnostic, KeyPath]]:
    """Words that the vocabulary does not have at a place, each with what it was meant to be."""
    at, said, names = ".".join(map(str, path)), _given(error.instance), _strangers(error)
    known = {name: word for name, word in _given(error.schema)["properties"].items() if name[0] != "$"}
    if "kind" in said and (help_ := other_kind(at, names, said)):
        span = key_span(layer.node, (*path, names[0]))
        found = Diagnostic("RCP2001", _of_no_kind(at, names, said), span, f"{at}.{names[0]}", help_)
        yield from (
            (found, (*path, name)) for name in names
        )  # said once; what the kind lacks is said as well
        return
    for name in names:
        below, where = (*path, name), f" under `{at}`" if at else ""
        told = f"{at}.{name}".strip(".")
        refused = refusals(at, name, said[name])
        for no in refused:
            yield Diagnostic(no.code, no.message, key_span(layer.node, below), told, no.help), below
        if not refused:
            help_ = meant(name, at, known, said)
            span = key_span(layer.node, below)
            yield Diagnostic("RCP2001", f"unknown word `{name}`{where}", span, told, help_), below


def _listed(limit: Any) -> list[Any]:
    return limit if isinstance(limit, list) else [limit]


def _hint(error: ValidationError, at: str, span: Span) -> str:
    """What to write instead, where the kind of slip tells."""
    wanted = _given(error.validator_value) if error.validator == "type" else error.validator
    match wanted, _given(error.instance):
        case _, None:
            unset = "to take the word away, write `{$unset: true}`"
            return unset if _is_null(span) else f"write one, or take the line out; {unset}"
        case "integer" | "number", str(text):
            return spaced(text) or hint_for_measure(at, text) or hint_for_text(text)
        case "boolean", str(text):
            return hint_for_truth(text)
        case "integer", float(number) if number.is_integer():
            return f"write {int(number)}"
        case "string", bool() | int() | float():
            return hint_for_number(span)
        case "object", value:
            return instead_of_section(at, value)
        case "enum" | "const", str(text):
            choice, why = meant_choice(at, text, _listed(error.validator_value))
            return ": ".join(filter(None, [f"write `{choice}`" if choice else "", why]))
        case "array", dict(words) if said := [name for name in words if f"${name}" in DIRECTIVES]:
            return f"write `${said[0]}`"
        case "array", (str() | int() | float()) as value:
            return f"write a list: `{one_line([value])}`"
    return ""


def _is_null(span: Span) -> bool:
    """Whether null was written, and is not what an empty place reads as."""
    return span.token.lower() in ("null", "~")


def _written_out(error: ValidationError) -> str:
    """Where a choice lacks words, show one that has all of them."""
    examples = _given(error.schema).get("examples", [])
    words = [
        f"{name}: {said if isinstance(said, str) else json.dumps(said)}"
        for example in examples
        for name, said in sorted(example.items(), key=lambda item: item[0] != "kind")
    ]
    return f"For example `{{{', '.join(words)}}}`." if examples else ""


def _says(error: ValidationError, span: Span, *, hint: str) -> str:
    """Say in words what is wrong with a value; what a hint says already is not guessed at."""
    where = ".".join(map(str, error.absolute_path)) or "the file"
    value, limit = _given(error.instance), _given(error.validator_value)
    shown = f"{value!r}" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    match error.validator:
        case _ if value is None and not _is_null(span):
            return f"`{where}` has no value"
        case "type":
            return f"`{where}` is {shown}, not {_KINDS.get(str(limit), str(limit))}"
        case "enum" | "const":
            known = [item if isinstance(item, str) else json.dumps(item) for item in _listed(limit)]
            near = did_you_mean(value, known) if isinstance(value, str) and not hint else ""
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


def _about(path: str) -> str:
    word = word_at(path)
    return word.description if word else MEANINGS.get(general(path), "")


def _once(findings: list[Diagnostic]) -> list[Diagnostic]:
    """A choice of sections says the same once for each of them; keep the one that shows what to write."""
    kept: dict[tuple[str, Span, str], Diagnostic] = {}
    for found in findings:
        at = (found.code, found.span, found.message)
        if at not in kept or found.help.startswith("write"):
            kept[at] = found
    return list(kept.values())
