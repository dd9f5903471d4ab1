"""What becomes of every clip of a training set, as plain text for a terminal.

The report is one plain dictionary, as ``survey.json`` holds it; :func:`survey_text` documents it. The words in which
counts and seconds are said stand here and are those of the page as well.

Nothing of a stranger's files acts on the terminal: what is not a visible character is written as its escape. Lines are
measured in cells, of which a Chinese character takes two and an accent that combines none.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

LEFT_OUT, TRIMMED, NOTED = 50, 20, 20  # clips that are listed of each; the page has all of them
_NARROWEST = 60  # cells: the table of buckets needs as many
_GAP = "  "
_ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, turn, break a line, or look like nothing
_JOINERS = "\u200c\u200d"  # within Persian words and within an emoji of several: they steer nothing


def survey_text(report: Mapping[str, Any], width: int = 100) -> str:
    r"""Say on a terminal what becomes of every clip.

    Args:
        report: ``title``, ``recipe`` (empty where it is not known), ``fps``, ``batch size``; ``totals`` with ``files``,
            ``kept``, ``trimmed``, ``left out``, ``training clips``, of these ``regularisation clips``, and beside them
            ``evaluation clips``, ``seconds`` and ``seconds used`` (each second of a file once); lists ``datasets``,
            ``clips``, ``buckets`` and ``missing`` (sentences that name files that are not there); counts ``captions`` and ``not looked at``. A clip has its ``dataset``, ``file``, ``use`` (``kept``,
            ``trimmed`` or ``left out``), ``why``, ``kind``, ``size``, ``fps``, ``seconds``, ``used`` (pairs of seconds of
            the file, one per window), ``scale``, ``buckets``, ``captions`` and ``notes``; what is not known is None.
        width: of the terminal, in cells; at least 60 are used, and no line is longer.

    Returns:
        lines of visible characters, joined by ``\n``, without colours and without one at the end.

    Raises:
        KeyError: if a field is missing.
    """
    width = max(width, _NARROWEST)
    many = len(report["datasets"]) > 1
    title = " · ".join(
        filter(None, (visible(report["title"]), visible(report["recipe"]), f"{number(report['fps'])} fps"))
    )
    lines = [
        *_wrapped(title, width),
        "",
        *(line for said in outcome(report) for line in _wrapped(said, width)),
    ]
    for heading, most, pairs in _lists(report, many):
        if pairs:
            lines += ["", f"{heading} ({len(pairs):,})", *_pairs(pairs[:most], width)]
        if len(pairs) > most:
            lines.append(f"{_GAP}… and {len(pairs) - most:,} more, in the page")
    if report["buckets"]:
        lines += ["", "Buckets (width x height x frames)", *_table(*_buckets(report["buckets"]), width)]
        lines += [_GAP + line for line in _wrapped(about_buckets(report), width - len(_GAP)) if line]
    if many:
        lines += ["", "Datasets", *_table(*_datasets(report["datasets"]), width)]
    lines += ["", *_wrapped(f"Captions: {captions(report['captions'])}.", width)]
    if others := not_looked_at(report):
        lines += _wrapped(f"Not looked at: {others}.", width)
    return "\n".join(lines)


def outcome(report: Mapping[str, Any]) -> list[str]:
    """Return the two sentences that matter most: how many files are used, and how much that makes."""
    totals = report["totals"]
    used, left = totals["kept"] + totals["trimmed"], totals["left out"]
    if not totals["files"]:
        return ["There are no clips."]
    if not used:
        are = "is" if left == 1 else "are"
        return [f"Nothing is left to train on: {left:,} of {counted(left, 'file')} {are} left out."]
    how = f" ({totals['kept']:,} kept, {totals['trimmed']:,} trimmed)" if totals["trimmed"] else ""
    rest = f", {left:,} {'is' if left == 1 else 'are'} left out" if left else ""
    clips = counted(totals["training clips"], "training clip")
    if regularised := totals["regularisation clips"]:
        clips += f" ({regularised:,} to regularise)"
    if measured := totals["evaluation clips"]:
        clips += f" and {counted(measured, 'clip')} to measure the loss on"
    seconds = f": {of(totals['seconds used'], totals['seconds'])}" if totals["seconds"] else ""
    return [
        f"{used:,} of {counted(totals['files'], 'file')} {'is' if used == 1 else 'are'} {used_for(totals)}{how}{rest}.",
        f"That gives {clips}{seconds}.",
    ]


def used_for(totals: Mapping[str, Any]) -> str:
    """Return what is done with clips that are not left out: some may only be measured."""
    return "used" if totals["evaluation clips"] else "trained on"


def captions(counts: Mapping[str, int]) -> str:
    """Return in one line what is to be said of the captions, without a full stop."""
    parts = [f"{counts[kind] or 'none'} {kind}" for kind in ("missing", "short")]
    if counts["variants"]:
        parts.append(f"{counts['variants']:,} with variants")
    return f"{', '.join(parts)}; the longest has {counted(counts['longest words'], 'word')}"


def not_looked_at(report: Mapping[str, Any]) -> str:
    """Return the files that are no clips, by their endings, most of them first; empty where there are none."""
    others = sorted(report["not looked at"].items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {visible(ending)}" for ending, count in others)


def about_buckets(report: Mapping[str, Any]) -> str:
    """Return what the table of buckets does not say by itself: what waiting means, and which of them are drawn."""
    said, batch, buckets = [], report["batch size"], report["buckets"]
    if batch > 1:
        said.append(
            f"A batch holds {batch} clips of one bucket; what does not fill one waits for the next epoch's."
        )
    drawn = sum(each["sheet"] is not None for each in buckets)
    if 0 < drawn < len(buckets):
        said.append(f"Contact sheets show the {counted(drawn, 'bucket')} with the most clips.")
    return " ".join(said)


def spans(used: Sequence[Sequence[float]], most: int = 3) -> str:
    """Return stretches of a file in seconds, such as ``0–5.06 and 6–11.06``, and after ``most`` only how many more."""
    said = [f"{number(start)}–{number(end)}" for start, end in used[:most]]
    if more := len(used) - most if len(used) > most else 0:
        return f"{', '.join(said)} and {more:,} more"
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else "".join(said)


def of(part: float, whole: float) -> str:
    """Return ``14.1 of 61.2 seconds (23 %)``, in minutes from two minutes on, and in hours from two hours on."""
    unit, name = next((unit, name) for unit, name in ((3600, "hours"), (60, "minutes"), (1, "seconds"))
                      if whole >= 2 * unit or unit == 1)  # fmt: skip
    share = f" ({100 * part / whole:.0f} %)" if whole else ""
    return f"{part / unit:,.1f} of {whole / unit:,.1f} {name}{share}"


def counted(count: int, name: str) -> str:
    """Return ``1 file`` or ``1,200 files``."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def number(value: float, digits: int = 2) -> str:
    """Return a number with at most ``digits`` decimals, and none that are zero."""
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def visible(text: str) -> str:
    r"""Return a text in which what acts, turns the text or cannot be seen is an escape, such as ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one) in _ACTING and one not in _JOINERS
        else one
        for one in text
    )


def named(clip: Mapping[str, Any], many: bool) -> str:
    """Return a clip's file, visible, and its dataset before it where there are ``many``."""
    return visible(f"{clip['dataset']}: {clip['file']}" if many else clip["file"])


