"""Write down what becomes of every clip, and remember what was learnt about the files."""

import json
from pathlib import Path

import numpy as np

from engine.clips.files import UnreadableClip
from engine.clips.sizes import Bucket, Cut
from engine.clips.timely import frames_in_time
from engine.endings import Interrupted, StageError
from engine.report.sheet import Row, chosen, contact_sheet
from engine.report.survey_page import survey_page
from engine.seam import Work
from engine.stages.survey.look import Clip, Survey, look
from engine.stages.survey.report import report, sheet_name
from engine.stages.survey.spec import SurveyRuntime
from engine.stages.survey.wanted import SurveySpec

SHOWN = 12  # clips on a contact sheet
SHEETS = 24  # shapes that get one: those with the most clips


Surveying = Work[SurveySpec, SurveyRuntime]


def survey(work: Surveying) -> None:
    """Write the parts ``clips``, ``samples`` and ``texts`` and, for people, ``report``: a page, its data, and contact sheets.

    Raises:
        StageError: the clips changed since the plan looked at them.
        Interrupted: what was learnt about the files is kept.
    """

    def tell(done: int, total: int) -> None:
        if work.stopping():
            raise Interrupted
        work.tell("progress", done=done, total=total, unit="files")

    seen = look(work.spec, work.inputs.get("fetch_data/clips"), work.memo, tell, keep=True)
    if any(seen.leaves[name] != work.digests[name] for name in seen.leaves):
        raise StageError("the clips changed while the plan was made; run again")
    for part, content in seen.outputs.items():
        (work.output / part).mkdir()
        for name, text in content.files.items():
            (work.output / part / name).write_bytes(text)
    folder = work.output / "report"
    folder.mkdir()
    sheets, damaged = _draw(folder, seen, work)
    said = report(seen, sheets, damaged)
    (folder / "survey.json").write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
    pictures = {sheet_name(bucket): (folder / sheet_name(bucket)).read_bytes() for bucket in sheets}
    (folder / "survey.html").write_text(survey_page(said, pictures), encoding="utf-8")


def _draw(folder: Path, seen: Survey, work: Surveying) -> tuple[list[Bucket], dict[Path, str]]:
    """Draw clips of each shape as training will see them: cut to length, scaled and cropped.

    Returns the shapes that have a sheet, and what is wrong with clips that open well and are damaged further in.
    """
    shapes: dict[Bucket, list[tuple[Clip, Cut]]] = {}
    for _, clip, cut in seen.samples:
        shapes.setdefault(cut.bucket, []).append((clip, cut))
    most = sorted(shapes, key=lambda bucket: (-len(shapes[bucket]), bucket))[:SHEETS]
    drawn, damaged = list[Bucket](), dict[Path, str]()
    for done, bucket in enumerate(most, start=1):
        samples = shapes[bucket]
        # spread over all of them, by dataset, name and time
        samples.sort(key=lambda sample: (sample[0].dataset, sample[0].shown, sample[1].start))
        rows = []
        for clip, cut in samples[:: max(1, len(samples) // SHOWN)][:SHOWN]:
            try:
                rows.append(_row(clip, cut, work))
            except UnreadableClip as error:
                damaged[clip.path] = error.reason
        if rows:
            note = f"{len(rows)} of {len(samples)} clips, as training sees them at {work.spec.fps} fps"
            contact_sheet(folder / sheet_name(bucket), f"Training clips at {bucket}", rows, note)
            drawn.append(bucket)
        work.tell("progress", done=done, total=len(most), unit="contact sheets")
    return drawn, damaged


def _row(clip: Clip, cut: Cut, work: Surveying) -> Row:
    """Show a clip by the few frames that a strip has room for; no others are kept."""
    wanted = frozenset(chosen(cut.bucket.frames))
    frames_HWC = frames_in_time(clip.path, cut, work.spec.fps, work.stopping)
    shown_HWC = [frame_HWC for number, frame_HWC in enumerate(frames_HWC) if number in wanted]
    at = f", from {cut.start / work.spec.fps:.1f} s" if cut.start else ""
    whose = f" · {clip.dataset}" if len(work.spec.datasets) > 1 else ""
    return Row("\n".join(clip.captions), ((f"{clip.shown}{at}{whose}", np.stack(shown_HWC)),))
