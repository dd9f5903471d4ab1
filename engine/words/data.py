"""The section ``data``: which clips, at which size, with which words about them."""

from typing import Annotated, Literal

from pydantic import Field

from engine.words.word import LOCATION, RUNTIME, Words, choice, example, section, word

Aspect = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}:[1-9][0-9]{0,4}$")]

# of both kinds of size that have one: they share a path, and so what is said of it
_EDGE = (
    "With `pixel` the length of the shorter side; with `pixel_area` the side of a square that has the wanted area, which is not a height: 480 "
    "makes 640x368 of a wide clip."
)


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


class ListSource(Words):
    """A text file that names a clip on each line; paths are relative to it, and `#` begins a comment."""

    model_config = example(kind="list", path="clips.txt")

    kind: Literal["list"] = word("Clips are named by a text file, one a line.")
    path: str = word("The text file.", LOCATION, min_length=1, max_length=1000)


class TableSource(Words):
    """A table that names a clip in each row: CSV, TSV, JSON, JSON lines or Parquet."""

    model_config = example(kind="table", path="clips.csv", column="file_name")

    kind: Literal["table"] = word("Clips are named by the rows of a table.")
    path: str = word("The table; it ends in .csv, .tsv, .json, .jsonl or .parquet.", LOCATION, min_length=1,
                     max_length=1000)  # fmt: skip
    column: str = word("Column that holds the path of the clip, relative to the table.", min_length=1)


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


class RemoteSource(Words):
    """A folder of clips that lies elsewhere, such as in an S3 bucket: anything that fsspec opens."""

    model_config = example(kind="remote", url="s3://bucket/clips", as_of="2026-11-26")

    kind: Literal["remote"] = word("Clips come from storage elsewhere.")
    url: str = word("The folder, such as `s3://bucket/clips`; never with a password in it.", min_length=1,
                    max_length=1000)  # fmt: skip
    as_of: str = word(
        "Any text, such as a date: the folder is looked at once and kept; another text looks again, and only files "
        "that changed are fetched.",
        min_length=1,
    )


class DrawnSource(Words):
    """A small black-and-white cartoon set that the program draws itself: for trying and testing."""

    model_config = example(kind="drawn", clips=12, seed=1)

    kind: Literal["drawn"] = word("Clips are drawn by the program.")
    clips: int = word("Number of clips to draw.", unit="clips", ge=1, le=200)
    seed: int = word("Seed of the drawing.", ge=0)


class BesideCaptions(Words):
    """Each clip's words stand in a text file beside it: `cat.mp4` and `cat.txt`."""

    model_config = example(kind="beside", lines="variants")

    kind: Literal["beside"] = word("The caption is the text file of the same name.")
    lines: Literal["variants", "joined"] = word(
        "Several lines of a text file: captions of which each sample sees one, or one caption that was wrapped."
    )


class FilenameCaptions(Words):
    """Each clip's words are its file name, with `_` and `-` read as spaces."""

    kind: Literal["filename"] = word("The caption is the file name.")


class OneCaption(Words):
    """Every clip has the same words."""

    model_config = example(kind="one", text="An old black-and-white cartoon.")

    kind: Literal["one"] = word("All clips share one caption.")
    text: str = word("The caption.", min_length=1)


class ColumnCaptions(Words):
    """Each clip's words stand in its row of a table: the one that names the clips, or `metadata.csv` (or `.jsonl`, `.parquet`) in their folder."""

    model_config = example(kind="column", column="text")

    kind: Literal["column"] = word("The caption is a column of a table.")
    column: str = word("The column; a list in it, or several rows of one clip, are captions of which each sample sees one.",
                       min_length=1)  # fmt: skip


class ExactSize(Words):
    """Every clip is scaled to cover one size and cut to it."""

    model_config = example(kind="exact", width=832, height=480)

    kind: Literal["exact"] = word("One size for every clip.")
    width: int = word("Width.", unit="px", ge=16, le=16_384)
    height: int = word("Height.", unit="px", ge=16, le=16_384)


