"""Where the eyes point relative to the camera, from the iris's place between the eye corners and the head pose.

Model: the iris centre turns on a sphere of radius r around a point that lies d in front of (or, negative, behind)
the middle of the eye corners, W apart. Seen from the camera under a head yaw h, an iris at offset o (in apparent eye
widths W cos h) stands at o W cos h = r sin g + d sin h, where g is the gaze relative to the camera: the head's turn
enters only through d. The same holds for pitch, with the height of the iris above the corner line at rest. W/r is
anatomy (a palpebral fissure of about 30 mm, iris centres 10.5 mm from the eye's centre); d/r and the rest height were
fitted on clips in which the head turns while the eyes stay on the camera.
"""

from __future__ import annotations

import math

WIDTH_OVER_RADIUS = 2.86
DEPTH_OVER_RADIUS = -0.4
REST_HEIGHT = 0.06  # iris centre above the corner line when looking straight ahead, in eye widths
# The lids hide part of the iris, so its visible centre rises and sinks much less than the eye turns; but they go
# with the eye (Collewijn and others 1985: the upper lid follows vertical gaze), so the opening is a second witness.
HEIGHT_OVER_RADIUS = 7.0
LID_HEIGHT = 0.04  # eye widths of height that one whole opening stands for
PITCH_DEPTH_OVER_RADIUS = -0.4
_LOWEST_LID, _HIGHEST_LID = 0.5, 1.2


def gaze_yaw_degrees(offset_x: float, head_yaw_degrees: float) -> float:
    """Gaze yaw of one eye; offset_x in apparent eye widths towards the sitter's left."""
    yaw = math.radians(head_yaw_degrees)
    return _angle(WIDTH_OVER_RADIUS * math.cos(yaw) * offset_x - DEPTH_OVER_RADIUS * math.sin(yaw))


def gaze_pitch_degrees(offset_y: float, openness: float, head_pitch_degrees: float, head_yaw_degrees: float) -> float:
    """Gaze pitch of one eye; offset_y in apparent eye widths upwards, openness 0 shut .. 1 this person's own open."""
    lid = max(_LOWEST_LID, min(_HIGHEST_LID, openness)) - 1
    height = math.cos(math.radians(head_yaw_degrees)) * (offset_y - REST_HEIGHT) + LID_HEIGHT * lid
    return _angle(HEIGHT_OVER_RADIUS * height - PITCH_DEPTH_OVER_RADIUS * math.sin(math.radians(head_pitch_degrees)))


def _angle(sine: float) -> float:
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))
