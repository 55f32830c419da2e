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


class Square(NamedTuple):
    """A turned square: centre and side in frame pixels, angle in radians (clockwise on the screen)."""

    x: float
    y: float
    side: float
    angle: float


class Cutter:
    """Cuts squares of a frame into `size` x `size` RGB floats.

    pixels: the last cut, uint8 size x size x 3 RGB, for those who compare pictures.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = np.empty(0, np.uint8)
        self._warped = np.empty((size, size, 4), np.uint8)
        self.pixels = np.empty((size, size, 3), np.uint8)
        self._matrix = np.empty((2, 3), np.float64)

    def cut(self, image: Image, square: Square, *, mirrored: bool = False) -> Image:
        """Fill `pixels` with the square of a BGR image; outside of the frame is black.

        mirrored: flip left and right within the cut.
        """
        height, width = image.shape[:2]
        cosine, sine = math.cos(square.angle), math.sin(square.angle)
        reach = 0.5 * square.side * (abs(cosine) + abs(sine)) + 2
        left = max(0, min(width - 1, int(square.x - reach)))
        top = max(0, min(height - 1, int(square.y - reach)))
        right = max(left + 1, min(width, int(square.x + reach) + 1))
        bottom = max(top + 1, min(height, int(square.y + reach) + 1))
        # A face much larger than the input is thinned first: fewer pixels to convert and less aliasing.
        step = max(1, int(square.side / self.size / 1.5))
        part = image[top:bottom:step, left:right:step]
        rows, columns = part.shape[:2]
        if self._pool.size < rows * columns * 4:
            self._pool = np.empty(rows * columns * 4, np.uint8)
        region = self._pool[: rows * columns * 4].reshape(rows, columns, 4)
        cv2.cvtColor(part, cv2.COLOR_BGR2RGBA, dst=region)
        scale = square.side / self.size / step
        along = -scale if mirrored else scale
        middle = (self.size - 1) / 2
        matrix = self._matrix
        matrix[0, 0], matrix[0, 1] = along * cosine, -scale * sine
        matrix[1, 0], matrix[1, 1] = along * sine, scale * cosine
        matrix[0, 2] = (square.x - left) / step - (matrix[0, 0] + matrix[0, 1]) * middle
        matrix[1, 2] = (square.y - top) / step - (matrix[1, 0] + matrix[1, 1]) * middle
        cv2.warpAffine(region, matrix, (self.size, self.size), dst=self._warped, flags=_WARP)
        cv2.cvtColor(self._warped, cv2.COLOR_RGBA2RGB, dst=self.pixels)
        return self.pixels

    def fill(self, network_input: NDArray[np.float32]) -> None:
        """Write the last cut as 0..1 into a network's 1 x size x size x 3 input."""
        np.multiply(self.pixels, np.float32(1 / 255), out=network_input[0])


def to_frame(points: NDArray[np.float32], square: Square, size: int, *, mirrored: bool = False) -> NDArray[np.float32]:
    """Points (n x 2 or n x 3, in pixels of a `size` cut) in frame pixels; a third column is scaled alike."""
    scale = square.side / size
    cosine, sine = math.cos(square.angle) * scale, math.sin(square.angle) * scale
    x = points[:, 0] - size / 2
    y = points[:, 1] - size / 2
    if mirrored:
        x = -x
    result = np.empty_like(points)
    result[:, 0] = square.x + cosine * x - sine * y
    result[:, 1] = square.y + sine * x + cosine * y
    if points.shape[1] > 2:
        result[:, 2] = points[:, 2] * scale
    return result
