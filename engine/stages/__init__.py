"""The stages, in the order in which they run; read this list as the pipeline.

Each is a folder: ``spec.py`` says, without torch, what it reads and makes; ``run.py`` does the work.
"""

from engine.seam import Stage
from engine.stages.encode_features.spec import ENCODE_FEATURES
from engine.stages.encode_image.spec import ENCODE_IMAGE
from engine.stages.encode_text.spec import ENCODE_TEXT
from engine.stages.encode_video.spec import ENCODE_VIDEO
from engine.stages.export.spec import EXPORT
from engine.stages.fetch_data.spec import FETCH_DATA
from engine.stages.fetch_model.spec import FETCH_MODEL
from engine.stages.fetch_teacher.spec import FETCH_TEACHER
from engine.stages.rehearse.spec import REHEARSE
from engine.stages.sample.spec import SAMPLE
from engine.stages.survey.spec import SURVEY
from engine.stages.train.spec import TRAIN

STAGES: tuple[Stage, ...] = (
    FETCH_MODEL,
    FETCH_TEACHER,
    REHEARSE,
    FETCH_DATA,
    SURVEY,
    ENCODE_TEXT,
    ENCODE_VIDEO,
    ENCODE_IMAGE,
    ENCODE_FEATURES,
    TRAIN,
    EXPORT,
    SAMPLE,
)


def up_to(last: str) -> tuple[Stage, ...]:
    """Return the stages up to one of them, by its name; all of them where none is named."""
    names = [stage.name for stage in STAGES]
    return STAGES[: names.index(last) + 1] if last else STAGES
