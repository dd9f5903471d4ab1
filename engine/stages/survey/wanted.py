"""What a recipe says about the clips that it wants."""

from engine.seam import Spec, at
from engine.words.data import Dataset
from engine.words.model import Frames
from engine.words.table import by_path


class SurveySpec(Spec):
    """What decides which clips are used, and how."""

    main: Dataset = at("data")
    more: dict[str, Dataset] = at("data.more")
    mix: str = at("data.mix")
    small_buckets: str = at("data.small_buckets")
    batch_size: int = at("train.batch_size")
    fps: int = at("model.fps")
    legal_frames: Frames = at("model.frames")
    size_multiple: int = at("model.size_multiple")

    @property
    def datasets(self) -> dict[str, Dataset]:
        """Every dataset that is not left out, by the path of its words."""
        return {path: dataset for path, dataset in by_path(self.main, self.more).items() if dataset.repeats}
