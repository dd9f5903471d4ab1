"""Write down what becomes of every clip, and remember what was learnt about the files."""

import json

from engine.seam import StageError, Work
from engine.stages.survey.look import MEMO, look, memo_text, read_memo
from engine.stages.survey.spec import SurveyRuntime, SurveySpec
from engine.store import write_whole


def survey(work: Work[SurveySpec, SurveyRuntime]) -> None:
    """Write the parts ``clips``, ``captions`` and ``texts`` and, for people, ``report/survey.json``.

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
    work.memo.mkdir(parents=True, exist_ok=True)
    write_whole(work.memo / MEMO, memo_text(read_memo(work.memo / MEMO) | dict(seen.memo)))
