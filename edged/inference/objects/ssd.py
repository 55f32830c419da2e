"""SSD and EfficientDet whose post-processing is in the model: boxes, classes, scores and their number come out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import ModelCorrupt
from edged.inference.crops import Image
from edged.inference.litert import Network
from edged.inference.objects.detector import Sighting, merged
from edged.observations import Box


class Ssd:
    """One such model: Coral-compiled ones, too. Raises ModelCorrupt where its outputs are not those four."""

    def __init__(self, network: Network, labels: Sequence[str]) -> None:
        self.network = network
        self.labels = labels
        self._height, self._width = network.input.shape[1:3]
        self._small = np.empty((self._height, self._width, 3), np.uint8)
        boxes = [index for index, one in enumerate(network.outputs) if one.ndim == 3 and one.shape[-1] == 4]
        counts = [index for index, one in enumerate(network.outputs) if one.size == 1 and one.ndim == 1]
        lists = [index for index, one in enumerate(network.outputs) if one.ndim == 2 and index not in counts]
        if len(boxes) != 1 or len(lists) != 2 or any(one.dtype != np.float32 for one in network.outputs):
            raise ModelCorrupt(
                network.name,
                "its outputs are not boxes, classes, scores and their number",
                "check inference.objects.file",
            )
        self._boxes = network.outputs[boxes[0]][0]
        self._lists = (network.outputs[lists[0]][0], network.outputs[lists[1]][0])
        self._count = network.outputs[counts[0]] if counts else None

    def detect(self, image: Image, wanted: Collection[str], minimum_score: float) -> list[Sighting]:
        height, width = image.shape[:2]
        smaller = max(height / self._height, width / self._width) > 2
        cv2.resize(
            image,
            (self._width, self._height),
            dst=self._small,
            interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
        )
        cv2.cvtColor(self._small, cv2.COLOR_BGR2RGB, dst=self._small)
        self._write(self._small)
        self.network.run()
        count = len(self._boxes) if self._count is None else max(0, min(len(self._boxes), int(self._count[0])))
        # Converters of different years put them in different orders; only scores are no whole numbers.
        classes, scores = (one[:count] for one in self._lists)
        if (classes % 1).any():
            classes, scores = scores, classes
        found: list[Sighting] = []
        for number in sorted({int(one) for one in classes}):
            label = self.labels[number] if 0 <= number < len(self.labels) else ""
            chosen = np.flatnonzero((classes == number) & (scores >= minimum_score))
            if not label or label not in wanted or not chosen.size:
                continue
            top, left, bottom, right = (self._boxes[chosen].T * [[height], [width], [height], [width]]).tolist()
            boxes = np.array([left, top, np.subtract(right, left), np.subtract(bottom, top)], np.float32).T
            found += [
                Sighting(label, float(scores[chosen][row]), Box(*boxes[row].tolist()))
                for row in merged(boxes, scores[chosen], minimum_score)
            ]
        return sorted(found, key=lambda one: -one.score)

    def _write(self, pixels: NDArray[np.uint8]) -> None:
        """uint8 as they are, int8 shifted, floats -1..1: what TensorFlow's detection models were trained with."""
        target = self.network.input[0]
        if target.dtype == np.uint8:
            np.copyto(target, pixels)
        elif target.dtype == np.int8:
            np.copyto(target, pixels.astype(np.int16) - 128, casting="unsafe")
        else:
            np.copyto(target, pixels)
            target *= np.float32(1 / 127.5)
            target -= np.float32(1)
