"""Looking at single pictures and at a camera's frames, for enrolment and tests outside the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2

from edged.frames import FrameStamp
from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.models import ModelStore
from edged.inference.pipeline import Pipeline
from edged.observations import Face
from edged.settings import InferenceSettings
from edged.settings.liveness import LivenessSettings
from edged.settings.objects import ObjectSettings
from edged.settings.recognition import RecognitionSettings

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_MOST_FACES = 8


class Looked(NamedTuple):
    """A picture, its faces, and their measures by track."""

    image: Image
    faces: list[FoundFace]
    measured: dict[int, Face]


class Eyes:
    """The pipeline without its further stages: what is needed to judge and align faces. Close it afterwards.

    Raises ModelError, RuntimeMissing.
    """

    def __init__(self, settings: InferenceSettings, store: ModelStore) -> None:
        off: dict[str, object] = {"recognition": RecognitionSettings(), "liveness": LivenessSettings()}
        off |= {"objects": ObjectSettings(), "max_faces": _MOST_FACES}
        self._settings = settings.model_copy(update=off)
        self._store = store
        self._following = Pipeline(self._settings, store)
        self._frames = 0

    def close(self) -> None:
        """Release the networks."""
        self._following.close()

    def picture(self, image: Image) -> Looked:
        """Of a picture by itself: nothing is carried over from another."""
        pipeline = Pipeline(self._settings, self._store)
        try:
            return _look(pipeline, image, 1, 0.0)
        finally:
            pipeline.close()

    def frame(self, image: Image, at_seconds: float) -> Looked:
        """One of several that follow each other."""
        self._frames += 1
        return _look(self._following, image, self._frames, at_seconds)


def read_picture(path: Path) -> Image | None:
    """BGR, turned as its EXIF data asks; None for what is no picture, or cannot be read."""
    if not path.is_file():
        return None  # a pipe would be waited for
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:
        return None  # larger than OpenCV takes
    return image  # type: ignore[return-value]


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """These files, and the pictures in these folders, by name; a folder without any stands for itself."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.suffix.lower() in PICTURE_SUFFIXES)
            found += inside or [path]
        else:
            found.append(path)
    return found


def _look(pipeline: Pipeline, image: Image, number: int, at_seconds: float) -> Looked:
    height, width = image.shape[:2]
    stamp = FrameStamp(number, number, 0, 0, at_seconds * 1000, width, height)
    observation = pipeline.analyse(image, stamp)
    return Looked(image, pipeline.found, {face.track: face for face in observation.faces})