class PixelAreaSize(Words):
    """Every clip gets about the number of pixels of a square."""

    model_config = example(kind="pixel_area", edge=632)

    kind: Literal["pixel_area"] = word("One area for every clip, as the edge of a square.")
    edge: int = word(_EDGE, unit="px", ge=16, le=16_384)


class AreaSize(Words):
    """Every clip gets about the same number of pixels, said in millions."""

    model_config = example(kind="area", megapixels=0.4)

    kind: Literal["area"] = word("One area for every clip, in megapixels.")
    megapixels: float = word("The area.", unit="million px", gt=0, le=40)


class ShorterSideSize(Words):
    """Every clip's shorter side gets the same length: 480 makes 832x480 of a wide clip and 480x832 of a tall one."""

    model_config = example(kind="pixel", edge=480)

    kind: Literal["pixel"] = word("One length for the shorter side of every clip.")
    edge: int = word(_EDGE, unit="px", ge=16, le=16_384)


class OwnAspect(Words):
    """Every clip keeps its own shape."""

    kind: Literal["preserve"] = word("Each clip keeps its aspect.")


class SquareAspect(Words):
    """Every clip is cut to a square."""

    kind: Literal["square"] = word("Each clip becomes a square.")


class ClosestAspect(Words):
    """Every clip is cut to that of some shapes which is nearest to its own."""

    model_config = example(kind="closest", of=["16:9", "1:1", "9:16"])

    kind: Literal["closest"] = word("Each clip gets the nearest of some aspects.")
    of: list[Aspect] = word("The aspects, as `16:9`.", min_length=1, max_length=32)


class RandomAspect(Words):
    """Every clip is cut to one of some shapes; which one follows from its content."""

    model_config = example(kind="random", of=["16:9", "1:1", "9:16"])

    kind: Literal["random"] = word("Each clip gets one of some aspects by chance, always the same one.")
    of: list[Aspect] = word("The aspects, as `16:9`.", min_length=1, max_length=32)


class CoverScale(Words):
    """The picture is scaled until it just covers the size of training, so that as little as can be is cut."""

    kind: Literal["cover"] = word("The whole picture, cut as little as possible.")


class DownsampleScale(Words):
    """The size of training is cut out of a larger picture: a part of it, seen closely."""

    model_config = example(kind="downsample", above=1080, to=720)

    kind: Literal["downsample"] = word("A part of the picture, cut out at its own scale.")
    above: int = word(
        "Clips whose shorter side is longer than this are made smaller first.", unit="px", ge=16, le=16_384
    )
    to: int = word("The length that their shorter side gets.", unit="px", ge=16, le=16_384)


class HeadWindow(Words):
    """One window: the first frames."""

    kind: Literal["head"] = word("The first frames of each clip.")


class MiddleWindow(Words):
    """One window: the frames in the middle."""

    kind: Literal["middle"] = word("The frames in the middle of each clip.")


class RandomWindows(Words):
    """Windows at places that follow from the content of the clip: always the same ones."""

    model_config = example(kind="random", count=2)

    kind: Literal["random"] = word("Windows by chance, always the same ones.")
    count: int = word("Windows of each clip.", unit="windows", ge=1, le=1000)


class UniformWindows(Words):
    """Windows spread evenly from the first frames to the last."""

    model_config = example(kind="uniform", count=3)

    kind: Literal["uniform"] = word("Windows spread evenly over each clip.")
    count: int = word("Windows of each clip.", unit="windows", ge=1, le=1000)


class SlidingWindows(Words):
    """As many windows as fit, each some frames after the one before."""

    model_config = example(kind="sliding", stride=40)

    kind: Literal["sliding"] = word("As many windows as fit.")
    stride: int = word(
        "From the beginning of one window to that of the next, at the model's rate.", unit="frames", ge=1
    )


