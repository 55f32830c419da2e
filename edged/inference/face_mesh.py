"""Face landmarks: 468 points of the face mesh (Kartynnik et al. 2019), with the square to look at next."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Cutter, Image, Square, to_frame
from edged.inference.litert import Network
from edged.observations import Box

SIZE = 192
# Point numbers of the mesh: eye corners as (outer, inner); right and left are the sitter's own.
RIGHT_EYE_CORNERS = (33, 133)
LEFT_EYE_CORNERS = (263, 362)


class Mesh(NamedTuple):
    """A face: points float32 468 x 3 in frame pixels (z grows away from the camera, same scale), score 0..1."""

    points: NDArray[np.float32]
    score: float

    def box(self) -> Box:
        """The smallest upright box around all points."""
        left, top, _ = cv2.reduce(self.points, 0, cv2.REDUCE_MIN)[0].tolist()
        right, bottom, _ = cv2.reduce(self.points, 0, cv2.REDUCE_MAX)[0].tolist()
        return Box(left, top, right - left, bottom - top)

    def next_square(self, box: Box | None = None) -> Square:
        """Where this face will be looked for in the next frame. box: as `box` gave it."""
        box = box or self.box()
        right, left = self.points[RIGHT_EYE_CORNERS[0]], self.points[LEFT_EYE_CORNERS[0]]
        angle = math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))
        return Square(box.x + box.width / 2, box.y + box.height / 2, 1.5 * max(box.width, box.height), angle)


class FaceMesh:
    """The landmark network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.cutter = Cutter(SIZE)
        points_first = network.outputs[0].size == 1404
        self._points = network.outputs[0 if points_first else 1].reshape(468, 3)
        self._score = network.outputs[1 if points_first else 0].reshape(1)

    def find(self, image: Image, square: Square) -> Mesh:
        """Landmarks of the face in this square of a BGR image. A low score says there is none."""
        self.cutter.cut(image, square)
        self.cutter.fill(self.network.input)
        self.network.run()
        return Mesh(to_frame(self._points, square, SIZE), 1 / (1 + math.exp(-max(-60.0, float(self._score[0])))))
