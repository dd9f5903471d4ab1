"""Write frames to a video file that plays everywhere.

Two rules, and no others:

1. The same frames give the same bytes: one thread, and no clock in the file.
2. Nothing is scaled or cropped: a size that H.264 cannot hold is an error.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_QUALITY = "14"  # x264's constant rate factor; near enough to lossless for looking closely


def write_video(path: Path, frames_FHWC: NDArray[np.uint8], fps: float) -> None:
    """Write an H.264 ``.mp4`` in BT.709, which a browser can play.

    Args:
        path: where to write; replaced if it is there.
        frames_FHWC: ``(F, H, W, 3)`` uint8, red, green, blue, at least one frame; H and W even.
        fps: frames per second.

    Raises:
        ValueError: if the frames have another shape, type or an odd size.
    """
    _check(frames_FHWC)
    _, height, width, _ = frames_FHWC.shape
    with av.open(path, mode="w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264",
            rate=Fraction(fps).limit_denominator(1001),
            options={"crf": _QUALITY, "threads": "1"},
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        coder = stream.codec_context
        coder.color_primaries = coder.color_trc = coder.colorspace = 1  # BT.709, all three
        coder.color_range = 1  # limited, as televisions expect
        for frame_HWC in frames_FHWC:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
            # say it, for the default is the older BT.601, whatever the file is labelled with
            limited = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            container.mux(stream.encode(limited))
        container.mux(stream.encode())


def _check(frames_FHWC: NDArray[np.uint8]) -> None:
    """Refuse what would be written wrongly or not at all."""
    shape = frames_FHWC.shape
    if frames_FHWC.dtype != np.uint8 or len(shape) != len("FHWC") or shape[3] != len("RGB") or not shape[0]:
        raise ValueError(f"frames must be (F, H, W, 3) uint8, not {shape} {frames_FHWC.dtype}")
    if shape[1] % 2 or shape[2] % 2:
        raise ValueError(f"a video needs an even width and height, not {shape[2]}x{shape[1]}")
