"""The section ``data``: which clips, at which size, with which words about them."""

from typing import Literal

from engine.words.word import LOCATION, RUNTIME, Words, choice, example, word


class FolderSource(Words):
    """A folder of clips and images on this machine; read, never written."""

    model_config = example(kind="folder", path="clips")

    kind: Literal["folder"] = word("Clips come from a folder on this machine.")
    path: str = word(
        "The folder, searched with its subfolders; relative to the file that says it.",
        LOCATION,
        min_length=1,
        max_length=1000,
    )


class HubSource(Words):
    """A dataset repository on the Hugging Face Hub."""

    model_config = example(
        kind="hub", repository="owner/name", revision="0123456789abcdef0123456789abcdef01234567"
    )

    kind: Literal["hub"] = word("Clips come from the Hugging Face Hub.")
    repository: str = word(
        "Dataset repository, as `owner/name`.", pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"
    )
    revision: str = word("Commit of the repository; a branch or tag can change under you.", min_length=1)


class DrawnSource(Words):
    """A small black-and-white cartoon set that the program draws itself: for trying and testing."""

    model_config = example(kind="drawn", clips=12, seed=1)

    kind: Literal["drawn"] = word("Clips are drawn by the program.")
    clips: int = word("Number of clips to draw.", unit="clips", ge=1, le=200)
    seed: int = word("Seed of the drawing.", ge=0)


class BesideCaptions(Words):
    """Each clip's words stand in a text file beside it: `cat.mp4` and `cat.txt`."""

    kind: Literal["beside"] = word("The caption is the text file of the same name.")


class FilenameCaptions(Words):
    """Each clip's words are its file name, with `_` and `-` read as spaces."""

    kind: Literal["filename"] = word("The caption is the file name.")


class OneCaption(Words):
    """Every clip has the same words."""

    model_config = example(kind="one", text="An old black-and-white cartoon.")

    kind: Literal["one"] = word("All clips share one caption.")
    text: str = word("The caption.", min_length=1)


class ExactSize(Words):
    """Every clip is scaled to cover one size and cut to it around its centre."""

    model_config = example(kind="exact", width=832, height=480)

    kind: Literal["exact"] = word("One size for every clip.")
    width: int = word("Width.", unit="px", ge=16)
    height: int = word("Height.", unit="px", ge=16)


class AreaSize(Words):
    """Every clip keeps its own shape and gets about the same number of pixels."""

    model_config = example(kind="pixel_area", edge=632)

    kind: Literal["pixel_area"] = word("One area for every clip; each keeps its aspect.")
    edge: int = word(
        "The area is edge × edge: 480 is the area of a 480 px square, not 480p.", unit="px", ge=16
    )


class Data(Words):
    """Which clips, at which size, with which words about them."""

    source: FolderSource | HubSource | DrawnSource = choice("Where the clips come from.")
    captions: BesideCaptions | FilenameCaptions | OneCaption = choice(
        "Where the words about a clip come from."
    )
    size: ExactSize | AreaSize = choice("Width and height of the training clips.")
    frames: int = word(
        "Frames taken from each clip, from its start, after resampling to the model's rate. "
        "An image is a clip of one frame.",
        unit="frames",
        ge=1,
    )
    short_clips: Literal["error", "drop", "fewer"] = word(
        "A clip with too few frames: stop, leave it out, or use the most frames that it can give."
    )
    bad_files: Literal["error", "skip"] = word(
        "A file that cannot be read: stop, or leave it out and list it."
    )
    workers: int = word("Clips decoded ahead while another is encoded.", RUNTIME, unit="clips", ge=1, le=64)
