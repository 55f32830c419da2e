"""Head pose from the face mesh: the rotation that lays a rigid reference face on the found one.

Reference points: vertices of the canonical face model of google-ai-edge/mediapipe
(mediapipe/modules/face_geometry/data/canonical_face_model.obj, Apache-2.0), in centimetres, x to the viewer's right,
y up, z towards the viewer. Only parts that neither lids, brows, mouth nor jaw move. Fit: Umeyama, "Least-squares
estimation of transformation parameters between two point patterns" (1991), on the mesh's own three dimensions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_MIDDLE = {
    10: (0.0, 8.261778, 4.481535), 151: (0.0, 6.545390, 5.027311), 9: (0.0, 4.885979, 5.385258),
    8: (0.0, 4.019042, 5.284764), 168: (0.0, 3.271027, 5.236015), 6: (0.0, 2.473255, 5.788627),
    197: (0.0, 1.728369, 6.316750), 195: (0.0, 1.059413, 6.774605), 5: (0.0, 0.365669, 7.242870),
    4: (0.0, -0.463170, 7.586580), 1: (0.0, -1.126865, 7.475604), 2: (0.0, -2.089024, 6.058267),
}  # fmt: skip
# The sitter's right; the left one mirrors it.
_SIDES = {
    (33, 263): (4.445859, 2.663991, 3.173422), (133, 362): (1.856432, 2.585245, 3.757904),
    (127, 356): (7.743095, 2.364999, -2.005167), (234, 454): (7.664182, 0.673132, -2.435867),
    (54, 284): (6.279331, 6.615427, 1.425850), (103, 332): (4.538641, 6.319907, 3.683424),
    (67, 297): (3.523964, 8.005976, 3.729163), (109, 338): (1.891399, 8.236377, 4.274997),
    (48, 278): (1.608635, -0.942516, 5.814193), (116, 345): (6.465170, 0.937119, 1.689873),
    (123, 352): (6.338145, -0.529279, 1.881175), (93, 323): (7.542244, -1.049282, -2.431321),
}  # fmt: skip

_INDEX = np.array([*_MIDDLE, *(right for right, _ in _SIDES), *(left for _, left in _SIDES)])
_REFERENCE = np.array(
    [*_MIDDLE.values(), *((-x, y, z) for x, y, z in _SIDES.values()), *_SIDES.values()], dtype=np.float64
)
_REFERENCE -= _REFERENCE.mean(axis=0)
_REFERENCE_T = np.ascontiguousarray(_REFERENCE.T)
_FLIP = np.array([1.0, -1.0, -1.0])  # frame pixels (y down, z away) to the reference's axes


class HeadPose(NamedTuple):
    """Angles in degrees, signs as in `observations`: to the sitter's left, up, towards the left shoulder."""

    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float


def head_pose(points: NDArray[np.float32]) -> HeadPose:
    """Pose of a mesh (468 x 3, frame pixels) under weak perspective."""
    # The reference's mean is nought, so the found points' own mean drops out of the product.
    covariance = _REFERENCE_T @ points.take(_INDEX, axis=0)
    covariance *= _FLIP
    _, u, vt = cv2.SVDecomp(covariance)
    if (cv2.determinant(u) < 0) != (cv2.determinant(vt) < 0):
        vt[2] = -vt[2]
    rotation = (u @ vt).T.tolist()
    yaw = math.atan2(rotation[0][2], rotation[2][2])
    pitch = math.asin(max(-1.0, min(1.0, rotation[1][2])))
    roll = -math.atan2(rotation[1][0], rotation[1][1])
    return HeadPose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))
