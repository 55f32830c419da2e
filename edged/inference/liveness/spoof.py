"""Print, screen or flesh: the MiniFASNet of hairymax/Face-AntiSpoofing, through OpenCV's DNN module.

It was trained on CelebA-Spoof, with squares 1.5 times the face box of another detector, whose box takes in forehead,
ears and chin. Ours, around the mesh, is smaller, so that the same square is 1.8 times it (measured: at 1.5 the two
attacks of the test data pass; from 1.7 to 2.2 neither does; docs/liveness.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edged.errors import ModelCorrupt
from edged.inference.crops import Cutter, Image, Square
from edged.observations import Box

SIZE = 128
_MARGIN = 1.8  # the square's side over the longer side of the mesh's box


class Chances(NamedTuple):
    """Probabilities that sum to 1."""

    live: float
    printed: float
    replayed: float


class SpoofNet:
    """The loaded network. Raises ModelCorrupt where OpenCV refuses the file."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.invocations = 0
        self._cutter = Cutter(SIZE)
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
            # The first run plans memory and kernels; what it would complain about is known before a face is there.
            shape = self._ask(np.zeros((SIZE, SIZE, 3), np.uint8)).shape
        except cv2.error as error:
            raise ModelCorrupt(self.name, f"OpenCV refuses it: {error.err or 'unknown reason'}") from None
        if shape != (1, 3):
            raise ModelCorrupt(self.name, f"its output is {shape} where live, print and replay were agreed")

    def cut(self, image: Image, box: Box) -> Image:
        """What the network sees of a face in a BGR image: 128 x 128 RGB, black outside of the frame."""
        side = _MARGIN * max(box.width, box.height)
        # A cut keeps to the buffer until the next one.
        return self._cutter.cut(image, Square(box.x + box.width / 2, box.y + box.height / 2, side, 0.0))

    def ask(self, cut: Image) -> Chances:
        """What the network says of a cut."""
        self.invocations += 1
        logits = self._ask(cut)[0].astype(np.float64)
        weights = np.exp(logits - logits.max())
        live, printed, replayed = (weights / weights.sum()).tolist()
        return Chances(live, printed, replayed)

    def _ask(self, cut: Image) -> cv2.typing.MatLike:
        self._network.setInput(cv2.dnn.blobFromImage(cut, 1 / 255))
        return self._network.forward()


def sharpness(cut: Image) -> float:
    """How sharp an RGB cut is: the deviation of its Laplacian, in levels. Comparable for one face and one size only."""
    grey = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation[0][0])
