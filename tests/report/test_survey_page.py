"""The survey as a page: every clip is on it, what strangers wrote stays text, and it needs nothing but itself."""

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from engine.report.sheet import Row, contact_sheet
from engine.report.survey_page import survey_page


def clip(file: str, use: str = "kept", **more: Any) -> dict[str, Any]:
    return {"dataset": "data", "file": file, "use": use, "why": "", "kind": "video", "size": [1280, 720], "fps": 29.97,
            "seconds": 12.0, "used": [[0.0, 6.0]], "scale": 0.65, "buckets": ["832x480x81"], "captions": ["a cat"],
            "notes": [], **more}  # fmt: skip


def left_out(file: str, why: str, **more: Any) -> dict[str, Any]:
    return clip(file, "left out", **{"why": why, "used": [], "scale": None, "buckets": [], **more})


def report(*clips: dict[str, Any], **more: Any) -> dict[str, Any]:
    uses = [each["use"] for each in clips]
    totals = {"files": len(clips), "kept": uses.count("kept"), "trimmed": uses.count("trimmed"),
              "left out": uses.count("left out"), "training clips": len(clips), "regularisation clips": 0, "evaluation clips": 0,
              "seconds": sum(each["seconds"] or 0 for each in clips),
              "seconds used": sum(end - start for each in clips for start, end in each["used"])}  # fmt: skip
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
        "batches": 2.5,
        "waiting": 1,
        "sheet": None,
    }
    return {"title": "My clips", "recipe": "cartoon.yaml", "fps": 16, "batch size": 4, "totals": totals,
            "datasets": [data], "clips": list(clips), "buckets": [bucket],
            "captions": {"missing": 1, "short": 2, "variants": 3, "longest words": 84},
            "not looked at": {".flac": 2}, "missing": [], **more}  # fmt: skip


