"""A face as embedding networks want it: five points laid on a template, 112 x 112.

Template: the usual one of ArcFace (Deng et al. 2019): the eyes of the sitter's right and left, the nose's tip, the
corners of the mouth, right and left. Fit: Umeyama, "Least-squares estimation of transformation parameters between two
point patterns" (1991).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image
from edged.inference.face_mesh import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from edged.inference.finder import FoundFace

SIZE = 112
_TEMPLATE = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)], np.float64)
_NOSE_TIP, _MOUTH_RIGHT, _MOUTH_LEFT = 1, 61, 291
TEMPLATE_EYE_PIXELS = float(np.linalg.norm(_TEMPLATE[1] - _TEMPLATE[0]))


def five_points(face: FoundFace) -> NDArray[np.float64] | None:
    """Where the template's points are in the frame (5 x 2); None without a mesh. Irises beat the corners' middle."""
    if face.mesh is None:
        return None
    mesh = face.mesh.points[:, :2].astype(np.float64)
    right = mesh[list(RIGHT_EYE_CORNERS)].mean(axis=0) if face.right_eye is None else face.right_eye.iris[0]
    left = mesh[list(LEFT_EYE_CORNERS)].mean(axis=0) if face.left_eye is None else face.left_eye.iris[0]
    return np.array([right, left, mesh[_NOSE_TIP], mesh[_MOUTH_RIGHT], mesh[_MOUTH_LEFT]], np.float64)


def to_template(points: NDArray[np.float64], *, turn_upright: bool = True) -> NDArray[np.float64]:
    """The affine matrix (2 x 3) from the frame to the template: scale, shift and, unless switched off, a turn."""
    found, wanted = points - points.mean(axis=0), _TEMPLATE - _TEMPLATE.mean(axis=0)
    # In two dimensions the best turn and scale are one complex number.
    along = float((found * wanted).sum())
    across = float((found[:, 0] * wanted[:, 1] - found[:, 1] * wanted[:, 0]).sum())
    spread = max(1e-9, float((found**2).sum()))
    if turn_upright:
        cosine, sine = along / spread, across / spread
    else:
        cosine, sine = math.hypot(along, across) / spread, 0.0
    linear = np.array([[cosine, -sine], [sine, cosine]])
    shift = _TEMPLATE.mean(axis=0) - linear @ points.mean(axis=0)
    return np.hstack([linear, shift[:, None]])


def align(image: Image, points: NDArray[np.float64], *, turn_upright: bool = True) -> Image:
    """The face, BGR, 112 x 112. Large faces are thinned with the template's own grain, against aliasing."""
    matrix = to_template(points, turn_upright=turn_upright)
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    shrink = max(1, int(0.5 / max(1e-6, scale)))
    if shrink > 1:
        # Only the part that is needed, averaged down; warping alone would pick single pixels.
        corners = cv2.transform(
            np.array([[[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]]], np.float64), cv2.invertAffineTransform(matrix)
        )[0]
        height, width = image.shape[:2]
        left, top = (max(0, int(value)) for value in corners.min(axis=0))
        right, bottom = min(width, int(corners[:, 0].max()) + 1), min(height, int(corners[:, 1].max()) + 1)
        if right - left >= shrink and bottom - top >= shrink:
            size = ((right - left) // shrink, (bottom - top) // shrink)
            part = image[top : top + size[1] * shrink, left : left + size[0] * shrink]
            image = cv2.resize(part, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
            # Middles of pixels: the average of `shrink` pixels stands half a block further on.
            offset = np.array([left, top]) + (shrink - 1) / 2
            matrix = np.hstack([matrix[:, :2] * shrink, (matrix[:, :2] @ offset + matrix[:, 2])[:, None]])
    return cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]
