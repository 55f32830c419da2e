"""The motion gate: is anything happening, and was there a cut? Cheap enough for every frame of an empty scene."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image

_COLUMNS, _ROWS = 20, 15
_CUT_CORRELATION = 0.6  # structure that correlates less than this with the frame before is another scene
_CUT_LEVELS = 12.0  # and it must differ by this much on average, so that noise in the dark is no cut
_ADAPT_SECONDS = 3.0  # the reference follows the light with this time constant


class MotionGate:
    """Compares patches of brightness with a slowly following reference.

    Each of 20 x 15 patches is the mean of samples of the green channel, so sensor noise averages out while a person
    entering changes whole patches.
    """

    def __init__(self, threshold_levels: float) -> None:
        self.threshold_levels = threshold_levels
        self._reference: NDArray[np.float32] | None = None
        self._before: NDArray[np.float32] | None = None
        self._at = 0.0

    def look(self, image: Image, at_seconds: float) -> tuple[bool, bool]:
        """(something moves, the scene was cut) for a BGR frame at this stream time."""
        height, width = image.shape[:2]
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
        share = min(1.0, max(0.0, at_seconds - self._at) / _ADAPT_SECONDS)
        self._at = at_seconds
        cv2.accumulateWeighted(patches, reference, share)
        if not moves or cv2.norm(patches, before, cv2.NORM_L1) < _CUT_LEVELS * patches.size:
            return moves, False
        one, two = patches - patches.mean(), before - before.mean()
        norm = float(np.sqrt((one * one).sum() * (two * two).sum()))
        cut = norm > 0 and float((one * two).sum()) / norm < _CUT_CORRELATION
        if cut:
            self._reference = patches.copy()
        return True, cut
