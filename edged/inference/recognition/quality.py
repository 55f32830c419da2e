"""Whether a picture of a face is worth embedding: size, sharpness, light, pose, lids, and whether something covers it.

The limits were measured on 59 portraits: blurred by a Gaussian of 1.5 pixels (at 112 x 112) they fall to a median
sharpness of 28 and keep a cosine of 0.89 to themselves, by 2 pixels to 15 and 0.76. Covered eyes or mouths showed at
most 0.02 of the edges that lie across them, uncovered ones 0.08 and more for all but the last twentieth.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image
from edged.observations import Face

_GOOD_EYE_PIXELS = 40.0
_BLURRED, _SHARP = 12.0, 70.0
_DARK, _BRIGHT, _FLAT = (20.0, 50.0), (245.0, 225.0), (6.0, 16.0)
_TURNED_YAW, _TURNED_PITCH = (48.0, 22.0), (40.0, 22.0)
_SHUT_ASPECT_RATIO = (0.08, 0.14)
_COVERED = (0.025, 0.06)
# Where eyes and mouth lie in the aligned picture: left, right, top, bottom.
_PARTS = {"the right eye": (30, 47, 40, 60), "the left eye": (65, 82, 40, 60), "the mouth": (42, 70, 80, 104)}
_INSIDE = (slice(20, 104), slice(20, 92))


class Quality(NamedTuple):
    """score: 0..1. reason: what is wrong with it most, and the cure; empty if nothing is."""

    score: float
    reason: str = ""


def quality(aligned: Image, points: NDArray[np.float64], face: Face | None, least_eye_pixels: float) -> Quality:
    """Of an aligned BGR face. points: the five in the frame; face: what the measures say, where they ran."""
    eyes = float(np.linalg.norm(points[1] - points[0]))
    grey = np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), np.uint8)
    inner = grey[_INSIDE]
    mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(inner))
    sharpness = float(cv2.meanStdDev(cv2.Laplacian(inner, cv2.CV_32F))[1][0, 0]) ** 2
    found = [
        (
            _ramp(eyes, (least_eye_pixels - 1e-6, max(_GOOD_EYE_PIXELS, least_eye_pixels))) * 0.6 + 0.4
            if eyes >= least_eye_pixels
            else 0.0,
            f"too small: {eyes:.0f} pixels between the eyes, {least_eye_pixels:.0f} are needed (come nearer)",
        ),
        (_ramp(mean, _DARK), "too dark (more light on the face)"),
        (_ramp(mean, _BRIGHT), "too bright (less light on the face)"),
        (_ramp(spread, _FLAT), "without contrast (another light)"),
        (_ramp(sharpness, (_BLURRED, _SHARP)), "blurred (keep still, more light, clean the lens)"),
        *_of_measures(face),
        *_covered(grey, spread),
    ]
    score = 1.0
    for factor, _ in found:
        score *= factor
    worst, reason = min(found, key=lambda one: one[0])
    return Quality(round(score, 3), reason if worst < 1 else "")


def _of_measures(face: Face | None) -> list[tuple[float, str]]:
    if face is None:
        return []
    found = []
    if face.yaw_degrees is not None and face.pitch_degrees is not None:
        found += [
            (_ramp(abs(face.yaw_degrees), _TURNED_YAW), f"turned aside by {abs(face.yaw_degrees):.0f}° (face the camera)"),
            (_ramp(abs(face.pitch_degrees), _TURNED_PITCH), f"tilted by {abs(face.pitch_degrees):.0f}° (face the camera)"),
        ]  # fmt: skip
    if face.eye_aspect_ratio is not None:
        found.append((_ramp(max(face.eye_aspect_ratio), _SHUT_ASPECT_RATIO), "the eyes are shut"))
    return found


def _covered(grey: Image, spread: float) -> list[tuple[float, str]]:
    """Lids, brows and lips are edges that lie across; a hand or a scarf has none where they should be."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 2).astype(np.float32)
    return [
        (
            _ramp(float(np.abs(np.diff(smooth[top:bottom, left:right], axis=0)).mean()) / max(spread, 1.0), _COVERED),
            f"something covers {name}",
        )
        for name, (left, right, top, bottom) in _PARTS.items()
    ]


def _ramp(value: float, limits: tuple[float, float]) -> float:
    """0 at the first limit and beyond, 1 at the second and beyond."""
    none, full = limits
    return min(1.0, max(0.0, (value - none) / (full - none)))