class ClipWords(Words):
    """What is said of all datasets in `data`, and of one in `data.more`."""

    captions: BesideCaptions | FilenameCaptions | OneCaption | ColumnCaptions = choice(
        "Where the words about a clip come from."
    )
    caption_prefix: str = word(
        "Put before every caption that does not begin with it: a trigger word, for one."
    )
    caption_filter: list[str] = word(
        "Patterns (regular expressions) of what is taken out of captions.", max_length=100
    )
    no_caption: Literal["error", "drop"] = word("A clip without words: stop, or leave it out and list it.")
    size: ExactSize | PixelAreaSize | AreaSize | ShorterSideSize = choice(
        "Width and height of the training clips."
    )
    aspect: OwnAspect | SquareAspect | ClosestAspect | RandomAspect = choice("Shape of the training clips.")
    scale: CoverScale | DownsampleScale = choice("How much of the picture is seen.")
    crop: Literal["centre", "corner", "random", "none"] = word(
        "What is kept where the picture is larger than the size of training: its centre, its upper left corner, a place that "
        "follows from its content, or all of it, stretched by the percent or two that the rounding of sizes takes."
    )
    min_size: int = word("Clips whose shorter side is shorter are left out; 0 takes all.", unit="px", ge=0)
    frames: int = word(
        "Frames of a training clip, after resampling to the model's rate. An image is a clip of one frame.",
        unit="frames",
        ge=1,
    )
    windows: HeadWindow | MiddleWindow | RandomWindows | UniformWindows | SlidingWindows = choice(
        "Which frames of a longer clip; each window is a training clip of its own."
    )
    short_clips: Literal["error", "drop", "fewer", "loop"] = word(
        "A clip with too few frames: stop, leave it out, use the most frames that it can give, or begin it again until it is full."
    )
    frame_interval: int = word(
        "Clips that give fewer frames are cut to one more than a multiple of this: a larger one makes fewer shapes.",
        unit="frames",
        ge=1,
    )
    min_frames: int = word(
        "Clips with fewer frames at the model's rate are left out; images are not asked.", unit="frames", ge=1
    )
    max_frames: int = word(
        "Clips with more frames at the model's rate are left out; 0 takes all.", unit="frames", ge=0
    )
    bad_files: Literal["error", "skip"] = word(
        "A file that cannot be opened: stop, or leave it out and list it. One that is damaged further in is found when it is encoded, "
        "and named."
    )
    role: Literal["train", "evaluate", "regularise"] = word(
        "What the clips are for: to be learnt, to measure the loss on, or to stay as the model without the adapter makes them."
    )
    repeats: int = word(
        "Times that each clip is seen in an epoch; 0 leaves the dataset out.", ge=0, le=10_000
    )
    weight: float = word(
        "Share of an epoch, in proportion to those of the other datasets, where `data.mix` is `by_weight`.",
        gt=0,
        le=1_000_000,
    )


Source = FolderSource | ListSource | TableSource | HubSource | RemoteSource | DrawnSource


class Dataset(ClipWords):
    """Clips of one place, and all that is said of them. What it does not say, it has from `data`."""

    source: Source = choice("Where the clips come from.")


class Latents(Words):
    """How encoded clips are kept."""

    precision: Literal["fp32", "bf16"] = word(
        "Number format that latents are kept in; the codec always works in fp32."
    )
    compress: bool = word("Compress latents on disk: a tenth smaller, and slower to read.", RUNTIME)


class Data(Dataset):
    """Which clips, at which size, with which words about them."""

    more: dict[str, Dataset] = word(
        "Further datasets by name. Each has what stands in `data`, unless it says otherwise."
    )
    mix: Literal["by_count", "by_weight"] = word(
        "What an epoch is made of: every clip as often as `repeats` says, or as many samples, shared by `weight`."
    )
    small_buckets: Literal["carry", "repeat"] = word(
        "A shape with fewer clips than a batch takes: they wait for those of the next epoch, or are repeated until they fill a batch."
    )
    latents: Latents = section("How encoded clips are kept.")
    workers: int = word("Clips decoded ahead while another is encoded.", RUNTIME, unit="clips", ge=1, le=64)
