"""What a face wears, said by classifiers that the user names: a mask, glasses, a hat. No classifier, no word.

The registry has none: none of the files we know has both a licence that allows any use and errors that could be
measured here. So whoever has one names it, and its answer is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.crops import Cutter, Image, Square
from edged.inference.finder import FoundFace
from edged.inference.litert import Network
from edged.inference.objects.yolox import real
from edged.inference.stages import Surroundings
from edged.observations import Box, Face
from edged.settings import InferenceSettings

_MARGIN = 1.6  # the square's side over the face's longer side: hats are above it


class Classifier:
    """A TFLite network: a square around the head in, one probability out.

    Input: 1 x n x n x 3 RGB, uint8 as it is, int8 less 128, or floats 0..1. Output: one value, the probability, or two,
    for absent and present, as probabilities or logits. Raises ModelMissing, ModelCorrupt.
    """

    def __init__(self, path: Path, setting: str, threads: int) -> None:
        cure = f"check {setting}"
        if not path.is_file():
            raise ModelMissing(path.name, f"is not at {path}", cure)
        self.network = Network(path, threads=threads, quantised=True, cure=cure)
        shape = self.network.input.shape
        if len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] != 3:
            raise ModelCorrupt(path.name, f"its input is {shape} where 1 x n x n x 3 was agreed", cure)
        if self.network.outputs[0].size not in (1, 2):
            raise ModelCorrupt(
                path.name, f"it says {self.network.outputs[0].size} values where 1 or 2 were agreed", cure
            )
        self._cutter = Cutter(int(shape[1]))

    def ask(self, image: Image, box: Box) -> float:
        """0..1, of the face in this box of a BGR image."""
        square = Square(
            box.x + box.width / 2, box.y + box.height / 2 - 0.1 * box.height, _MARGIN * max(box.width, box.height), 0.0
        )
        pixels = self._cutter.cut(image, square)
        target = self.network.input[0]
        if target.dtype == np.float32:
            self._cutter.fill(self.network.input)
        elif target.dtype == np.uint8:
            np.copyto(target, pixels)
        else:
            np.copyto(target, pixels.astype(np.int16) - 128, casting="unsafe")
        self.network.run()
        said = real(self.network.outputs[0], self.network.output_quantisations[0]).ravel().astype(np.float64)
        if said.size == 1:
            return float(np.clip(said[0], 0, 1))
        if said.min() >= 0 and abs(said.sum() - 1) < 0.05:
            return float(np.clip(said[1], 0, 1))
        return float(1 / (1 + np.exp(np.clip(said[0] - said[1], -60, 60))))


class AttributeStage:
    """Asks all classifiers about one face a frame: the one that has waited for longest."""

    name = "attributes"

    def __init__(self, settings: InferenceSettings, surroundings: Surroundings) -> None:
        self._settings = settings.attributes
        self._asked_at: dict[int, float] = {}
        self._classifiers: dict[str, Classifier] = {}
        self.missing_models: list[str] = []
        self.warnings: list[str] = []
        wanted = self._settings
        for name, file in (("mask", wanted.mask_file), ("glasses", wanted.glasses_file), ("hat", wanted.hat_file)):
            if file is None:
                continue
            try:
                self._classifiers[name] = Classifier(file, f"inference.attributes.{name}_file", settings.threads)
            except (ModelMissing, ModelCorrupt) as error:
                self.warnings.append(str(error))  # a file of one's own: none that could be pulled

    @property
    def running(self) -> bool:
        return bool(self._classifiers)

    def adopt(self, settings: InferenceSettings) -> None:
        self._settings = settings.attributes

    def invocations(self) -> dict[str, int]:
        return {name: one.network.invocations for name, one in self._classifiers.items()}

    def close(self) -> None:
        self._classifiers.clear()

    def look(
        self, image: Image, faces: Sequence[FoundFace], measured: Mapping[int, Face], at_seconds: float
    ) -> dict[int, dict[str, float]]:
        here = {face.track for face in faces}
        self._asked_at = {track: at for track, at in self._asked_at.items() if track in here and at <= at_seconds}
        face = min(faces, key=lambda one: self._asked_at.get(one.track, -1e9))
        if at_seconds - self._asked_at.get(face.track, -1e9) < self._settings.interval_seconds:
            return {}
        self._asked_at[face.track] = at_seconds
        return {face.track: {name: round(one.ask(image, face.box), 4) for name, one in self._classifiers.items()}}
