"""Find out which clips can be used, at which size, and with which words."""

from engine.seam import Foresight, NotMade, Runtime, Stage, View
from engine.stages.fetch_data.spec import is_fetched
from engine.stages.survey.findings import foresight
from engine.stages.survey.look import look
from engine.stages.survey.wanted import SurveySpec


class SurveyRuntime(Runtime):
    """Nothing but the clips matters: every core helps to look at them."""


def _foresee(view: View) -> Foresight:
    fetched = view.folders.get("fetch_data/clips")
    if fetched is None and any(is_fetched(dataset.source) for dataset in view.spec.datasets.values()):
        raise NotMade("the clips must be fetched first")
    return foresight(look(view.spec, fetched, view.memo, view.tell, keep=view.keep))


SURVEY = Stage(
    name="survey",
    version=3,
    spec=SurveySpec,
    runtime=SurveyRuntime,
    needs=("fetch_data/clips",),
    entry="engine.stages.survey.run:survey",
    does="find out which clips can be used, and how",
    foresee=_foresee,
)
