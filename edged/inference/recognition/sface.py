"""SFace (Zhong et al., "SFace: Sigmoid-constrained hypersphere loss for robust face recognition", 2021) through OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edged.errors import ModelCorrupt
from edged.inference.crops import Image
from edged.inference.recognition.vectors import LENGTH, Vector


class SFaceEmbedding:
    """`cv2.FaceRecognizerSF`; faces come aligned, so its own alignment, which wants another detector's points, is not asked."""

    def __init__(self, path: Path, name: str) -> None:
        self.invocations = 0
        try:
            self._recognizer = cv2.FaceRecognizerSF.create(str(path), "")
            found = self._recognizer.feature(np.zeros((112, 112, 3), np.uint8))
        except cv2.error as error:
            raise ModelCorrupt(name, f"OpenCV refuses it: {str(error.err).strip() or error.code}") from None
        if found.size != LENGTH:
            raise ModelCorrupt(name, f"gives {found.size} numbers and must give {LENGTH}")

    def run(self, aligned: Image) -> Vector:
        self.invocations += 1
        # OpenCV gives its own buffer, which the next call writes over.
        return np.array(self._recognizer.feature(aligned), np.float32).reshape(LENGTH)
