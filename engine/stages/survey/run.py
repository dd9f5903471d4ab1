"""Write down what becomes of every clip, and remember what was learnt about the files."""

import json
from pathlib import Path

from engine.clips.decode import read_frames
from engine.clips.files import UnreadableClip
from engine.clips.sizes import Bucket, Cut
from engine.endings import Interrupted, StageError
from engine.report.sheet import Row, contact_sheet
from engine.report.survey_page import survey_page
from engine.seam import Work
from engine.stages.survey.look import Clip, Survey, look
from engine.stages.survey.memo import write_memo
from engine.stages.survey.report import report, sheet_name
from engine.stages.survey.spec import SurveyRuntime
from engine.stages.survey.wanted import SurveySpec

SHOWN = 12  # clips on a contact sheet
SHEETS = 24  # shapes that get one: those with the most clips


def survey(work: Work[SurveySpec, SurveyRuntime]) -> None:
    """Write the parts ``clips``, ``samples`` and ``texts`` and, for people, ``report``: a page, its data, and contact sheets.

    Raises:
        StageError: the clips changed since the plan looked at them, or one cannot be decoded.
        Interrupted: nothing is lost but what was drawn.
    """

    def tell(done: int, total: int) -> None:
        if work.stopping():
            raise Interrupted
        work.tell("progress", done=done, total=total, unit="files")

    seen = look(work.spec, work.inputs.get("fetch_data/clips"), work.memo, tell)
    write_memo(work.memo, seen.memo)
    if seen.leaves["clips"] != work.digests["clips"]:
        raise StageError("the clips changed while the plan was made; run again")
    for part, content in seen.outputs.items():
        (work.output / part).mkdir()
        for name, text in content.files.items():
            (work.output / part / name).write_bytes(text)
    folder = work.output / "report"
    folder.mkdir()
    sheets = _draw(folder, seen, work)
    said = report(seen, sheets)
    (folder / "survey.json").write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
    pictures = {sheet_name(bucket): (folder / sheet_name(bucket)).read_bytes() for bucket in sheets}
    (folder / "survey.html").write_text(survey_page(said, pictures), encoding="utf-8")


def _draw(folder: Path, seen: Survey, work: Work[SurveySpec, SurveyRuntime]) -> list[Bucket]:
    """Draw clips of each shape as training will see them: cut to length, scaled and cropped."""
    shapes: dict[Bucket, list[tuple[Clip, Cut]]] = {}
    for _, clip, cut in seen.samples:
        shapes.setdefault(cut.bucket, []).append((clip, cut))
    most = sorted(shapes, key=lambda bucket: (-len(shapes[bucket]), bucket))[:SHEETS]
    for done, bucket in enumerate(most, start=1):
        samples = shapes[bucket]
        # spread over all of them, and the same ones on every day
        shown = samples[:: max(1, len(samples) // SHOWN)][:SHOWN]
        rows = []
        for clip, cut in shown:
            if work.stopping():
                raise Interrupted
            rows.append(_row(clip, cut, work.spec.fps))
        note = f"{len(shown)} of {len(samples)} clips, as training sees them at {work.spec.fps} fps"
        contact_sheet(folder / sheet_name(bucket), f"Training clips at {bucket}", rows, note)
        work.tell("progress", done=done, total=len(most), unit="contact sheets")
    return most


def _row(clip: Clip, cut: Cut, fps: int) -> Row:
    try:
        frames_FHWC = read_frames(clip.path, cut, fps)
    except UnreadableClip as error:
        raise StageError(
            f"{clip.path}: {error.reason}. Mend the file, or move it out of the folder"
        ) from error
    at = f", from {cut.start / fps:.1f} s" if cut.start else ""
    return Row("\n".join(clip.captions), ((f"{clip.shown}{at}", frames_FHWC),))