class Page(HTMLParser):
    """What a browser makes of a page: every element with its attributes, and the text in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def rows(html: str) -> list[str]:
    """The rows of the table of clips, as HTML."""
    return re.findall(r'<tr role="row" class=.*?</tr>', html, re.DOTALL)


def png(width: int = 8, height: int = 8) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "#c68a1e").save(file, format="PNG")
    return file.getvalue()


def with_sheet(name: str = "a.png") -> dict[str, Any]:
    told = report(clip("a.mp4"))
    told["buckets"][0]["sheet"] = name
    return told


def test_the_outcome_stands_above_everything_else() -> None:
    html = survey_page(report(clip("a.mp4"), clip("b.mp4", "trimmed"), left_out("c.mp4", "too short")), {})
    said = "2 of 3 files are trained on (1 kept, 1 trimmed), 1 is left out. That gives 3 training clips: 12.0 of 36.0 seconds (33 %)."
    assert said in html
    assert html.index(said) < html.index("<nav") < html.index("<section")


def test_every_clip_has_a_row_with_what_becomes_of_it() -> None:
    clips = [clip("sub/cat.mp4", "trimmed", why="cut in the middle", notes=["enlarged 1.6 times"], scale=1.6),
             clip("fox.png", kind="image", seconds=None, used=[], fps=None, buckets=["624x624x1"]),
             left_out("broken.mp4", "no pictures", kind=None, size=None, fps=None, seconds=None)]  # fmt: skip
    cat, fox, broken = (Page(row) for row in rows(survey_page(report(*clips), {})))
    assert (
        cat.text == "sub/cat.mp4 a cat trimmed cut in the middle enlarged 1.6 times 0–6 of 12 s "
        "1280×720, 29.97 fps → 832×480×81, scaled by 1.6"
    )
    assert fox.text == "fox.png a cat kept picture, 1280×720 → 624×624×1, scaled by 0.65"
    assert broken.text == "broken.mp4 a cat left out no pictures"
    assert [page.all("svg") == [] for page in (cat, fox, broken)] == [False, True, True]


@pytest.mark.parametrize(
    "used",
    [[[0.0, 5.0625]], [[3.0, 8.0625]], [[6.9375, 12.0]], [[0.0, 12.0]], [[0, 4], [3, 7], [8, 12]], [[5, 5.001]], [[11.999, 12]]],
)  # fmt: skip
def test_the_strip_shows_the_seconds_that_are_trained_on(used: list[list[float]]) -> None:
    (row,) = rows(survey_page(report(clip("a.mp4", "trimmed", used=used)), {}))
    (steps,) = map(int, re.findall(r'viewBox="0 0 (\d+) 1"', row))
    boxes = [(int(start), int(wide)) for start, wide in re.findall(r"M(\d+) 0h(\d+)v1h-\2z", row)]
    assert len(boxes) == len(used)
    for (start, wide), (first, last) in zip(boxes, used, strict=True):
        assert start / steps == pytest.approx(first / 12, abs=1 / steps)
        assert (start + wide) / steps == pytest.approx(last / 12, abs=1.5 / steps)
        assert wide >= 1
        assert start + wide <= steps


def test_a_thousand_windows_make_a_row_no_longer_than_its_strip_has_steps() -> None:
    windows = [[n / 100, n / 100 + 5] for n in range(10_000)]
    (row,) = rows(survey_page(report(clip("a.mp4", used=windows, seconds=105.0)), {}))
    assert len(re.findall(r"M\d+ 0h", row)) <= 2 * 400  # five seconds are 19 steps or 20, from each of 400
    assert "and 9,997 more of 105 s" in row


def test_bars_show_what_becomes_of_files_and_seconds() -> None:
    clips = [clip("a.mp4"), clip("b.mp4", "trimmed"), left_out("c.mp4", "dull", seconds=16.0)]
    html = survey_page(report(*clips), {})
    files, seconds = re.findall(r'<div class="bar">.*?</div>', html, re.DOTALL)
    assert [Page(files).text, Page(seconds).text] == [
        "Files 1 kept 1 trimmed 1 left out",
        "Seconds 12 trained on 12 cut away 16 in files left out",
    ]
    shares = [int(wide) / 400 for wide in re.findall(r'd="M\d+ 0h(\d+)v', seconds)]
    assert shares == pytest.approx([12 / 40, 12 / 40, 16 / 40], abs=1 / 400)


def test_less_than_a_tenth_of_a_second_is_not_called_cut_away() -> None:
    html = survey_page(report(clip("a.mp4", used=[[0, 12.0]], seconds=12.03)), {})
    assert "12 trained on" in html
    assert "cut away" not in html


def test_clips_left_out_for_one_reason_stand_together_with_what_is_their_own() -> None:
    clips = [left_out("a.mp4", "49 frames at 16 fps, 81 asked"), left_out("cat.mp4", "there is no cat.txt"),
             left_out("b.mp4", "33 frames at 16 fps, 81 asked"), left_out("my dog.mp4", "there is no my dog.txt"),
             left_out("c.mp4", "")]  # fmt: skip
    html = survey_page(report(*clips), {})
    groups = [
        Page(group).text for group in re.findall(r'<div class="group left-out">.*?</div>', html, re.DOTALL)
    ]
    assert groups == [
        "… frames at 16 fps, 81 asked 2 clips a.mp4 49 b.mp4 33",
        "there is no … 2 clips cat.mp4 there is no cat.txt my dog.mp4 there is no my dog.txt",
        "no reason given 1 clip c.mp4",
    ]


def test_reasons_without_end_do_not_make_the_page_endless() -> None:
    words = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(200)]
    html = survey_page(report(*(left_out(f"{word}.mp4", f"because {word}") for word in words)), {})
    groups = re.findall(r'<div class="group left-out">.*?</div>', html, re.DOTALL)
    assert len(groups) == 31
    assert "other reasons 170 clips" in Page(groups[-1]).text
    assert "and 70 more, in the table of clips" in Page(groups[-1]).text
    assert len(rows(html)) == 200


HOSTILE = [
    "</script><img src=x onerror=\"document.title='taken'\">",
    "\" onmouseover=\"document.title='taken'\" x='",
    "' autofocus onfocus='document.title=1",
    "{{ 7 * 7 }}{% for x in y %}",
    "<!--",
    "]]><svg/onload=document.title=1>",
    "</style><style>body{display:none}",
]


def hostile(text: str) -> dict[str, Any]:
    """A report in which everything that a stranger can write is ``text``."""
    told = report(
        clip(text, "trimmed", why=text, notes=[text], captions=[text, text], buckets=[text], dataset=text),
        left_out(text, text, dataset=text),
        title=text, recipe=text, missing=[text], **{"not looked at": {text: 1}},
    )  # fmt: skip
    told["datasets"] = [{**told["datasets"][0], "name": text, "from": text}] * 2
    told["buckets"][0] |= {"bucket": text, "sheet": text}
    return told


@pytest.mark.parametrize("text", HOSTILE)
def test_what_strangers_wrote_stays_text(text: str) -> None:
    page = Page(survey_page(hostile(text), {text: png()}))
    plain = Page(survey_page(hostile("plain"), {"plain": png()}))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [set(found) for _, found in page.elements] == [set(found) for _, found in plain.elements]
    assert sum(text in said for said in page.texts) >= 12


def test_what_turns_or_hides_text_is_written_out() -> None:
    text = "\u202egpj.\u2066\x00\x1b\u200f\ufeff\ud800"
    html = survey_page(hostile(text), {text: png()})
    assert html.encode().decode().count(r"\u202egpj.\u2066\x00\x1b\u200f\ufeff\ud800") >= 12
    assert not any(sign in html for sign in text if not sign.isascii() or not sign.isprintable())


def test_letters_of_all_languages_stay_what_they_are() -> None:
    assert "猫 قطّة می\u200cخواهم é ネコ" in survey_page(report(clip("猫 قطّة می\u200cخواهم é ネコ.mp4")), {})


def test_a_long_caption_unfolds() -> None:
    caption = " ".join(f"word{n}" for n in range(1500))
    assert len(caption) > 10_000
    (row,) = rows(survey_page(report(clip("a.mp4", captions=[caption, "second"])), {}))
    summary = re.search("<summary>(.*?)</summary>", row)[1]
    assert len(summary) <= 125
    assert re.findall("<p>(word.*?)</p>", row) == [caption.removeprefix(summary).strip()]
    assert "<p>second</p></details>" in row


def test_one_short_caption_needs_no_unfolding() -> None:
    (row,) = rows(survey_page(report(clip("a.mp4")), {}))
    assert "<p>a cat</p>" in row
    assert "<details" not in row


@pytest.mark.parametrize("caption", ["a cat walks on a wall; " * 25, "猫が塀の上を歩く。" * 60, "w" * 10_000])
def test_ten_thousand_clips_make_a_page_of_less_than_ten_megabytes(caption: str) -> None:
    clips = [clip(f"season {n % 7}/episode {n % 40}/scene-{n:05}.mp4", ("kept", "trimmed")[n % 2],
                  captions=[caption] * (1 + n % 12)) if n % 5 else left_out(f"{n}.mp4", f"{n} frames, 81 asked")
             for n in range(10_000)]  # fmt: skip
    html = survey_page(report(*clips), {})
    assert len(html.encode()) < 10e6
    assert len(rows(html)) == 10_000
    assert re.search(r"… and [\d,]+ more characters", html)


def test_the_page_grows_with_the_number_of_clips() -> None:
    def size(count: int) -> int:
        return len(survey_page(report(*(clip(f"{n:06}.mp4") for n in range(count))), {}))

    bare, some, many = size(0), size(100), size(1000)
    assert many - bare == pytest.approx(10 * (some - bare), rel=0.05)


def test_contact_sheets_stand_in_the_page(tmp_path: Path) -> None:
    frames_FHWC = np.full((5, 60, 104, 3), (40, 90, 200), np.uint8)
    contact_sheet(tmp_path / "a.png", "832x480x81", [Row("a cat", (("a.mp4", frames_FHWC),))])
    drawn = (tmp_path / "a.png").read_bytes()
    (image,) = Page(survey_page(with_sheet(), {"a.png": drawn, "unasked.png": b""})).all("img")
    kind, content = str(image["src"]).split(",")
    assert kind == "data:image/webp;base64"
    shown_HWC = np.asarray(Image.open(BytesIO(base64.b64decode(content))).convert("RGB")).astype(float)
    meant_HWC = np.asarray(Image.open(BytesIO(drawn))).astype(float)
    assert shown_HWC.shape == meant_HWC.shape
    assert abs(shown_HWC - meant_HWC).mean() < 3


def test_a_sheet_that_is_higher_than_webp_can_be_stays_png() -> None:
    (image,) = Page(survey_page(with_sheet(), {"a.png": png(4, 16_384)})).all("img")
    assert image["src"] == f"data:image/png;base64,{base64.b64encode(png(4, 16_384)).decode()}"


def test_a_sheet_that_is_asked_for_and_not_given_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"a\.png"):
        survey_page(with_sheet(), {})
    with pytest.raises(UnidentifiedImageError):
        survey_page(with_sheet(), {"a.png": b"no picture"})


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(html := survey_page(with_sheet(), {"a.png": png()}))
    addresses = [found[name] for _, found in page.elements for name in ("src", "href") if name in found]
    assert all(str(address).startswith(("#", "data:image/")) for address in addresses)
    assert not page.all("link")
    assert "url(" not in html
    assert "@import" not in html
    assert "//" not in re.sub(r"^ *// .*$|base64,[^\"]*", "", html, flags=re.MULTILINE).replace("</", "")
    anchors = {str(found["href"])[1:] for found in page.all("a")}
    assert anchors <= {found.get("id") for _, found in page.elements}


def test_the_browser_runs_our_style_and_script_and_no_other() -> None:
    html = survey_page(report(clip("a.mp4")), {})
    policy = next(str(meta["content"]) for meta in Page(html).all("meta") if "http-equiv" in meta)
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for kind in ("style", "script"):
        (ours,) = re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(ours.encode()).digest()).decode()
        assert allowed.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert allowed == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_page_can_be_read_by_ear() -> None:
    page = Page(survey_page(hostile("plain"), {"plain": png()}))
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert all(head["scope"] in {"col", "row"} for head in page.all("th"))
    assert all(image["alt"] for image in page.all("img"))
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    assert {found["aria-labelledby"] for _, found in page.elements if "aria-labelledby" in found} <= set(ids)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 reckons it."""

    def light(colour: str) -> float:
        parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_the_paper(scheme: int) -> None:
    tables = re.findall(r":root \{(.*?)\}", survey_page(report(), {}), re.DOTALL)
    colour = dict(re.findall(r"--([\w-]+): (#\w{6});", tables[scheme]))
    for name, least in (("text", 7), ("quiet", 4.5), ("kept", 3), ("trimmed", 3), ("left-out", 3)):
        assert contrast(colour[name], colour["paper"]) >= least, name
    assert contrast(colour["quiet"], colour["raised"]) >= 4.5


