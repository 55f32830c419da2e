"""The stage: when the picture is searched for things, and where it is looked at twice.

A round is a look at the whole picture and then, one on each of the next frames, at the upper bodies found: on a small
board each look takes longer than a blink, so no frame has to bear two. What a round found is told with its last look.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.objects.detector import ObjectDetector, Sighting
from edged.inference.objects.opening import label_problem, open_detector
from edged.inference.objects.upper_body import Window, joined, things, windows
from edged.inference.stages import Surroundings
from edged.observations import Box, Thing
from edged.settings import InferenceSettings

_PERSON = "person"
_ROUND_SECONDS = 2.0  # a round that could not be ended by then was of another scene


class ObjectStage:
    """Runs one object detector at its own cadence. Raises RuntimeMissing."""

    name = "objects"

    def __init__(self, settings: InferenceSettings, surroundings: Surroundings) -> None:
        self._store = surroundings.store
        self._settings = settings.objects
        self._detector: ObjectDetector | None = None
        self.missing_models: list[str] = []
        self.warnings: list[str] = []
        # When the last round began, in stream seconds, and what processor time it took so far.
        self._round_at, self._spent_seconds = -1e9, 0.0
        self._found: list[Sighting] = []
        self._todo: list[Window] = []
        self.adopt(settings)

    @property
    def running(self) -> bool:
        return self._detector is not None

    def adopt(self, settings: InferenceSettings) -> None:
        self._settings = settings.objects
        self._todo = []
        if not self._settings.enabled:
            self.close()
            self.missing_models, self.warnings = [], []
            return
        if self._detector is None and not self.missing_models and not self.warnings:
            wanted = self._settings
            try:
                self._detector = open_detector(settings, self._store)
            except (ModelMissing, ModelCorrupt) as error:
                # A file of one's own cannot be pulled, and a delegate is no model.
                absent = isinstance(error, ModelMissing)
                missing = wanted.file is None and (absent or error.cure == ModelCorrupt.CURE)
                self.missing_models = [wanted.model] if missing else []
                self.warnings = [] if missing and absent else [str(error)]
        if self._detector is not None:
            problem = label_problem(self._detector, self._settings.labels)
            self.warnings = [problem] if problem else []

    def invocations(self) -> dict[str, int]:
        return {self._detector.network.name: self._detector.network.invocations} if self._detector else {}

    def close(self) -> None:
        self._detector = None
        self._todo = []

    def look(
        self, image: Image, faces: Sequence[FoundFace], at_seconds: float, moves: bool
    ) -> tuple[Thing, ...] | None:
        """What a round found, on its last frame; None on all others."""
        assert self._detector is not None
        if self._todo and not 0 <= at_seconds - self._round_at < _ROUND_SECONDS:
            self._todo = []
        elif not self._todo and not self._due(at_seconds, busy=bool(faces) or moves):
            return None
        began = time.thread_time()
        height, width = image.shape[:2]
        if self._todo:
            self._look_again(self._detector, image, self._todo.pop(0))
        else:
            self._begin(self._detector, image, faces, at_seconds)
        self._spent_seconds += time.thread_time() - began
        if self._todo:
            return None
        wanted = [one for one in joined(self._found) if one.label in self._settings.labels]
        return things(wanted, faces, width, height)

    def _due(self, at: float, *, busy: bool) -> bool:
        interval = self._settings.interval_seconds if busy else self._settings.idle_seconds
        return not 0 <= at - self._round_at < max(interval, self._spent_seconds / self._settings.busy_fraction)

    def _begin(self, detector: ObjectDetector, image: Image, faces: Sequence[FoundFace], at: float) -> None:
        """Look at the whole picture."""
        self._round_at, self._spent_seconds = at, 0.0
        wanted = {*self._settings.labels, _PERSON}
        self._found = detector.detect(image, wanted, self._settings.score)
        people = [one.box for one in self._found if one.label == _PERSON]
        height, width = image.shape[:2]
        if set(self._settings.labels) != {_PERSON}:
            self._todo = windows(people, faces, width, height, self._settings.upper_bodies)

    def _look_again(self, detector: ObjectDetector, image: Image, window: Window) -> None:
        """Look at a part. People are not taken from it: it shows halves of them."""
        part = image[window.top : window.bottom, window.left : window.right]
        wanted = set(self._settings.labels) - {_PERSON}
        self._found += [
            Sighting(
                one.label,
                one.score,
                Box(one.box.x + window.left, one.box.y + window.top, one.box.width, one.box.height),
            )
            for one in detector.detect(part, wanted, self._settings.score)
        ]
