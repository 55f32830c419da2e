"""Eye contour and iris (Ablavatski et al. 2020): lids precise enough for blinks, and where the iris stands.

The lids of the 468-point mesh are too coarse for blinks; the iris network's own eye contour is not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Cutter, Glance, Image, Square, to_frame
from edged.inference.litert import Network

SIZE = 64
_MARGIN = 2.3  # the crop's side over the eye's width
# Of the 71 contour points 0..8 are the lower lid from corner to corner and 9..15 the upper; k faces 8 + k.
_CORNERS = (0, 8)
_CONTOUR_POINTS = 71
_LID_POINTS = 16
_LOWER = range(2, 7)
_FACING = 8
_LIDS = (36, 24)  # width and height, around the middle of the crop
_BLOCKS = (9, 6)


class Eye(NamedTuple):
    """One eye. contour: float32 71 x 2 in frame pixels; iris: 5 x 2, the centre first.

    aspect_ratio: mean lid opening over the eye's width, after Soukupova and Cech, "Real-Time Eye Blink Detection
    using Facial Landmarks" (2016). offset_x, offset_y: the iris centre from the middle of the corners, in eye
    widths, along the corner line (towards the viewer's right) and upwards.
    """

    contour: NDArray[np.float32]
    iris: NDArray[np.float32]
    aspect_ratio: float
    offset_x: float
    offset_y: float
    width: float

    def moved(self, before: Square, now: Square) -> Eye:
        """The same eye, unchanged within its crop, after the crop went elsewhere."""
        scale, turn = now.side / before.side, now.angle - before.angle
        cosine, sine = math.cos(turn) * scale, math.sin(turn) * scale
        matrix = np.array([[cosine, sine], [-sine, cosine]], np.float32)
        old, new = np.array(before[:2], np.float32), np.array(now[:2], np.float32)
        return Eye(
            ((self.contour - old) @ matrix + new).astype(np.float32, copy=False),
            ((self.iris - old) @ matrix + new).astype(np.float32, copy=False),
            self.aspect_ratio,
            self.offset_x,
            self.offset_y,
            self.width * scale,
        )


def eye_square(outer: NDArray[np.float32], inner: NDArray[np.float32], *, right: bool) -> Square:
    """Where to look for an eye whose corners these are; the crop is level with the corner line."""
    start, end = (outer, inner) if right else (inner, outer)  # from the viewer's left to right
    across, down = float(end[0] - start[0]), float(end[1] - start[1])
    side = _MARGIN * math.hypot(across, down)
    return Square(float(start[0] + end[0]) / 2, float(start[1] + end[1]) / 2, side, math.atan2(down, across))


class EyeReader:
    """The iris network. It was trained on the sitter's right eye; the left one is shown to it mirrored."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.cutter = Cutter(SIZE)
        contour_first = network.outputs[0].size == 213
        self._contour = network.outputs[0 if contour_first else 1].reshape(_CONTOUR_POINTS, 3)[:, :2]
        self._iris = network.outputs[1 if contour_first else 0].reshape(5, 3)[:, :2]
        self._points = np.empty((_CONTOUR_POINTS + 5, 2), np.float32)

    def glance(self, square: Square, image: Image) -> Glance:
        """Something to look at the lids and the iris of this eye with; hair and brow are left out."""
        return Glance(square, SIZE, _LIDS, image.shape)

    def read(self, image: Image, square: Square, *, right: bool) -> Eye:
        """Ask the network about the eye in this square of a BGR image."""
        self.cutter.cut(image, square, mirrored=not right)
        self.cutter.fill(self.network.input)
        self.network.run()
        # Both at once: small arrays cost by the call.
        np.copyto(self._points[:_CONTOUR_POINTS], self._contour)
        np.copyto(self._points[_CONTOUR_POINTS:], self._iris)
        points = to_frame(self._points, square, SIZE, mirrored=not right)
        return measure(points[:_CONTOUR_POINTS], points[_CONTOUR_POINTS:])


def blocks(lids: Image) -> Image:
    """What a glance saw (24 x 36), as 6 x 9 block means. `changed` compares two of these."""
    return cv2.resize(lids, _BLOCKS, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def changed(now: Image, before: Image, limit_levels: float, limit_block_levels: float) -> bool:
    """Whether two sets of blocks differ by this much on average, or one block by that much, less the light's change.

    They differ little when the eye moved by part of a pixel only, and much when a lid or the iris moved.
    """
    mean = cv2.norm(now, before, cv2.NORM_L1) / now.size
    most = cv2.norm(now, before, cv2.NORM_INF)
    # Taking off the light's change at most doubles the mean: what is far below both limits needs no closer look.
    if 2 * mean < limit_levels and most + mean < limit_block_levels:
        return False
    difference = np.subtract(now, before, dtype=np.float32)
    difference -= cv2.mean(difference)[0]
    if float(cv2.norm(difference, cv2.NORM_L1)) >= limit_levels * now.size:
        return True
    return float(cv2.norm(difference, cv2.NORM_INF)) >= limit_block_levels


def measure(contour: NDArray[np.float32], iris: NDArray[np.float32]) -> Eye:
    """Figures of an eye from its contour (71 x 2) and iris (5 x 2), both in frame pixels."""
    # Plain numbers: for so few, numpy's calls cost more than the arithmetic.
    lids = contour[:_LID_POINTS].tolist()
    first, last = lids[_CORNERS[0]], lids[_CORNERS[1]]
    if first[0] > last[0]:
        first, last = last, first
    across, down = last[0] - first[0], last[1] - first[1]
    width = max(1e-3, math.hypot(across, down))
    opening = sum(math.dist(lids[below], lids[below + _FACING]) for below in _LOWER) / len(_LOWER)
    centre_x, centre_y = iris[0].tolist()
    to_x = centre_x - (first[0] + last[0]) / 2
    to_y = centre_y - (first[1] + last[1]) / 2
    unit_x, unit_y = across / width, down / width
    return Eye(
        contour,
        iris,
        opening / width,
        (to_x * unit_x + to_y * unit_y) / width,
        (to_x * unit_y - to_y * unit_x) / width,
        width,
    )
