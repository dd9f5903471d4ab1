"""Find out which clips can be used, at which size, and with which words."""

from engine.seam import Foresight, NotMade, Runtime, Spec, Stage, View, at
from engine.stages.survey.look import look
from engine.words.data import AreaSize, BesideCaptions, ExactSize, FilenameCaptions, OneCaption
from engine.words.model import Frames


class SurveySpec(Spec):
    """What decides which clips are used, and how."""

    captions: BesideCaptions | FilenameCaptions | OneCaption = at("data.captions")
    size: ExactSize | AreaSize = at("data.size")
    frames: int = at("data.frames")
    short_clips: str = at("data.short_clips")
    bad_files: str = at("data.bad_files")
    fps: int = at("model.fps")
    legal_frames: Frames = at("model.frames")
    size_multiple: int = at("model.size_multiple")


class SurveyRuntime(Runtime):
    """Where the clips lie; their contents stand in the key."""

    folder: str | None = at("data.source.path")


def _foresee(view: View) -> Foresight:
    folder = view.runtime.folder or view.folders.get("fetch_data/clips")
    if folder is None:
        raise NotMade("the clips must be fetched first")
    return look(view.spec, folder, view.memo).foresight()


SURVEY = Stage(
    name="survey",
    version=1,
    spec=SurveySpec,
    runtime=SurveyRuntime,
    needs=("fetch_data/clips",),
    entry="engine.stages.survey.run:survey",
    does="find out which clips can be used, and how",
    foresee=_foresee,
)
