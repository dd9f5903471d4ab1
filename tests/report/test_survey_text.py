"""The survey on a terminal: what matters is said first, nothing is wider than asked, and nothing steers the terminal."""

import unicodedata
from typing import Any

import pytest

from engine.report.survey_text import survey_text


def clip(file: str, use: str = "kept", **more: Any) -> dict[str, Any]:
    return {"dataset": "data", "file": file, "use": use, "why": "", "kind": "video", "size": [1280, 720], "fps": 30.0,
            "seconds": 12.0, "used": [[0.0, 5.06]], "scale": 0.65, "buckets": ["832x480x81"], "captions": ["a cat"],
            "notes": [], **more}  # fmt: skip


def left_out(file: str, why: str) -> dict[str, Any]:
    return clip(file, "left out", why=why, used=[], scale=None, buckets=[])


def report(*clips: dict[str, Any], **more: Any) -> dict[str, Any]:
    uses = [each["use"] for each in clips]
    totals = {"files": len(clips), "kept": uses.count("kept"), "trimmed": uses.count("trimmed"),
              "left out": uses.count("left out"), "training clips": sum(len(each["used"]) for each in clips),
              "regularisation clips": 0, "evaluation clips": 0,
              "seconds": 61.2, "seconds used": 14.1}  # fmt: skip
    data = {
        "name": "data",
        "role": "train",
        "from": "folder clips",
        "files": 7,
        "kept": 4,
        "per epoch": 8,
        "share": 1.0,
    }
    bucket = {
        "bucket": "832x480x81",
        "clips": 5,
        "per epoch": 10,
        "batches": 5.0,
        "waiting": 0,
        "sheet": None,
    }
    return {"title": "My clips", "recipe": "cartoon.yaml", "fps": 16, "batch size": 2, "totals": totals,
            "datasets": [data], "clips": list(clips), "buckets": [bucket],
            "captions": {"missing": 1, "short": 2, "variants": 3, "longest words": 84},
            "not looked at": {}, "missing": [], **more}  # fmt: skip


