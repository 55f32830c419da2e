"""YOLOX (Ge et al. 2021): a letterboxed picture in, one row for each cell of three grids out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image
from edged.inference.litert import Network, Quantisation
from edged.inference.objects.detector import Sighting, merged
from edged.observations import Box

_STRIDES = (8, 16, 32)
_GREY = 114  # what the network was trained to find beside a picture that is not square


def cells(height: int, width: int) -> int:
    """How many rows the output of a YOLOX with this input has."""
    return sum((height // stride) * (width // stride) for stride in _STRIDES)


class Yolox:
    """Any YOLOX with raw outputs, of any size, planes first or last, in floats or integers."""

    def __init__(self, network: Network, labels: Sequence[str]) -> None:
        self.network = network
        self.labels = labels
        self._planes_first = network.input.shape[1] == 3
        shape = network.input.shape
        self._height, self._width = (shape[2], shape[3]) if self._planes_first else (shape[1], shape[2])
        self._canvas = np.empty((self._height, self._width, 3), np.uint8)
        corners, strides = [], []
        for stride in _STRIDES:
            rows, columns = self._height // stride, self._width // stride
            corners.append(np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2))
            strides.append(np.full((rows * columns, 1), stride))
        self._corners = np.concatenate(corners).astype(np.float32)
        self._strides = np.concatenate(strides).astype(np.float32)

    def detect(self, image: Image, wanted: Collection[str], minimum_score: float) -> list[Sighting]:
        scale = self._show(image)
        self.network.run()
        rows = real(self.network.outputs[0][0], self.network.output_quantisations[0])
        found: list[Sighting] = []
        # Objectness bounds every class's score: most cells need no closer look.
        likely = np.flatnonzero(rows[:, 4] >= minimum_score)
        # A cell is what it is most of all: a mug in a hand is a little like a phone, too.
        kinds = rows[likely, 5:].argmax(axis=1)
        for number, label in enumerate(self.labels):
            if label not in wanted:
                continue
            own = likely[kinds == number]
            scores = rows[own, 4] * rows[own, 5 + number]
            chosen, scores = own[scores >= minimum_score], scores[scores >= minimum_score]
            if not chosen.size:
                continue
            middles = (rows[chosen, :2] + self._corners[chosen]) * self._strides[chosen]
            # A cell that means nothing may say any size; none is larger than the picture.
            sides: NDArray[np.float32] = np.exp(np.minimum(rows[chosen, 2:4], 10)) * self._strides[chosen]
            boxes = (np.concatenate([middles - sides / 2, sides], axis=1) / scale).astype(np.float32, copy=False)
            found += [
                Sighting(label, float(scores[row]), Box(*boxes[row].tolist()))
                for row in merged(boxes, scores, minimum_score)
            ]
        return sorted(found, key=lambda one: -one.score)

    def _show(self, image: Image) -> float:
        """Write the picture into the input, in its upper left corner; returns by how much it was scaled."""
        height, width = image.shape[:2]
        scale: float = min(self._height / height, self._width / width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        shrinking = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        cv2.resize(image, (columns, rows), dst=self._canvas[:rows, :columns], interpolation=shrinking)
        self._canvas[rows:] = _GREY
        self._canvas[:rows, columns:] = _GREY
        pixels = self._canvas.transpose(2, 0, 1) if self._planes_first else self._canvas
        write(self.network, pixels)
        return scale


def write(network: Network, values: NDArray[np.uint8] | NDArray[np.float32]) -> None:
    """Write real values into a network's input, as its type wants them."""
    kind = network.input.dtype
    if kind == np.float32:
        np.copyto(network.input[0], values)
        return
    scale, zero_point = network.input_quantisation
    limits = np.iinfo(kind)
    stood_for = np.rint(values.astype(np.float32) / np.float32(scale or 1)) + zero_point
    np.copyto(network.input[0], np.clip(stood_for, limits.min, limits.max), casting="unsafe")


def real(values: NDArray[np.generic], quantisation: Quantisation) -> NDArray[np.float32]:
    """What the numbers of an output stand for."""
    if values.dtype == np.float32:
        return values  # type: ignore[return-value]
    return (values.astype(np.float32) - quantisation.zero_point) * np.float32(quantisation.scale or 1)
