"""Write down what becomes of every clip, and remember what was learnt about the files."""

import json
from pathlib import Path

from engine.clips.decode import read_frames
from engine.clips.files import UnreadableClip
from engine.endings import StageError
from engine.report.sheet import Row, contact_sheet
from engine.seam import Work
from engine.stages.survey.look import MEMO, Survey, look, memo_text, read_memo
from engine.stages.survey.spec import SurveyRuntime
from engine.stages.survey.wanted import SurveySpec
from engine.store import write_whole

SHOWN = 12  # clips on the contact sheet


def survey(work: Work[SurveySpec, SurveyRuntime]) -> None:
    """Write the parts ``clips``, ``captions`` and ``texts`` and, for people, ``report/survey.json`` and a contact sheet.

    Raises:
        StageError: the folder changed since the plan looked at it.
    """
    seen = look(work.spec, work.runtime.folder or work.inputs["fetch_data/clips"], work.memo)
    if seen.leaves["clips"] != work.digests["clips"]:
        raise StageError(f"the clips in {seen.folder} changed while the plan was made; run again")
    for part, content in seen.outputs.items():
        for name, text in content.files.items():
            (work.output / part).mkdir()
            (work.output / part / name).write_bytes(text)
    report = work.output / "report"
    report.mkdir()
    (report / "survey.json").write_text(json.dumps(seen.report(), indent=1, ensure_ascii=False))
    _draw(work.output / "sheet", seen, work.spec.fps)
    work.memo.mkdir(parents=True, exist_ok=True)
    write_whole(work.memo / MEMO, memo_text(read_memo(work.memo / MEMO) | dict(seen.memo)))


def _draw(folder: Path, seen: Survey, fps: int) -> None:
    """Draw the first clips as training will see them: cut to length, scaled and cropped."""
    folder.mkdir()
    rows = []
    for clip in seen.kept[:SHOWN]:
        assert clip.bucket is not None, "a kept clip has a bucket"
        try:
            frames_FHWC = read_frames(clip.path, clip.bucket, fps)
        except UnreadableClip as error:
            raise StageError(
                f"{clip.path}: {error.reason}. Mend the file, or move it out of the folder"
            ) from error
        rows.append(Row(str(clip.caption), ((f"{clip.path.name}, {clip.bucket}", frames_FHWC),)))
    note = f"{min(SHOWN, len(seen.kept))} of {len(seen.kept)} clips, as training sees them at {fps} fps"
    contact_sheet(folder / "training-clips.png", "Training clips", rows, note)
