"""Cutting a turned square out of a frame, straight into a network's input.

A `Square` is where to look; `Cutter` owns the buffers of one input size, so that no frame allocates. Four-channel
warps run in OpenCV's vector code and three-channel ones do not, so the part of the frame that is needed is turned
to RGBA on the way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_STEADY_SHIFT = 0.015  # a square that moved by less than this share of its side is kept as it was
_STEADY_TURN_RADIANS = 0.02
_STEADY_GROWTH = 0.02


class Square(NamedTuple):
    """A turned square: centre and side in frame pixels, angle in radians (clockwise on the screen)."""

    x: float
    y: float
    side: float
    angle: float


class Aim(NamedTuple):
    """Which part of a frame a cut needs, and the affine matrix (2 x 3) from pixels of the cut to pixels of that part.

    step: a face much larger than the cut is thinned first: fewer pixels to convert, and less aliasing.
    """

    left: int
    top: int
    columns: int
    rows: int
    step: int
    matrix: NDArray[np.float64]

    def part(self, image: Image) -> Image:
        """That part of the frame, thinned: rows x columns x 3."""
        step = self.step
        part = image[self.top : self.top + self.rows * step, self.left : self.left + self.columns * step]
        if step == 1:
            return part
        # A strided view would be gathered byte by byte when OpenCV makes it contiguous.
        return cv2.resize(part, (self.columns, self.rows), interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]


def aim(
    square: Square, size: int, shape: tuple[int, ...], window: tuple[int, int] | None = None, *, mirrored: bool = False
) -> Aim:
    """How to cut a square at `size` pixels a side, or a window (width, height) in its middle.

    shape: of the frame. mirrored: flip left and right within the cut.
    """
    across, down = window or (size, size)
    cosine, sine = math.cos(square.angle), math.sin(square.angle)
    scale = square.side / size
    reach_x = 0.5 * scale * (across * abs(cosine) + down * abs(sine)) + 2
    reach_y = 0.5 * scale * (across * abs(sine) + down * abs(cosine)) + 2
    height, width = shape[:2]
    left = max(0, min(width - 1, int(square.x - reach_x)))
    top = max(0, min(height - 1, int(square.y - reach_y)))
    step = max(1, int(scale / 1.5))
    columns = max(1, (min(width, int(square.x + reach_x) + 1) - left) // step)
    rows = max(1, (min(height, int(square.y + reach_y) + 1) - top) // step)
    scale /= step
    along = -scale if mirrored else scale
    a, b, c, d = along * cosine, -scale * sine, along * sine, scale * cosine
    middle_x, middle_y = (across - 1) / 2, (down - 1) / 2
    matrix = np.array(
        [
            [a, b, (square.x - left) / step - a * middle_x - b * middle_y],
            [c, d, (square.y - top) / step - c * middle_x - d * middle_y],
        ]
    )
    return Aim(left, top, columns, rows, step, matrix)


class Cutter:
    """Cuts squares of a frame into `size` x `size` RGB floats.

    pixels: the last cut, uint8 size x size x 3 RGB, for those who compare pictures.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = np.empty(0, np.uint8)
        self._warped = np.empty((size, size, 4), np.uint8)
        self.pixels = np.empty((size, size, 3), np.uint8)

    def cut(self, image: Image, square: Square, *, mirrored: bool = False) -> Image:
        """Fill `pixels` with the square of a BGR image; outside of the frame is black.

        mirrored: flip left and right within the cut.
        """
        aimed = aim(square, self.size, image.shape, mirrored=mirrored)
        rows, columns = aimed.rows, aimed.columns
        if self._pool.size < rows * columns * 4:
            self._pool = np.empty(rows * columns * 4, np.uint8)
        region = self._pool[: rows * columns * 4].reshape(rows, columns, 4)
        cv2.cvtColor(aimed.part(image), cv2.COLOR_BGR2RGBA, dst=region)
        cv2.warpAffine(region, aimed.matrix, (self.size, self.size), dst=self._warped, flags=_WARP)
        cv2.cvtColor(self._warped, cv2.COLOR_RGBA2RGB, dst=self.pixels)
        return self.pixels

    def fill(self, network_input: NDArray[np.float32]) -> None:
        """Write the last cut as 0..1 into a network's 1 x size x size x 3 input."""
        # One call that does both is slower: it converts through a small buffer.
        np.copyto(network_input[0], self.pixels)
        network_input *= np.float32(1 / 255)


class Glance:
    """Looks at the middle of one square, frame after frame, to tell whether it changed: one channel, few pixels."""

    def __init__(self, square: Square, size: int, window: tuple[int, int], shape: tuple[int, ...]) -> None:
        self.square = square
        self.shape = shape
        self._window = window
        aimed = aim(square, size, shape, window)
        self._matrix = aimed.matrix
        step = aimed.step
        self._rows = slice(aimed.top, aimed.top + aimed.rows * step, step)
        self._columns = slice(aimed.left, aimed.left + aimed.columns * step, step)

    def take(self, image: Image) -> Image:
        """The window, uint8 height x width, of the green channel of a BGR image."""
        green = np.ascontiguousarray(image[self._rows, self._columns, 1])
        return cv2.warpAffine(green, self._matrix, self._window, flags=_WARP)  # type: ignore[return-value]


def to_frame(points: NDArray[np.float32], square: Square, size: int, *, mirrored: bool = False) -> NDArray[np.float32]:
    """Points (n x 2 or n x 3, in pixels of a `size` cut) in frame pixels; a third column is scaled alike."""
    scale = square.side / size
    cosine, sine = math.cos(square.angle) * scale, math.sin(square.angle) * scale
    along, aside = (-cosine, -sine) if mirrored else (cosine, sine)
    x = square.x - size / 2 * (along - sine)
    y = square.y - size / 2 * (aside + cosine)
    count = points.shape[1]
    matrix = np.array(((along, aside, 0.0), (-sine, cosine, 0.0), (0.0, 0.0, scale)), np.float32)
    result: NDArray[np.float32] = points @ matrix[:count, :count]
    result += np.array((x, y, 0.0), np.float32)[:count]
    return result


def steady(before: Square, now: Square) -> Square:
    """The square as it was, if it hardly moved: then equal pixels stay equal and need not be asked about."""
    if (
        abs(now.x - before.x) < _STEADY_SHIFT * before.side
        and abs(now.y - before.y) < _STEADY_SHIFT * before.side
        and abs(now.side - before.side) < _STEADY_GROWTH * before.side
        and abs(now.angle - before.angle) < _STEADY_TURN_RADIANS
    ):
        return before
    return now