@pytest.mark.parametrize(
    "told",
    [report(), report(left_out("a.mp4", "dull")), report(buckets=[], datasets=[]), report(clip("a.png", seconds=None, used=[]))],
    ids=["no clips", "nothing left", "nothing at all", "no seconds"],
)  # fmt: skip
def test_a_page_with_little_to_say_is_a_page(told: dict[str, Any]) -> None:
    html = survey_page(told, {})
    assert len(rows(html)) == len(told["clips"])
    assert not re.search(r"\b(nan|inf|None)\b", Page(html).text)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not installed")


def browse(page: Path, *options: str) -> str:
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@in_browser
def test_in_a_browser_strangers_run_nothing_and_our_script_runs(tmp_path: Path) -> None:
    told = hostile(text := " ".join(HOSTILE))
    told["clips"] += [each for text in HOSTILE for each in hostile(text)["clips"]]
    (page := tmp_path / "page.html").write_text(survey_page(told, {text: png()}))
    became = Page(browse(page, "--dump-dom"))
    assert len(became.all("img")) == 1
    assert f"{text}: what becomes of every clip" in became.texts
    assert not any("hidden" in found for found in became.all("form"))
    assert len(became.all("button")) == 4


@in_browser
def test_in_a_browser_clips_are_found_narrowed_down_and_put_in_order(tmp_path: Path) -> None:
    clips = [
        clip("10.mp4", used=[[0, 3]]),
        clip("9.mp4", "trimmed", captions=["A DOG"]),
        left_out("b.mp4", "dull"),
    ]
    names = "[...document.querySelectorAll('.clips tbody tr:not([hidden]) bdi')].map(e => e.textContent).join(' ')"
    doing = [
        "form.elements.words.value = 'dog'; show()",
        "form.elements.use.value = 'left-out'; show()",
        "form.elements.words.value = ''; show()",
        "form.elements.use[0].checked = true; show()",
        "document.querySelectorAll('.clips button')[0].click()",
        "document.querySelectorAll('.clips button')[2].click()",
        "document.querySelectorAll('.clips button')[2].click()",
    ]
    steps = "".join(f"{does}; seen.push({names}); " for does in doing)
    html = re.sub('<meta http-equiv="Content[^>]*>', "", survey_page(report(*clips), {}))
    (page := tmp_path / "page.html").write_text(
        html.replace(
            "</body>", f"<script>const seen = []; {steps} document.title = seen.join('|')</script></body>"
        )
    )
    (title,) = re.findall("<title>(.*?)</title>", browse(page, "--dump-dom"))
    assert title.split("|") == [
        "9.mp4", "", "b.mp4", "10.mp4 9.mp4 b.mp4",
        "9.mp4 10.mp4 b.mp4", "b.mp4 10.mp4 9.mp4", "9.mp4 10.mp4 b.mp4",
    ]  # fmt: skip


