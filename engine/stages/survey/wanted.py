"""What a recipe says about the clips that it wants."""

from engine.seam import Spec, at
from engine.words.data import Dataset
from engine.words.model import Frames

MAIN = "data"  # the dataset that `data` itself is


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
        all_of_them = {MAIN: self.main} | {f"{MAIN}.more.{name}": more for name, more in self.more.items()}
        return {path: dataset for path, dataset in all_of_them.items() if dataset.repeats}
