"""The motion gate: is anything happening, and was there a cut? Cheap enough for every frame of an empty scene."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image
from edged.observations import Box

_COLUMNS, _ROWS = 20, 15
_CUT_CORRELATION = 0.6  # structure that correlates less than this with the frame before is another scene
_CUT_LEVELS = 12.0  # and it must differ by this much on average, so that noise in the dark is no cut
_CUT_SHARE = 0.5  # and so much of the picture must change: somebody who sits down before the camera is no cut
_CHANGED_LEVELS = 6.0
_NOISE_SECONDS = 1.0  # the noise is thought to grow no faster than with this time constant
_NOISE_MEDIANS = 6.5  # four and a half deviations of the noise, as multiples of the median change
_ADAPT_SECONDS = 3.0  # the reference follows the light with this time constant
# A body is about this much wider than its face on either side, and hair this much higher; both move with it.
_BODY_WIDTHS, _HAIR_HEIGHTS = 1.0, 0.6


class MotionGate:
    """Compares patches of brightness with a slowly following reference.

    Each of 20 x 15 patches is the mean of samples of the green channel, so sensor noise averages out while a person
    entering changes whole patches. What is left of it, in the dark, is measured, and motion must rise above it:
    a person changes some of the patches and noise all, so the median change from frame to frame is noise.
    """

    def __init__(self, threshold_levels: float) -> None:
        self.threshold_levels = threshold_levels
        self._reference: NDArray[np.float32] | None = None
        self._before: NDArray[np.float32] | None = None
        self._noise = 0.0
        self._at = 0.0
        self._shape = (1, 1)

    def look(self, image: Image, at_seconds: float) -> tuple[bool, bool]:
        """(something moves, the scene was cut) for a BGR frame at this stream time."""
        height, width = self._shape = image.shape[:2]
        down, right = max(1, height // 60), max(1, width // 80)
        samples = np.ascontiguousarray(image[down // 2 :: down, right // 2 :: right, 1])
        patches = cv2.resize(samples, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
        before, reference = self._before, self._reference
        self._before = patches
        if before is None or reference is None:
            self._reference, self._at = patches.copy(), at_seconds
            return True, False
        # On arrays this small OpenCV's reductions cost a fifth of numpy's.
        moves = cv2.norm(patches, reference, cv2.NORM_INF) > self.threshold_levels
        elapsed = max(0.0, at_seconds - self._at)
        self._at = at_seconds
        if moves:
            moves = cv2.norm(patches, reference, cv2.NORM_INF) > _NOISE_MEDIANS * self._measured(
                patches, before, elapsed
            )
        cv2.accumulateWeighted(patches, reference, min(1.0, elapsed / _ADAPT_SECONDS))
        if not moves or cv2.norm(patches, before, cv2.NORM_L1) < _CUT_LEVELS * patches.size:
            return moves, False
        if float((np.abs(patches - before) > _CHANGED_LEVELS).mean()) < _CUT_SHARE:
            return True, False
        one, two = patches - patches.mean(), before - before.mean()
        norm = float(np.sqrt((one * one).sum() * (two * two).sum()))
        cut = norm > 0 and float((one * two).sum()) / norm < _CUT_CORRELATION
        if cut:
            self._reference = patches.copy()
        return True, cut

    def moves_beside(self, figures: Iterable[Box]) -> bool:
        """Whether the last frame moved anywhere but at these faces and the bodies below them (boxes in its pixels)."""
        if self._before is None or self._reference is None:
            return True
        change = cv2.absdiff(self._before, self._reference)
        height, width = self._shape
        for face in figures:
            left = (face.x - _BODY_WIDTHS * face.width) * _COLUMNS / width
            right = (face.x + (1 + _BODY_WIDTHS) * face.width) * _COLUMNS / width
            top = (face.y - _HAIR_HEIGHTS * face.height) * _ROWS / height
            change[max(0, int(top)) :, max(0, int(left)) : max(0, math.ceil(right))] = 0
        return bool(cv2.norm(change, cv2.NORM_INF) > max(self.threshold_levels, _NOISE_MEDIANS * self._noise))

    def _measured(self, patches: NDArray[np.float32], before: NDArray[np.float32], elapsed: float) -> float:
        """The median change of a patch by noise: followed at once downwards, and slowly upwards."""
        steps = cv2.absdiff(patches, before).ravel()
        steps.partition(steps.size // 2)
        median = float(steps[steps.size // 2])
        self._noise += (min(1.0, elapsed / _NOISE_SECONDS) if median > self._noise else 1.0) * (median - self._noise)
        return self._noise