def _lists(report: Mapping[str, Any], many: bool) -> Iterator[tuple[str, int, list[tuple[str, str]]]]:
    """Yield each list of clips: its heading, how many of it are shown, and ``(file, what of it)`` of all."""
    by_use: dict[str, list[Mapping[str, Any]]] = {"left out": [], "trimmed": []}
    for clip in report["clips"]:
        by_use.get(clip["use"], []).append(clip)
    yield "Left out", LEFT_OUT, [(named(clip, many), visible(clip["why"])) for clip in by_use["left out"]]
    yield "Named, but not there", LEFT_OUT, [(visible(said), "") for said in report["missing"]]
    yield "Trimmed", TRIMMED, [(named(clip, many), _trimmed(clip)) for clip in by_use["trimmed"]]
    yield "Worth a look", NOTED, [(named(clip, many), visible(", ".join(clip["notes"]))) for clip in report["clips"]
                                  if clip["notes"] and clip["use"] != "left out"]  # fmt: skip


def _trimmed(clip: Mapping[str, Any]) -> str:
    """Say which seconds of a clip are used, and why not all."""
    whole = f" of {number(clip['seconds'])}" if clip["seconds"] is not None else ""
    seconds = f"{spans(clip['used'])}{whole} s" if clip["used"] else ""
    return "; ".join(part for part in (seconds, visible(clip["why"])) if part)


_Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def _buckets(buckets: Iterable[Mapping[str, Any]]) -> _Table:
    """Return the head and the rows of the table of buckets."""
    return ("bucket", "clips", "per epoch", "batches", "waiting"), [
        (visible(each["bucket"]), f"{each['clips']:,}", number(each["per epoch"]),
         number(each["batches"]), number(each["waiting"])) for each in buckets]  # fmt: skip


def _datasets(datasets: Iterable[Mapping[str, Any]]) -> _Table:
    """Return the head and the rows of the table of datasets."""
    return ("dataset", "role", "files", "used", "per epoch", "share"), [
        (visible(f"{each['name']}: {each['from']}"), each["role"], f"{each['files']:,}", f"{each['kept']:,}",
         number(each["per epoch"]), f"{100 * each['share']:.0f} %") for each in datasets]  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lay out a table: the first column flush left and as wide as there is room, numbers flush right."""
    wide = [max(cells(row[n]) for row in (head, *rows)) for n in range(len(head))]
    wide[0] = min(wide[0], width - sum(wide[1:]) - len(_GAP) * len(head))
    return [
        _GAP + _GAP.join([_padded(_end(row[0], wide[0]), wide[0])]
                         + [text.rjust(wide[n]) for n, text in enumerate(row[1:], 1)])
        for row in (head, *rows)]  # fmt: skip


def _pairs(pairs: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Lay out names, cut at two fifths of the width, and beside them what is said of each, wrapped."""
    if not any(said for _, said in pairs):
        for name, _ in pairs:
            yield from (_GAP + line for line in _wrapped(name, width - len(_GAP)))
        return
    room = min(max(cells(name) for name, _ in pairs), width * 2 // 5)
    for name, said in pairs:
        first, *more = _wrapped(said, width - room - 2 * len(_GAP))
        yield f"{_GAP}{_padded(_end(name, room), room)}{_GAP}{first}".rstrip()
        yield from (f"{' ' * (room + 2 * len(_GAP))}{line}" for line in more)


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text at its spaces, and a word that is wider than the line anywhere; at least one line."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(longer) <= width:
            lines[-1] = longer
            continue
        *whole, last = _pieces(word, width)
        lines += [*whole, last]
    return lines[1:] if not lines[0] and len(lines) > 1 else lines


def _pieces(word: str, width: int) -> list[str]:
    """Cut a word into pieces that fit on a line."""
    pieces, used = [""], 0
    for one in word:
        used += cells(one)
        if used > width:
            pieces.append("")
            used = cells(one)
        pieces[-1] += one
    return pieces


def _end(text: str, width: int) -> str:
    """Return a text, or as much of its end as fits: of a path, that is what tells files apart."""
    if cells(text) <= width:
        return text
    start, room = len(text), width - 1
    while (room := room - cells(text[start - 1])) >= 0:
        start -= 1
    return f"…{text[start:]}"


def _padded(text: str, width: int) -> str:
    """Fill a text with spaces, counted in cells."""
    return text + " " * (width - cells(text))


def cells(text: str) -> int:
    """Return how many cells of a terminal a visible text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(one) for one in text)


def _cells(one: str) -> int:
    """The same for one character."""
    if one in _JOINERS or unicodedata.category(one) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
