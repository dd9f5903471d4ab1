"""What a recipe says about the clips that it wants."""

from engine.seam import Spec, at
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
