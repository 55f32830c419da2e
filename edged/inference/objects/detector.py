"""The contract of object detectors, and what they share: names of classes, and which box is which thing."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import ModelCorrupt
from edged.inference.crops import Image
from edged.inference.litert import Network
from edged.observations import Box

_SAME_OVERLAP = 0.45  # intersection over union from which two boxes of one class are one thing
# The 80 classes of COCO in the order in which YOLOX and its kin number them.
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
# The 90 numbers of COCO's annotations, of which ten were never given to anything: SSD and EfficientDet count so.
_NEVER_GIVEN = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82)


class Sighting(NamedTuple):
    """One thing in a picture that was shown to a detector. box: in that picture's pixels; score: 0..1."""

    label: str
    score: float
    box: Box


class ObjectDetector(Protocol):
    """One loaded model. labels: by class number; an empty name is a class that means nothing."""

    network: Network
    labels: Sequence[str]

    def detect(self, image: Image, wanted: Collection[str], minimum_score: float) -> list[Sighting]:
        """What a BGR picture of any size shows of the wanted classes, best first, one box for each thing."""


def coco_of_90() -> tuple[str, ...]:
    """COCO's names by annotation number less one."""
    names = iter(COCO)
    return tuple("" if number in _NEVER_GIVEN else next(names) for number in range(90))


def labels_of(path: Path, labels_file: Path | None) -> tuple[str, ...] | None:
    """Names of classes from a labels file, else from the model's own metadata; None: neither has them.

    TFLite metadata packs files behind the model as a zip archive. Raises ModelCorrupt for a file that cannot be read.
    """
    if labels_file is not None:
        try:
            return _lines(labels_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise ModelCorrupt(
                str(labels_file), f"cannot be read: {reason}", "check inference.objects.labels_file"
            ) from None
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [name for name in archive.namelist() if name.endswith(".txt")]
            likely = sorted(texts, key=lambda name: "label" not in name.lower())
            return _lines(archive.read(likely[0]).decode("utf-8")) if likely else None
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ModelCorrupt(
            path.name, f"its metadata are damaged: {error}", "set inference.objects.labels_file"
        ) from None


def _lines(text: str) -> tuple[str, ...]:
    # A line of question marks is how label maps mark a number that was never given.
    return tuple("" if set(line.strip()) <= {"?"} else line.strip() for line in text.rstrip().splitlines())


def merged(boxes: NDArray[np.float32], scores: NDArray[np.float32], minimum_score: float) -> list[int]:
    """Rows to keep of the boxes (left, top, width, height) of one class: the best of those that overlap."""
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), minimum_score, _SAME_OVERLAP)
    return [int(row) for row in np.asarray(kept).ravel()]
