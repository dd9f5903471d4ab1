"""Conversions of where clips come from, how often each is seen, and which frames of it."""

from typing import Any, NoReturn

from engine.importing.conversions import (
    Around,
    Noted,
    NotHere,
    Nothing,
    number,
    on,
    shown,
    text,
    truth,
    whole,
)

_ORDER = (
    "it says which datasets come first in an epoch, which has all clips as often as `repeats` says; for shares that hold, write "
    "`data.mix: by_weight` and each `weight`"
)
_OWN_RATE = "Counted at the model's rate; at the clip's own in SimpleTuner."


def folder(value: Any, _: str, around: Around) -> dict[str, Any]:
    """A folder of this machine."""
    path = text(value)
    if around.said("type") == "aws":
        raise Nothing("`aws_bucket_name` and `aws_data_prefix` say where the clips are")
    if "{" in path or "://" in path:
        raise NotHere(f"{shown(path)} is not a plain folder; write the folder")
    return {"kind": "folder", "path": path}


def hub(value: Any, *_: Any) -> Noted:
    """A dataset of the Hub."""
    return Noted(
        {"kind": "hub", "repository": text(value), "revision": "main"},
        "A branch can move: pin the commit to share the recipe.",
    )


def bucket(value: Any, _: str, around: Around) -> Noted:
    """A folder in a bucket, whose name and prefix are keys of their own."""
    text(value)
    name, prefix = around.said("aws_bucket_name"), around.said("aws_data_prefix")
    if not name:
        raise NotHere("`aws_bucket_name` is not said")
    url = f"s3://{text(name)}/{text(prefix or '').strip('/')}".rstrip("/")
    return Noted(
        {"kind": "remote", "url": url, "as_of": "import"}, "Another `as_of`, such as a date, looks again."
    )