def cells(line: str) -> int:
    """How many cells a line takes, counted apart from the program: wide ones twice, those that combine not at all."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in line)
    return len(line) + wide - sum(unicodedata.combining(one) > 0 or one in "\u200c\u200d" for one in line)


def part(text: str, heading: str) -> list[str]:
    """The lines below a heading, up to the next empty one."""
    lines = text.split("\n")
    at = next(n for n, line in enumerate(lines) if line.startswith(heading))
    return [*lines[at + 1 :], ""][: [*lines[at + 1 :], ""].index("")]


def test_the_outcome_stands_above_everything_else() -> None:
    text = survey_text(report(clip("a.mp4"), clip("b.mp4", "trimmed"), left_out("c.mp4", "too short")))
    assert text.split("\n")[2:4] == [
        "2 of 3 files are trained on (1 kept, 1 trimmed), 1 is left out.",
        "That gives 2 training clips: 14.1 of 61.2 seconds (23 %).",
    ]


@pytest.mark.parametrize(
    ("clips", "said"),
    [
        ([], "There are no clips."),
        ([left_out("a.mp4", "x")], "Nothing is left to train on: 1 of 1 file is left out."),
        ([clip("a.mp4")], "1 of 1 file is trained on."),
    ],
)
def test_the_outcome_of_small_sets_is_a_sentence_too(clips: list[dict[str, Any]], said: str) -> None:
    assert said in survey_text(report(*clips)).split("\n")


@pytest.mark.parametrize(
    ("seconds", "used", "said"),
    [
        (119.0, 60.0, "60.0 of 119.0 seconds (50 %)"),
        (120.0, 30.0, "0.5 of 2.0 minutes (25 %)"),
        (36_000.0, 18_000.0, "5.0 of 10.0 hours (50 %)"),
    ],
)
def test_long_times_are_told_in_minutes_and_hours(seconds: float, used: float, said: str) -> None:
    told = report(clip("a.mp4"))
    told["totals"] |= {"seconds": seconds, "seconds used": used}
    assert said in survey_text(told)


def test_a_set_of_pictures_tells_no_seconds() -> None:
    told = report(clip("fox.png", kind="image", seconds=None))
    told["totals"] |= {"seconds": 0, "seconds used": 0}
    assert "That gives 1 training clip." in survey_text(told).split("\n")


def test_every_clip_that_is_left_out_is_listed_with_its_reason() -> None:
    text = survey_text(
        report(left_out("short.mp4", "49 frames at 16 fps, 81 asked"), left_out("a.mp4", "no a.txt"))
    )
    assert part(text, "Left out (2)") == [
        "  short.mp4  49 frames at 16 fps, 81 asked",
        "  a.mp4      no a.txt",
    ]


@pytest.mark.parametrize(("count", "rest"), [(50, None), (51, "1"), (1250, "1,200")])
def test_after_fifty_the_page_is_named(count: int, rest: str | None) -> None:
    lines = part(survey_text(report(*(left_out(f"{n}.mp4", "dull") for n in range(count)))), "Left out")
    assert sum("dull" in line for line in lines) == 50
    assert lines[50:] == ([] if rest is None else [f"  … and {rest} more, in the page"])


def test_trimmed_clips_tell_which_seconds_are_trained_on() -> None:
    sliding = [[4.0 * n, 4.0 * n + 5.0625] for n in range(5)]
    text = survey_text(
        report(clip("one.mp4", "trimmed", why="head"), clip("five.mp4", "trimmed", used=sliding))
    )
    assert part(text, "Trimmed (2)") == [
        "  one.mp4   0–5.06 of 12 s; head",
        "  five.mp4  0–5.06, 4–9.06, 8–13.06 and 2 more of 12 s",
    ]


def test_notes_are_listed_of_clips_that_are_trained_on_only() -> None:
    small = clip("small.mp4", notes=["enlarged 1.6 times", "short caption"])
    text = survey_text(report(small, left_out("gone.mp4", "broken") | {"notes": ["enlarged 3 times"]}))
    assert part(text, "Worth a look (1)") == ["  small.mp4  enlarged 1.6 times, short caption"]


def test_buckets_tell_how_their_batches_come_out() -> None:
    odd = {"bucket": "624x624x1", "clips": 1, "per epoch": 1, "batches": 0.5, "waiting": 1, "sheet": None}
    text = survey_text(report(clip("a.mp4"), buckets=[report()["buckets"][0], odd]))
    rows = [line.split() for line in part(text, "Buckets")]
    assert rows[1:3] == [["832x480x81", "5", "10", "5", "0"], ["624x624x1", "1", "1", "0.5", "1"]]
    assert "waits for the next epoch" in text
    assert "waits" not in survey_text(report(clip("a.mp4"), **{"batch size": 1}))


def test_datasets_are_told_when_there_is_more_than_one() -> None:
    one = report()["datasets"][0]
    assert "Datasets" not in survey_text(report(clip("a.mp4")))
    text = survey_text(
        report(
            left_out("a.mp4", "dull"), datasets=[one | {"share": 0.25}, one | {"name": "b", "share": 0.75}]
        )
    )
    assert [line.split()[-2:] for line in part(text, "Datasets")[1:]] == [["25", "%"], ["75", "%"]]
    assert "  data: a.mp4  dull" in text


def test_captions_and_what_was_not_looked_at_are_told() -> None:
    text = survey_text(report(clip("a.mp4"), **{"not looked at": {".zip": 1, ".flac": 2}}))
    assert text.split("\n")[-2:] == [
        "Captions: 1 missing, 2 short, 3 with variants; the longest has 84 words.",
        "Not looked at: 2 .flac, 1 .zip.",
    ]


def test_names_without_a_file_are_told_as_they_are_said() -> None:
    text = survey_text(report(clip("a.mp4"), missing=["clips.csv:12 names b.mp4, which is not there"]))
    assert part(text, "Named, but not there (1)") == ["  clips.csv:12 names b.mp4, which is not there"]


STEERING = "\x1b[2J\x07\r\n\x9b1m\u202egpj\u2066\ufeff\ud800"


def test_nothing_steers_the_terminal() -> None:
    told = report(left_out(f"{STEERING}.mp4", f"why {STEERING}"), clip("k.mp4", "trimmed", notes=[STEERING]),
                  title=STEERING, recipe=STEERING, missing=[STEERING], **{"not looked at": {STEERING: 1}})  # fmt: skip
    told["buckets"][0]["bucket"] = told["datasets"][0]["name"] = STEERING
    told["datasets"] *= 2
    text = survey_text(told)
    assert text.replace("\n", "").isprintable()
    text.encode()
    assert r"\x1b[2J\x07\r\n\x9b1m\u202egpj\u2066\ufeff\ud800" in text


@pytest.mark.parametrize("width", [20, 60, 61, 80, 100, 200])
@pytest.mark.parametrize(
    "name",
    [
        "n" * 300,
        "猫" * 150,
        "e\u0301" * 200,
        "猫 の e\u0301 " * 40,
        "👩\u200d🚀" * 50,
        "deep/" * 60 + "cat.mp4",
    ],
)
def test_no_line_is_wider_than_asked(name: str, width: int) -> None:
    told = report(left_out(name, name), clip(name, "trimmed", why=name, notes=[name]), title=name, recipe=name,
                  missing=[name], **{"not looked at": {name: 1}})  # fmt: skip
    told["datasets"] = [{**told["datasets"][0], "name": name}] * 2
    told["buckets"] = [{**told["buckets"][0], "clips": 10**6, "per epoch": 10**7}]
    lines = survey_text(told, width).split("\n")
    assert max(map(cells, lines)) <= max(width, 60)


def test_of_a_long_path_the_end_is_shown() -> None:
    text = survey_text(report(left_out("deep/" * 60 + "cat.mp4", "dull")), 80)
    (line,) = part(text, "Left out")
    name, why = line.split()
    assert name.startswith("…")
    assert name.endswith("deep/cat.mp4")
    assert (len(name), why) == (32, "dull")


def test_a_long_reason_is_told_whole() -> None:
    why = " ".join(f"word{n}" for n in range(100))
    lines = part(survey_text(report(left_out("a.mp4", why)), 80), "Left out")
    assert " ".join(" ".join(lines).split()) == f"a.mp4 {why}"


def test_a_recipe_that_is_not_known_is_not_named() -> None:
    assert survey_text(report(clip("a.mp4"), recipe="")).startswith("My clips · 16 fps\n")


def test_columns_stand_below_each_other_whatever_the_letters() -> None:
    text = survey_text(report(left_out("猫.mp4", "dull"), left_out("e\u0301\u0301.mp4", "dull")))
    assert {cells(line[: line.index("dull")]) for line in part(text, "Left out")} == {10}


def test_where_not_every_bucket_is_drawn_it_is_said() -> None:
    bucket = report()["buckets"][0]
    drawn = {**bucket, "bucket": "480x832x81", "sheet": "480x832x81.png"}
    sentence = "Contact sheets show the 1 bucket with the most clips."
    text = " ".join(survey_text(report(clip("a.mp4"), buckets=[drawn, bucket])).split())
    assert sentence in text
    assert sentence not in survey_text(report(clip("a.mp4"), buckets=[drawn]))
