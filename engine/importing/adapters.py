"""Conversions of what is trained: kinds of adapters, the layers that they act on, and where they start."""

import json
import re
from typing import Any

from engine.importing.conversions import (
    Around,
    Noted,
    NotHere,
    Nothing,
    number,
    pairs,
    shown,
    text,
    truth,
    whole,
)
from engine.importing.lengths import demand

_WHOLE = 10_000  # rank from which on both matrices of a LoKr are whole, whatever the layer
_ALGORITHMS = {"lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr"}
_LAYERS = {
    "Attention": r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)",
    "FeedForward": r"blocks\.\d+\.ffn\.net\.(0\.proj|2)",
}
_KNOWN = (
    "algo",
    "multiplier",
    "linear_dim",
    "linear_alpha",
    "factor",
    "full_matrix",
    "dropout",
    "rank_dropout",
)
_MODULES = {"networks.lokr": "lokr", "networks.loha": "loha"}
_ROWS = "There inputs or rows are dropped, as its options say; here, of this kind of adapter, rows of what it adds."


def dora(value: Any, _: str, around: Around) -> dict[str, Any]:
    """SimpleTuner's switch that makes a DoRA of its LoRA."""
    if not truth(value):
        raise Nothing("a LoRA, as here")
    return {"kind": "dora", "targets": around.base["train.adapter.targets"]}


def peft_targets(value: Any, *_: Any) -> list[str]:
    """Ends of the names of layers, as peft knows them."""
    try:
        names = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        names = value
    if not isinstance(names, list) or not names:
        raise NotHere(f"{shown(value)} is not a list of names: write `train.adapter.targets`")
    return [rf".*\.{re.escape(text(name))}" for name in names]


def lycoris(value: Any, *_: Any) -> Noted:
    """SimpleTuner's settings of LyCORIS, where they stand in its config."""
    if not isinstance(value, dict):
        raise NotHere(
            "the settings of LyCORIS are a file of their own: write its `algo` as `train.adapter.kind`, `linear_dim` as `rank`, "
            "`linear_alpha` as `alpha`, and `factor`"
        )
    preset: Any = value.get("apply_preset") or {}
    if not isinstance(preset, dict):
        raise NotHere("a preset of LyCORIS is known here by its layers, and not by its name")
    said = {key: inner for key, inner in value.items() if key != "apply_preset"}
    for key in said:
        if key not in _KNOWN:
            raise NotHere(f"an adapter has no `{key}` here")
    kind = _ALGORITHMS.get(str(said.get("algo")).lower())
    if kind is None:
        raise NotHere(f"LyCORIS' {shown(said.get('algo'))} is not known here: `lora`, `loha` and `lokr` are")
    if int(number(said.get("multiplier", 1))) != 1:
        raise NotHere(
            "an adapter counts as it is here, and SimpleTuner rounds the `multiplier` down: write `alpha`"
        )
    made = {"kind": kind, **_strength(said, kind), "dropout": _dropped(said, kind)}
    if kind == "lokr":
        made["factor"] = _factor(preset, whole(said.get("factor", -1)))
    made["targets"] = _targets(preset)
    wholly = "LyCORIS takes whole matrices at such a rank, and then alpha does not count."
    return Noted(made, wholly if made["rank"] == _WHOLE else "")


def lycoris_of(_value: Any, key: str, around: Around) -> Noted:
    """The same, seen from the kind of adapter."""
    return lycoris(around.said(key))


def _strength(said: dict[str, Any], kind: str) -> dict[str, Any]:
    """Rank and alpha; SimpleTuner rounds alpha down, and LyCORIS takes 0 for the rank."""
    rank = _WHOLE if truth(said.get("full_matrix", False)) else whole(said.get("linear_dim", _WHOLE))
    if kind == "lokr" and rank >= _WHOLE:
        return {"rank": _WHOLE, "alpha": _WHOLE}
    return {"rank": rank, "alpha": int(number(said.get("linear_alpha", 0))) or rank}


def _dropped(said: dict[str, Any], kind: str) -> float:
    mine, other = ("dropout", "rank_dropout") if kind == "lora" else ("rank_dropout", "dropout")
    if number(said.get(other) or 0):
        raise NotHere(f"a `{kind}` has no `{other}` here")
    return number(said.get(mine) or 0)


def _targets(preset: Any) -> list[str]:
    names = preset.get("target_module", ["Attention"])
    if not isinstance(names, list) or not set(map(str, names)) <= _LAYERS.keys():
        raise NotHere("the layers of LyCORIS are known here as `Attention` and `FeedForward`")
    return [_LAYERS[str(name)] for name in names]


def _factor(preset: Any, factor: int) -> int:
    """Return the factor, which the preset may say again for each kind of layer."""
    by_layer: Any = preset.get("module_algo_map") or {}
    settings: list[Any] = list(by_layer.values()) if isinstance(by_layer, dict) else [by_layer]
    if not all(isinstance(one, dict) and one.keys() <= {"factor"} for one in settings):
        raise NotHere("all layers have the same kind of adapter here")
    factors = {whole(one.get("factor", factor)) for one in settings} or {factor}
    if len(factors) > 1:
        raise NotHere(f"all layers have one factor here, and LyCORIS gets {sorted(factors)}")
    return factors.pop()


def musubi_kind(value: Any, *_: Any) -> str:
    """The kind of adapter of one of musubi-tuner's network modules."""
    return _MODULES[text(value)]


def musubi_factor(value: Any, arguments: str, around: Around) -> int:
    """The factor of a LoKr, which stands among the arguments of the module."""
    if _MODULES.get(text(value)) != "lokr":
        raise Nothing("only a LoKr has one")
    given = around.said(arguments)
    return musubi_factor_of(given, "network_module", around) if given is not None else -1


def musubi_factor_of(value: Any, module: str, around: Around) -> int:
    """The same, seen from the arguments, none of which can be left out."""
    factor = -1
    for key, inner in pairs(value):
        if key != "factor" or _MODULES.get(str(around.said(module))) != "lokr":
            raise NotHere(
                f"write `train.adapter.targets` and the other words of `train.adapter`: there is none for `{key}`"
            )
        factor = whole(inner)
    return factor


def musubi_dropout(value: Any, module: str, around: Around) -> Noted:
    """The share that musubi-tuner drops, of what its kind of adapter drops."""
    found = number(value)
    return Noted(found, _ROWS if found and str(around.said(module)) in _MODULES else "")


def start(value: Any, *_: Any) -> Noted:
    """The file of an adapter that was trained before."""
    path = text(value)
    if not path.endswith(".safetensors"):
        raise NotHere(
            "an adapter starts from a .safetensors file here: fetch it, and write `train.start: {kind: file, path: …}`"
        )
    return Noted(
        {"kind": "file", "path": path},
        "Relative to this file. All of its tensors must be those of `train.adapter`; here none is left out without a word.",
    )


def of_the_file(value: Any, what: str, _: Around) -> dict[str, Any]:
    """A number of the adapter that only its file says."""
    if not truth(value):
        raise Nothing("`network_dim` says the rank")
    return demand(f"the {what} of the file that training starts from; `recipe plan` says it.")