def table(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's table of clips, where it names files and not only their stems."""
    text(value)
    path, column = around.said("parquet.path"), around.said("parquet.filename_column")
    if path is None or column is None:
        raise NotHere("parquet.path and parquet.filename_column count only together")
    if not on(around.said("parquet.identifier_includes_extension")):
        raise NotHere(
            "its column names clips without their ending; `data.source` of kind `table` reads a column of paths"
        )
    return Noted(
        {"kind": "table", "path": text(path), "column": text(column)},
        "Paths in the table are relative to it; SimpleTuner takes them from instance_data_dir.",
    )


def json_lines(value: Any, column: str, _: Around) -> Noted:
    """Musubi-tuner's list of clips and captions."""
    return Noted(
        {"kind": "table", "path": text(value), "column": column},
        "Relative to this file, and paths in it relative to it; musubi-tuner looks first from the folder that it is started in.",
    )


def one_more(value: Any, *_: Any) -> int:
    """SimpleTuner's repeats, which come after the first time."""
    found = whole(value)
    if found < 0:
        raise NotHere("a clip cannot be repeated less than never")
    return found + 1


def order_of_datasets(value: Any, _: str, around: Around) -> NoReturn:
    """How SimpleTuner draws between datasets, which orders an epoch: each is drawn until all of its clips were seen."""
    if len(around.each("id")) < 2:
        raise Nothing("with one source there is nothing to draw between")
    if value == "auto-weighting":
        raise Nothing("an epoch has every clip as often as `repeats` says, as here")
    raise NotHere(_ORDER)


def share(value: Any, _: str, around: Around) -> NoReturn:
    """SimpleTuner's probability of a dataset, which orders an epoch likewise."""
    found, others = number(value), around.each("probability")
    if len(others) < 2:
        raise Nothing("with one source there is nothing to draw between")
    if all(number(other) == found for other in others):
        raise Nothing("it is the same for all datasets")
    raise NotHere(_ORDER)


def frames_8n1(value: Any, *_: Any) -> Noted:
    """SimpleTuner rounds frames down to 8n+1 without being asked."""
    found = whole(value)
    kept = max(1, (found - 1) // 8 * 8 + 1)
    rate = "SimpleTuner takes them at the clip's own rate; here each clip is brought to the model's first."
    if kept == found:
        return Noted(kept, rate)
    odd = "" if (found - 1) % 4 == 0 else f"{found} is not 4n+1, which is all that the codec takes. "
    return Noted(kept, f"{odd}SimpleTuner rounds {found} down to 8n+1 = {kept} and trains those. {rate}")


def frames_4n1(value: Any, *_: Any) -> Noted:
    """Frames that the codec can take."""
    found = whole(value)
    kept = max(1, (found - 1) // 4 * 4 + 1)
    return Noted(kept, "" if kept == found else f"{found} is not 4n+1, which is all that the codec takes.")


def too_short(value: Any, *_: Any) -> str:
    """SimpleTuner leaves out clips with fewer frames."""
    whole(value)
    return "drop"


def at_least(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's shortest clip, where it is longer than what is taken of it, or any length is."""
    found, taken = whole(value), whole(around.said("video.num_frames"))
    # where it is not said, it is num_frames
    if not around.told("video.min_frames") or (found <= taken and not _by_length(around)):
        raise Nothing("a clip must have all its frames anyway")
    return Noted(found, _OWN_RATE)


def at_most(value: Any, *_: Any) -> Noted:
    """SimpleTuner's longest clip; a longer one is left out, not cut."""
    return Noted(whole(value), _OWN_RATE)


def fewer_by_length(_value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's clips of every length, grouped by it."""
    if not _by_length(around):
        raise Nothing("all clips have the length of num_frames")
    return Noted("fewer", "Clips are grouped by size and length; each gives the most frames that it can.")


def longest_by_length(_value: Any, _: str, around: Around) -> Noted:
    """Then the longest clip that is taken is also the longest training clip."""
    most = around.said("video.max_frames")
    if most is None or not _by_length(around):
        raise Nothing("`video.num_frames` says how many")
    return frames_8n1(most)


def _by_length(around: Around) -> bool:
    return around.said("video.bucket_strategy") == "resolution_frames" and not around.told("video.num_frames")


def interval(value: Any, *_: Any) -> Noted:
    """SimpleTuner rounds lengths down to a multiple of this, and then to 8n+1."""
    found = whole(value)
    kept = max(8, found // 8 * 8)
    odd = f"SimpleTuner rounds lengths down to multiples of {found}, and then to 8n+1; here to one more than multiples of {kept}."
    return Noted(kept, "" if kept == found else odd)


def longest(value: Any, _: str, around: Around) -> Noted:
    """The longest of several lengths: musubi-tuner makes a sample of each."""
    if around.said("frame_extraction") == "full":
        raise Nothing("with frame_extraction `full`, `max_frames` says how many")
    lengths = [whole(length) for length in (value if isinstance(value, list) else [value])]
    if not lengths:
        raise NotHere("no length is said")
    kept = frames_4n1(max(lengths))
    each = (
        "musubi-tuner makes samples of each of its lengths; here they have one, the longest."
        if len(lengths) > 1
        else ""
    )
    rate = "musubi-tuner takes them at the clip's own rate without source_fps; here each clip is brought to the model's first."
    unsaid = "" if around.told("source_fps") or max(lengths) == 1 else rate
    return Noted(kept.value, " ".join(filter(None, (each, kept.note, unsaid))))


def shorter(value: Any, _: str, around: Around) -> str:
    """Of a clip that is too short for one of its lengths musubi-tuner takes the others."""
    if around.said("frame_extraction") == "full":
        raise Nothing("with frame_extraction `full`, clips of every length are taken")
    return "fewer" if isinstance(value, list) and len(value) > 1 else "drop"


def every_length(value: Any, *_: Any) -> str:
    """With `full`, a shorter clip gives what it has."""
    whole(value)
    return "fewer"


def windows(value: Any, _: str, around: Around) -> dict[str, Any]:
    """Which frames musubi-tuner takes of a clip."""
    kind = text(value)
    if kind in ("head", "full"):
        return {"kind": "head"}
    if kind == "chunk":
        return {"kind": "sliding", "stride": longest(around.said("target_frames"), "", around).value}
    if kind == "slide":
        return {"kind": "sliding", "stride": whole(around.said("frame_stride"))}
    if kind == "uniform":
        return {"kind": "uniform", "count": whole(around.said("frame_sample"))}
    raise NotHere(f"frames are taken as head, chunk, slide, uniform or full, not as {shown(kind)}")


def windows_of(value: Any, _: str, around: Around) -> dict[str, Any]:
    """The same, seen from a number of it."""
    whole(value)
    return windows(around.said("frame_extraction"), "", around)


def one_after_another(value: Any, *_: Any) -> Noted:
    """Without shrinking, ai-toolkit starts anywhere in the clip."""
    if truth(value):
        raise NotHere("clips are not sped up to fit; frames follow each other at the model's rate")
    return Noted(
        {"kind": "random", "count": 1},
        "ai-toolkit begins at any frame, and stretches a clip that is too short; here the place follows from the clip.",
    )
