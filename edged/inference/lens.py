"""Is the lens covered? A hand, a cap, a sticker or a jacket leaves no edge in the picture, whatever its colour.

A dark room leaves none either: a camera cannot tell the two apart, and both mean that it sees nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.stages import Surroundings
from edged.settings import InferenceSettings

_COLUMNS, _ROWS = 80, 60  # each point is the mean of many pixels, so that noise in the dark makes no edges
_SAMPLES = 8  # along a side, for each point; a larger picture is thinned first
_EDGE_LEVELS = 4.0  # by which a point differs from the mean of its neighbours; light that falls off slowly does not


def detail(image: Image) -> float:
    """Which share of a BGR picture shows an edge or a line, 0..1."""
    height, width = image.shape[:2]
    down, right = max(1, height // (_SAMPLES * _ROWS)), max(1, width // (_SAMPLES * _COLUMNS))
    samples = np.ascontiguousarray(image[::down, ::right, 1])
    small = cv2.resize(samples, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    # Four times the difference from the mean of the four neighbours.
    bend = np.abs(cv2.Laplacian(small, cv2.CV_16S))
    return float((bend > 4 * _EDGE_LEVELS).mean())


class LensStage:
    """Looks now and then, and not at all while a face is in view: who sees one is not covered."""

    name = "lens"

    def __init__(self, settings: InferenceSettings, surroundings: Surroundings) -> None:
        self._settings = settings.lens
        self._looked_at = -1e9
        self.missing_models: list[str] = []
        self.warnings: list[str] = []

    @property
    def running(self) -> bool:
        return self._settings.enabled

    def adopt(self, settings: InferenceSettings) -> None:
        self._settings = settings.lens

    def invocations(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """Holds nothing."""

    def look(self, image: Image, faces: Sequence[FoundFace], at_seconds: float, moves: bool) -> bool | None:
        if 0 <= at_seconds - self._looked_at < self._settings.interval_seconds:
            return None
        self._looked_at = at_seconds
        return not faces and detail(image) < self._settings.least_detail