@in_browser
@pytest.mark.parametrize(
    ("scheme", "paper"), [(1, (250, 247, 241)), (0, (28, 25, 22))], ids=["light", "dark"]
)
def test_in_a_browser_the_page_is_light_or_dark_as_its_reader_likes(
    tmp_path: Path, scheme: int, paper: tuple[int, int, int]
) -> None:
    (page := tmp_path / "page.html").write_text(survey_page(report(clip("a.mp4")), {}))
    browse(page, f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={tmp_path / 'page.png'}")
    assert Image.open(tmp_path / "page.png").convert("RGB").getpixel((2, 2)) == paper


@in_browser
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_in_a_browser_nothing_sticks_out_at_the_side(tmp_path: Path, width: int) -> None:
    told = hostile("n" * 300)
    told["buckets"][0] |= {"bucket": "832x480x81", "clips": 10**6}
    (tmp_path / "inner.html").write_text(survey_page(told, {"n" * 300: png(1500, 100)}))
    # what sticks out of a row is cut, so that the row alone knows
    measure = (
        "const all = [f.contentDocument.documentElement, ...f.contentDocument.querySelectorAll('.clips tr')];"
        "all.forEach(e => e.style.contentVisibility = 'visible');"
        "document.title = [f.contentWindow.innerWidth, ...all.map(e => e.scrollWidth - e.clientWidth)].join()"
    )
    (page := tmp_path / "page.html").write_text(
        f'<title></title><iframe id="f" src="inner.html" style="width:{width}px;height:900px;border:0" onload="{measure}"></iframe>'
    )
    (title,) = re.findall(
        "<title>(.*?)</title>", browse(page, "--allow-file-access-from-files", "--dump-dom")
    )
    room, *over = map(int, title.split(","))
    assert room == width
    assert over == [0] * 4  # the page, the head of the table and two rows
