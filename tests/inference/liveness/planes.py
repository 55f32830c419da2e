"""Still pictures of a face that turn before a camera, as a print in somebody's hand does; and a head of nothing flat."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image


def rotation(yaw_degrees: float, pitch_degrees: float) -> NDArray[np.float64]:
    turned, _ = cv2.Rodrigues(np.array([0, math.radians(yaw_degrees), 0]))
    tipped, _ = cv2.Rodrigues(np.array([math.radians(pitch_degrees), 0, 0]))
    return np.asarray(turned @ tipped, np.float64)


def held_print(picture: Image, frames: int, degrees: float = 35.0) -> Iterator[Image]:
    """The picture as a sheet that is turned to and fro, at 30 frames a second, seen by a pinhole camera."""
    height, width = picture.shape[:2]
    focal = 1.2 * max(height, width)
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * [width / 2, height / 2, 1]
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    for frame in range(frames):
        at = frame / 30
        turned = corners @ rotation(degrees * math.sin(2 * at), 0.6 * degrees * math.sin(1.5 * at + 1)).T
        depth = turned[:, 2:] + focal * (1.1 + 0.1 * math.sin(at))
        seen = (turned[:, :2] / depth * focal + [width / 2, height / 2]).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(flat, seen)
        yield cv2.warpPerspective(picture, matrix, (width, height), borderValue=(120, 120, 120))  # type: ignore[misc]
