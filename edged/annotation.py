"""Drawing what was seen over the pictures it was seen in, for people who check with their own eyes."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import SourceError
from edged.events import Happening
from edged.observations import Face, Observation
from edged.wording import event_text

_GREEN, _YELLOW, _WHITE, _DARK = (90, 220, 90), (60, 220, 240), (255, 255, 255), (30, 30, 30)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHOWN_MS = 2000.0
_MOST_LINES = 5
# People read a picture of this height; smaller ones are enlarged before the writing goes on.
_COMFORTABLE_HEIGHT = 480


class AnnotatedVideo:
    """An MP4 of the analysed frames with boxes, figures, gaze arrows and events. Raises SourceError if unwritable."""

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self._path = path
        self._rate = frames_per_second
        self._writer: cv2.VideoWriter | None = None
        self._events: deque[tuple[float, str]] = deque(maxlen=_MOST_LINES)

    def add(self, image: NDArray[np.uint8], observation: Observation, happenings: tuple[Happening, ...]) -> None:
        """Write one frame (BGR, uint8, height x width x 3); the image itself is left alone."""
        scale = max(1.0, _COMFORTABLE_HEIGHT / image.shape[0])
        height, width = (round(side * scale) // 2 * 2 for side in image.shape[:2])
        drawn = cast("NDArray[np.uint8]", cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))
        for face in observation.faces:
            _draw_face(drawn, face, scale)
        self._events += [(observation.at_ms, event_text(one)) for one in happenings]
        shown = [text for at_ms, text in self._events if observation.at_ms - at_ms < _SHOWN_MS]
        for row, text in enumerate(reversed(shown)):
            _write(drawn, text, (12, height - 16 - 26 * row), _YELLOW)
        _write(drawn, f"frame {observation.frame}", (12, 26), _WHITE)
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._rate, (width, height))
            if not self._writer.isOpened():
                raise SourceError(str(self._path), "cannot be written as a video", "give a path ending in .mp4")
        self._writer.write(drawn)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


def _draw_face(drawn: NDArray[np.uint8], face: Face, scale: float) -> None:
    left, top = round(face.box.x * scale), round(face.box.y * scale)
    right, bottom = round((face.box.x + face.box.width) * scale), round((face.box.y + face.box.height) * scale)
    cv2.rectangle(drawn, (left, top), (right, bottom), _GREEN, 2, cv2.LINE_AA)
    words = [f"#{face.track}", face.zone or ""]
    if face.eye_openness is not None:
        words.append(f"eyes {face.eye_openness.left:.2f} {face.eye_openness.right:.2f}")
    if face.yaw_degrees is not None and face.pitch_degrees is not None:
        words.append(f"head {face.yaw_degrees:+.0f} {face.pitch_degrees:+.0f}")
    _write(drawn, "  ".join(word for word in words if word), (max(4, left), max(20, top - 8)), _GREEN)
    if face.shown_gaze_yaw_degrees is not None and face.shown_gaze_pitch_degrees is not None:
        # The arrow starts between the eyes, about four tenths down the face, and is as long as the gaze is turned.
        start = ((left + right) // 2, round(top + 0.4 * (bottom - top)))
        reach = (right - left) / 45
        end = (
            round(start[0] + reach * face.shown_gaze_yaw_degrees),
            round(start[1] - reach * face.shown_gaze_pitch_degrees),
        )
        cv2.arrowedLine(drawn, start, end, _YELLOW, 2, cv2.LINE_AA, tipLength=0.25)


def _write(drawn: NDArray[np.uint8], text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(drawn, text, place, _FONT, 0.55, _DARK, 4, cv2.LINE_AA)
    cv2.putText(drawn, text, place, _FONT, 0.55, colour, 1, cv2.LINE_AA)
