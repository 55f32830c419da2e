"""JPEG pictures: their size without decoding, decoding no larger than needed, encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    from edged.capture.shaping import Shaper
    from edged.capture.source import Image

    Bytes: TypeAlias = bytes | bytearray | memoryview | Image

_DECODE = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
# Start-of-frame markers (ITU T.81, table B.1): all of C0..CF but the tables C4, C8 and CC.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKERS_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def jpeg_size(data: Bytes) -> tuple[int, int, bool] | None:
    """Width and height of a JPEG and whether it carries EXIF, which may turn it; `None`: not a JPEG."""
    view = data.data.cast("B") if isinstance(data, np.ndarray) else memoryview(data).cast("B")
    if len(view) < 4 or view[0] != 0xFF or view[1] != 0xD8:
        return None
    at, exif = 2, False
    while at + 9 < len(view):
        if view[at] != 0xFF:
            return None
        marker = view[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _MARKERS_ALONE:
            at += 2
            continue
        if marker in _FRAME_MARKERS:
            return view[at + 7] << 8 | view[at + 8], view[at + 5] << 8 | view[at + 6], exif
        exif = exif or (marker == 0xE1 and bytes(view[at + 4 : at + 8]) == b"Exif")
        at += 2 + (view[at + 2] << 8 | view[at + 3])
    return None


def decode(data: Bytes, shaper: Shaper) -> Image | None:
    """The picture (uint8, BGR), as small as the shaper can use it; `None`: damaged or not a picture."""
    reduction = 1
    size = jpeg_size(data)
    if size is not None:
        width, height, exif = size
        reduction = shaper.reduction(width, height)
        if exif:  # EXIF may swap the sides
            reduction = min(reduction, shaper.reduction(height, width))
    buffer = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    if not buffer.size:
        return None
    try:
        image = cv2.imdecode(buffer, _DECODE[reduction])
    except cv2.error:
        return None
    return image  # type: ignore[return-value]


def encode(image: Image, quality: int) -> bytes:
    """JPEG of a picture (uint8, BGR). quality: 1..100."""
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return data.tobytes()
