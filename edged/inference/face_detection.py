"""Face detection with BlazeFace (Bazarevsky et al. 2019): short range (128) and full range (192).

Both put six points and a box on a face; the short one sees faces larger than about a tenth of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image, Square
from edged.inference.litert import Network
from edged.observations import Box

_OVERLAP = 0.3  # boxes that share more than this (intersection over union) are the same face
_RIGHT_EYE, _LEFT_EYE = 0, 1


@dataclass(frozen=True)
class Detection:
    """A face: box in frame pixels, score 0..1, six points (right eye, left eye, nose, mouth, right ear, left ear)."""

    box: Box
    score: float
    points: NDArray[np.float32]

    def square(self) -> Square:
        """Where the landmark network should look: 1.5 x the box, turned so that the eyes are level."""
        right, left = self.points[_RIGHT_EYE], self.points[_LEFT_EYE]
        angle = math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))
        side = 1.5 * max(self.box.width, self.box.height)
        return Square(self.box.x + self.box.width / 2, self.box.y + self.box.height / 2, side, angle)


def anchors(size: int, grids: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """Centres of the anchors in input pixels, n x 2. grids: (cells along a side, anchors per cell) in output order."""
    rows = []
    for cells, each in grids:
        centres = (np.arange(cells, dtype=np.float32) + 0.5) * (size / cells)
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(grid, each, axis=0))
    return np.concatenate(rows)


class FaceDetector:
    """One BlazeFace network. Raises ModelError from the network it is given at construction."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.size = int(network.input.shape[1])
        count = int(network.outputs[0].shape[1])
        # 896 anchors: strides 8, 16, 16, 16 with two each; 2304: stride 4 with one.
        grids = ((16, 2), (8, 6)) if count == 896 else ((48, 1),)
        self._anchors = anchors(self.size, grids)
        self._small = np.empty((self.size, self.size, 3), np.uint8)
        boxes_first = network.outputs[0].shape[2] == 16
        self._boxes = network.outputs[0 if boxes_first else 1][0]
        self._scores = network.outputs[1 if boxes_first else 0][0, :, 0]

    def detect(self, image: Image, minimum_score: float) -> list[Detection]:
        """Faces in a BGR image, best first."""
        height, width = image.shape[:2]
        scale = self.size / max(height, width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = (self.size - rows) // 2, (self.size - columns) // 2
        # Thinning first keeps a large picture from costing more than a small one.
        step = max(1, int(1 / scale / 2))
        if step > 1:
            image = image[: height // step * step, : width // step * step]
            image = cv2.resize(image, (width // step, height // step), interpolation=cv2.INTER_NEAREST)  # type: ignore[assignment]
        part = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
        if rows < self.size or columns < self.size:
            self._small[:] = 0
        cv2.cvtColor(part, cv2.COLOR_BGR2RGB, dst=part)
        self._small[top : top + rows, left : left + columns] = part
        pixels = self.network.input[0]
        np.copyto(pixels, self._small)
        pixels *= np.float32(1 / 127.5)
        pixels -= 1
        self.network.run()
        inside = 0 < minimum_score < 1
        bound = (
            math.log(minimum_score / (1 - minimum_score)) if inside else math.copysign(math.inf, minimum_score - 0.5)
        )
        chosen = np.flatnonzero(self._scores >= bound)
        if not chosen.size:
            return []
        scores = (1 / (1 + np.exp(-np.clip(self._scores[chosen], -80, 80)))).astype(np.float32)
        raw = self._boxes[chosen]
        centres = self._anchors[chosen]
        points = raw[:, 4:16].reshape(-1, 6, 2) + centres[:, None]
        middle = raw[:, :2] + centres
        boxes = np.concatenate([middle - raw[:, 2:4] / 2, middle + raw[:, 2:4] / 2], axis=1)
        shift = np.array([left, top], np.float32)
        return [
            Detection(
                Box(
                    float(box[0] - left) / scale,
                    float(box[1] - top) / scale,
                    float(box[2] - box[0]) / scale,
                    float(box[3] - box[1]) / scale,
                ),
                score,
                (face - shift) / scale,
            )
            for box, face, score in _merge(boxes, points, scores)
        ]


def _merge(
    boxes: NDArray[np.float32], points: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32], float]]:
    """Weighted non-maximum suppression: overlapping boxes are averaged by score, as BlazeFace's authors do."""
    left = np.argsort(-scores)
    merged = []
    while left.size:
        best = left[0]
        same = _overlap(boxes[best], boxes[left]) > _OVERLAP
        group = left[same]
        weights = scores[group] / scores[group].sum()
        merged.append(
            (
                (boxes[group] * weights[:, None]).sum(axis=0),
                (points[group] * weights[:, None, None]).sum(axis=0),
                float(scores[best]),
            )
        )
        left = left[~same] if same.any() else left[1:]
    return merged


def _overlap(one: NDArray[np.float32], many: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of a box with boxes, as left, top, right, bottom."""
    width = np.minimum(one[2], many[:, 2]) - np.maximum(one[0], many[:, 0])
    height = np.minimum(one[3], many[:, 3]) - np.maximum(one[1], many[:, 1])
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    area = (one[2] - one[0]) * (one[3] - one[1]) + (many[:, 2] - many[:, 0]) * (many[:, 3] - many[:, 1])
    result: NDArray[np.float32] = shared / np.maximum(area - shared, 1e-6)
    return result
