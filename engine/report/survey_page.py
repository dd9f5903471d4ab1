"""What becomes of every clip of a training set, as one HTML page that needs nothing else.

The page loads nothing, and its policy forbids it to: pictures, style and script stand in it, and the browser runs no
script but ours. Names and captions are other people's, so the templates escape all of them, and what cannot be seen is
written out. Without script the page is whole; with it the table of clips can be searched, narrowed down and put in order.

Its size grows with the number of clips and not with what they hold: captions share a budget, so that a page of ten
thousand clips stays below ten megabytes, contact sheets aside.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from engine.report.survey_text import (
    about_buckets,
    captions,
    counted,
    named,
    not_looked_at,
    number,
    of,
    outcome,
    spans,
    used_for,
    visible,
)

_ALL_CAPTIONS = 2_500_000  # bytes that the captions of all clips share, each clip as much
_HEAD = 100  # letters of a caption that are shown before it is unfolded
_REASONS = 30  # reasons that have a place of their own, the most common ones
_FILES = 100  # files that a reason lists; all of them are in the table
_STEPS = 400  # a strip is drawn in as many steps, so that a thousand windows are no longer than it is
_WEBP = 16_383  # pixels: a WebP is no wider and no higher
_USES = {"kept": "kept", "trimmed": "trimmed", "left out": "left-out"}  # use → its class in the style


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a bar: its class in the style, what it stands for, and its path on a line of ``_STEPS`` by 1."""

    mark: str
    label: str
    path: str


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of which the same is said but for numbers and names: what they have in common, and what is said of each."""

    said: str
    count: int
    files: tuple[tuple[str, str], ...]  # at most _FILES, each with the words that are its own


@dataclass(frozen=True, slots=True)
class _Row:
    """A clip as the table shows it; every text is visible, and empty where there is nothing to say."""

    file: str
    use: str
    mark: str
    why: str
    notes: str
    caption: str
    more: tuple[str, ...]
    strip: str
    seconds: str
    used: float
    picture: str
    shape: str
    scale: float


def survey_page(report: Mapping[str, Any], sheets: Mapping[str, bytes]) -> str:
    """Show on one page what becomes of every clip.

    Args:
        report: as :func:`engine.report.survey_text.survey_text` takes it.
        sheets: contact sheets as PNG, by the name under which a bucket's ``sheet`` asks for them; others are not shown.

    Returns:
        a whole HTML document, to be written as UTF-8.

    Raises:
        KeyError: if a field is missing, or a sheet that a bucket asks for.
        PIL.UnidentifiedImageError: if a sheet is no picture.
    """
    style, script = (_TEMPLATES.get_template(f"survey.{kind}").render() for kind in ("css", "js"))
    many = len(report["datasets"]) > 1
    left = [clip for clip in report["clips"] if clip["use"] == "left out"]
    used = [clip for clip in report["clips"] if clip["use"] != "left out"]
    return _TEMPLATES.get_template("survey.html.j2").render(
        report=report, style=style, script=script, policy=_policy(style, script), steps=_STEPS,
        outcome=outcome(report), bars=_bars(report["totals"], left),
        left=_groups((clip["file"], named(clip, many), clip["why"]) for clip in left),
        noted=_groups((clip["file"], named(clip, many), note) for clip in used for note in clip["notes"]),
        others=not_looked_at(report), about=about_buckets(report), captions=captions(report["captions"]),
        sheets=_embedded(report["buckets"], sheets), rows=_rows(report["clips"], many), uses=_USES,
    )  # fmt: skip


def _policy(style: str, script: str) -> str:
    """Return what the browser is allowed: our style and script, known by their digests, and pictures in the page."""
    ours = {kind: b64encode(sha256(text.encode()).digest()).decode()
            for kind, text in (("style", style), ("script", script))}  # fmt: skip
    allowed = " ".join(f"{kind}-src 'sha256-{digest}';" for kind, digest in ours.items())
    return f"default-src 'none'; img-src data:; {allowed} base-uri 'none'; form-action 'none'"


def _bars(totals: Mapping[str, Any], left: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[_Part]]]:
    """Return the two bars: what becomes of the files, and of the seconds in them. What is nothing has no bar."""
    lost = sum(clip["seconds"] or 0 for clip in left)
    cut = max(0, totals["seconds"] - totals["seconds used"] - lost)
    seconds = [("kept", totals["seconds used"], used_for(totals)), ("cut", cut, "cut away"),
               ("lost", lost, "in files left out")]  # fmt: skip
    files = [(mark, totals[use], use) for use, mark in _USES.items()]
    bars = (("Files", files, lambda n: f"{n:,}"), ("Seconds", seconds, lambda n: number(n, 1)))
    return [
        (name, _parts(amounts, said))
        for name, amounts, said in bars
        if any(round(n, 1) for _, n, _ in amounts)
    ]


def _parts(amounts: Sequence[tuple[str, float, str]], said: Callable[[float], str]) -> list[_Part]:
    """Lay amounts end to end on a line as long as all of them."""
    whole, parts, start = sum(amount for _, amount, _ in amounts), [], 0.0
    for mark, amount, name in amounts:
        if round(amount, 1):
            path = _strip([(start, start + amount)], whole)
            parts.append(_Part(mark, f"{said(amount)} {name}", path))
        start += amount
    return parts


def _strip(used: Iterable[Sequence[float]], whole: float) -> str:
    """Draw stretches of ``whole`` as boxes on a line of ``_STEPS`` by 1, each one step wide at least."""
    boxes = {}
    for start, end in used:
        first = min(round(_STEPS * start / whole), _STEPS - 1)
        boxes[first, max(1, min(round(_STEPS * end / whole), _STEPS) - first)] = True
    return "".join(f"M{first} 0h{wide}v1h-{wide}z" for first, wide in boxes)


def _groups(said: Iterable[tuple[str, str, str]]) -> list[_Group]:
    """Gather ``(file, its name for people, what is said of it)`` by what is said, the most common first."""
    alike: dict[str, list[tuple[str, str]]] = {}
    for file, name, text in said:
        own = re.escape(PurePosixPath(file).stem)
        key = re.sub(rf"(?<!\w){own}\.\w+|\d+(?:[.,]\d+)*", "…", text)
        alike.setdefault(key, []).append((name, visible(text)))
    common = sorted(alike.items(), key=lambda item: -len(item[1]))
    groups = [_group(key, files) for key, files in common[:_REASONS]]
    if rest := [each for _, files in common[_REASONS:] for each in files]:
        groups.append(_Group("other reasons", len(rest), tuple(rest[:_FILES])))
    return groups


def _group(key: str, files: Sequence[tuple[str, str]]) -> _Group:
    """Say once what all have in common, with … in place of the words that differ, and of each only those."""
    words = [text.split() for _, text in files]
    if len({len(each) for each in words}) > 1:
        return _Group(visible(key), len(files), tuple(files[:_FILES]))
    same = [len(set(column)) == 1 for column in zip(*words, strict=True)]
    common = " ".join(word if alike else "…" for word, alike in zip(words[0], same, strict=True))
    own = (
        " ".join(word for word, alike in zip(each, same, strict=True) if not alike) for each in words[:_FILES]
    )
    return _Group(common, len(files), tuple(zip((name for name, _ in files[:_FILES]), own, strict=True)))


def _rows(clips: Sequence[Mapping[str, Any]], many: bool) -> Iterable[_Row]:
    """Return the rows of the table, one at a time: ten thousand are never held at once."""
    room = _ALL_CAPTIONS // max(1, len(clips))
    for clip in clips:
        caption, more = _caption(clip["captions"], room)
        whole = clip["seconds"] or 0
        yield _Row(
            file=named(clip, many), use=clip["use"], mark=_USES[clip["use"]], why=visible(clip["why"]),
            notes=visible(", ".join(clip["notes"])), caption=caption, more=more,
            strip=_strip(clip["used"], whole) if whole else "", seconds=_seconds(clip),
            used=round(sum(end - start for start, end in clip["used"]), 2),
            picture=_picture(clip), shape=_shape(clip), scale=clip["scale"] or 0,
        )  # fmt: skip


def _caption(variants: Sequence[str], room: int) -> tuple[str, tuple[str, ...]]:
    """Return the beginning of a clip's first caption, and what unfolds below: its rest and the other captions.

    What they hold beyond ``room`` bytes is cut away, and how much that is stands in its place.
    """
    texts: list[str] = []
    for caption in variants:
        texts.append(_cut(visible(caption), room))
        room -= len(texts[-1].encode())
        if room <= 0 and (hidden := len(variants) - len(texts)):
            texts.append(f"and {counted(hidden, 'more caption')}")
            break
    first, *others = texts or [""]
    if len(first) <= _HEAD * 5 // 4:  # not worth unfolding
        return first, tuple(others)
    at = first.rfind(" ", _HEAD // 2, _HEAD)
    at = at if at > 0 else _HEAD
    return first[:at], (first[at:].strip(), *others)


def _cut(text: str, room: int) -> str:
    """Return a text of at most ``room`` bytes, and how much of it is missing."""
    if len(text) * 4 <= room or len(raw := text.encode()) <= room:
        return text
    kept = raw[:room].decode(errors="ignore")
    return f"{kept} … and {counted(len(text) - len(kept), 'more character')}"


def _seconds(clip: Mapping[str, Any]) -> str:
    """Say which seconds of a clip are used, such as ``0–5.06 of 12 s``; empty for a picture."""
    if clip["seconds"] is None or clip["kind"] == "image":
        return ""
    used = f"{spans(clip['used'])} of " if clip["used"] else "none of " if clip["use"] == "left out" else ""
    return f"{used}{number(clip['seconds'])} s"


def _picture(clip: Mapping[str, Any]) -> str:
    """Say what a clip is, such as ``1280×720, 29.97 fps``; empty where it cannot be read."""
    kind = "picture" if clip["kind"] == "image" else ""
    size = f"{clip['size'][0]}×{clip['size'][1]}" if clip["size"] else ""
    fps = f"{number(clip['fps'])} fps" if clip["fps"] and clip["kind"] == "video" else ""
    return ", ".join(part for part in (kind, size, fps) if part)


def _shape(clip: Mapping[str, Any]) -> str:
    """Say which shapes a clip is given, such as ``→ 832×480×81, scaled by 0.65``; empty where it is left out."""
    if not clip["buckets"]:
        return ""
    scale = f", scaled by {number(clip['scale'])}" if clip["scale"] else ""
    return f"→ {' and '.join(map(_times, clip['buckets']))}{scale}"


def _times(bucket: str) -> str:
    """Write a bucket with the sign for times."""
    return visible(re.sub(r"(?<=\d)x(?=\d)", "×", bucket))


def _embedded(
    buckets: Iterable[Mapping[str, Any]], sheets: Mapping[str, bytes]
) -> list[tuple[str, str, str]]:
    """Return of every bucket that has a contact sheet its name, how many clips it has, and the picture."""
    return [
        (_times(each["bucket"]), counted(each["clips"], "clip"), _packed(sheets[each["sheet"]]))
        for each in buckets
        if each["sheet"] is not None
    ]


def _packed(png: bytes) -> str:
    """Return a picture as an address that holds it: as WebP, a quarter as long as PNG with no difference that shows."""
    picture, packed = Image.open(BytesIO(png)), BytesIO()
    if max(picture.size) > _WEBP:
        return f"data:image/png;base64,{b64encode(png).decode()}"
    picture.save(packed, format="WEBP", quality=85)
    return f"data:image/webp;base64,{b64encode(packed.getvalue()).decode()}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"visible": visible, "times": _times, "number": number, "counted": counted, "of": of}
