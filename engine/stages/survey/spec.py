"""Find out which clips can be used, at which size, and with which words."""

from engine.seam import Foresight, NotMade, Runtime, Stage, View, at
from engine.stages.survey.look import look
from engine.stages.survey.wanted import SurveySpec


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
