"""Conversions of captions and prompts."""

import re
from typing import Any

from engine.importing.conversions import Around, Noted, NotHere, Nothing, on, shown, text, truth

_INSTANCE = ("instanceprompt", "instance_prompt")
_SIGNS = re.compile(r"[\\.^$*+?{}\[\]|()]")


def captions(value: Any, _: str, around: Around) -> dict[str, Any]:
    """Where SimpleTuner's captions come from."""
    if value in _INSTANCE and around.said("instance_prompt"):
        raise Nothing("`instance_prompt` says it")
    kind = text(value)
    if kind == "filename":
        return {"kind": "filename"}
    if kind == "textfile":
        return {
            "kind": "beside",
            "lines": "joined" if on(around.said("disable_multiline_split")) else "variants",
        }
    columns = {"parquet": "parquet.caption_column", "csv": "csv_caption_column"}
    if kind in columns:
        column = around.said(columns[kind])
        if column is None:
            raise NotHere(f"`{columns[kind]}` is not said")
        return {"kind": "column", "column": text(column)}
    raise NotHere(
        f"captions of {shown(value)} are not known here: textfile, filename, parquet and csv are, and one for all"
    )


def lines_of(value: Any, strategy: str, around: Around) -> dict[str, Any]:
    """The same, seen from the switch that keeps lines together."""
    truth(value)
    if around.said(strategy) != "textfile":
        raise Nothing("it is about captions in text files")
    return captions("textfile", "", around)


def column_of(value: Any, kind: str, around: Around) -> dict[str, Any]:
    """The same, seen from the column."""
    if around.said("caption_strategy") != kind:
        raise Nothing(f"it counts only with caption_strategy `{kind}`")
    return {"kind": "column", "column": text(value)}


def caption_column(_value: Any, column: str, _: Around) -> dict[str, Any]:
    """The captions of a table whose column is always called so."""
    return {"kind": "column", "column": column}


def one_caption(value: Any, _: str, around: Around) -> dict[str, Any]:
    """One caption for all."""
    if around.said("caption_strategy") not in _INSTANCE and not on(around.said("only_instance_prompt")):
        raise Nothing(
            "it counts only with caption_strategy `instanceprompt`, or where it is put before captions"
        )
    return {"kind": "one", "text": text(value)}


def prefix(value: Any, switch: str, around: Around) -> str:
    """What SimpleTuner puts before captions, if it does."""
    if not on(around.said(switch)):
        raise Nothing(f"it is put before captions only with `{switch}`")
    return text(value)


def one_caption_of(value: Any, prompt: str, around: Around) -> dict[str, Any]:
    """The same as ``one_caption``, seen from its switch."""
    return {"kind": "one", "text": _switched(value, prompt, around)}


def prefix_of(value: Any, prompt: str, around: Around) -> Noted:
    """The same as ``prefix``, seen from its switch."""
    return Noted(
        _switched(value, prompt, around), "A caption that begins with it already does not get it twice."
    )


def _switched(value: Any, prompt: str, around: Around) -> str:
    if not truth(value):
        raise Nothing("captions are used as they are")
    said = around.said(prompt)
    if not said:
        raise NotHere(f"`{prompt}` is not said")
    return text(said)


def taken_out(value: Any, *_: Any) -> Noted:
    """What SimpleTuner takes out of captions: each entry as it is written, and then as a pattern."""
    if not isinstance(value, list):
        raise NotHere("write the patterns of that file into `data.caption_filter`")
    found = [pattern for entry in value for pattern in _patterns(text(entry))]
    idle = any(text(entry).startswith("s/") and text(entry).count("/") > 2 for entry in value)
    slashes = "SimpleTuner takes `s/a/b/` with three slashes for plain text."
    return Noted(list(dict.fromkeys(found)), slashes if idle else "")


def _patterns(said: str) -> list[str]:
    if said.startswith("s/") and said.count("/") == 2:
        _, pattern, instead = said.split("/")
        if instead:
            raise NotHere(
                f"{shown(said)} puts something in the place of a text; here texts are only taken out"
            )
        return [pattern]
    if not _SIGNS.search(said):
        return [said]
    try:
        re.compile(said)
    except (re.error, OverflowError, RecursionError):
        return [re.escape(said)]
    return [re.escape(said), said]


def trigger(value: Any, *_: Any) -> Noted:
    """The trigger word of ai-toolkit."""
    if value in (None, ""):
        raise Nothing("none is said")
    return Noted(
        text(value),
        "ai-toolkit writes it for [trigger] too, and not before a caption that holds it anywhere.",
    )


def one_prompt(value: Any, *_: Any) -> dict[str, str]:
    """SimpleTuner's main prompt."""
    return {"validation": text(value)}


def prompts(value: Any, _: str, around: Around) -> Noted:
    """A list of prompts, or of mappings with a prompt; each gets a name."""
    items = value if isinstance(value, list) else [value]
    texts = [text(item.get("prompt")) if isinstance(item, dict) else text(item) for item in items]
    odd = any(isinstance(item, dict) and len(item) > 1 for item in items) or any(
        " --" in said for said in texts
    )
    if odd:
        raise NotHere(
            "all prompts share one size, seed and guidance here: take the others out of the prompts"
        )
    if (word := around.said("trigger_word")) and isinstance(word, str):
        texts = [said.replace("[trigger]", word) for said in texts]
    if any("[trigger]" in said for said in texts):
        raise NotHere("write the trigger word where the prompts say [trigger]")
    return Noted({f"prompt-{number}": said for number, said in enumerate(texts, start=1)})
