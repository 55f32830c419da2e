"""Drawing what was seen over the pictures it was seen in, for people who check with their own eyes."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import SourceError
from edged.events import Happening
from edged.observations import Face, Observation
from edged.wording import event_text

_GREEN, _YELLOW, _WHITE = (90, 220, 90), (60, 220, 240), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PLATE_LIGHT = 0.35  # how much of the picture shows through the plate that writing stands on
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
        self._size = (0, 0)
        self._events: deque[tuple[float, str]] = deque(maxlen=_MOST_LINES)

    def add(self, image: NDArray[np.uint8], observation: Observation, happenings: tuple[Happening, ...]) -> None:
        """Write one frame (BGR, uint8, height x width x 3); the image itself is left alone."""
        if self._writer is None:
            self._open(image)
        # A folder may hold pictures of several sizes; a video has one, and drops frames of any other.
        width, height = self._size
        drawn = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        pen = _Pen(drawn, width / image.shape[1], height / image.shape[0])
        for face in observation.faces:
            _draw_face(pen, face)
        self._events += [(observation.at_ms, event_text(one)) for one in happenings]
        shown = [text for at_ms, text in self._events if 0 <= observation.at_ms - at_ms < _SHOWN_MS]
        for row, text in enumerate(reversed(shown)):
            pen.write(text, pen.margin, height - pen.margin - round(1.25 * pen.line * row), _YELLOW)
        pen.write(f"frame {observation.frame}", pen.margin, pen.margin + pen.line, _WHITE)
        assert self._writer is not None
        self._writer.write(drawn)

    def _open(self, image: NDArray[np.uint8]) -> None:
        scale = max(1.0, _COMFORTABLE_HEIGHT / image.shape[0])
        height, width = (max(2, round(side * scale) // 2 * 2) for side in image.shape[:2])
        self._size = (width, height)
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._path), codec, self._rate, self._size)
        if not self._writer.isOpened():
            raise SourceError(str(self._path), "cannot be written as a video", "give a path ending in .mp4")

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


class _Pen:
    """Draws on a picture in sizes that suit it. across, down: pixels of it per pixel of the analysed frame.

    line: height of a line of writing; margin: from the edges.
    """

    def __init__(self, drawn: cv2.typing.MatLike, across: float, down: float) -> None:
        self.drawn = drawn
        self.across, self.down = across, down
        self.height, self.width = drawn.shape[:2]
        self._scale = min(1.2, max(0.5, 0.5 * self.height / _COMFORTABLE_HEIGHT))
        self.thick = 2 if self.height < 2 * _COMFORTABLE_HEIGHT else 3
        self.line = round(30 * self._scale)
        self.margin = round(16 * self._scale)

    def write(self, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
        """A line whose lower left corner is here, or as near as keeps it in the picture; on a dark plate."""
        (width, height), below = cv2.getTextSize(text, _FONT, self._scale, 1)
        pad = self.line // 5
        x = max(pad, min(self.width - width - pad, x))
        y = max(height + pad, min(self.height - below - pad, y))
        # Without it, light writing is lost in light pictures.
        plate = self.drawn[y - height - pad : y + below + pad, x - pad : x + width + pad]
        cv2.convertScaleAbs(plate, dst=plate, alpha=_PLATE_LIGHT)
        cv2.putText(self.drawn, text, (x, y), _FONT, self._scale, colour, 1, cv2.LINE_AA)


def _draw_face(pen: _Pen, face: Face) -> None:
    left, top = round(face.box.x * pen.across), round(face.box.y * pen.down)
    right = round((face.box.x + face.box.width) * pen.across)
    bottom = round((face.box.y + face.box.height) * pen.down)
    cv2.rectangle(pen.drawn, (left, top), (right, bottom), _GREEN, pen.thick, cv2.LINE_AA)
    if face.shown_gaze_yaw_degrees is not None and face.shown_gaze_pitch_degrees is not None:
        # The arrow starts between the eyes, about four tenths down the face, and is as long as the gaze is turned.
        start = ((left + right) // 2, round(top + 0.4 * (bottom - top)))
        reach = (right - left) / 45
        across, up = reach * face.shown_gaze_yaw_degrees, reach * face.shown_gaze_pitch_degrees
        tip = 0.12 * (right - left) / max(1.0, math.hypot(across, up))
        end = (round(start[0] + across), round(start[1] - up))
        cv2.arrowedLine(pen.drawn, start, end, _YELLOW, pen.thick, cv2.LINE_AA, tipLength=min(0.5, tip))
    zone = (face.zone or "").replace("_", " ")
    pen.write(f"#{face.track}  {zone}".rstrip(), left, top - pen.line // 3, _GREEN)
    figures = []
    if face.eye_openness is not None:
        figures.append(f"eyes {face.eye_openness.left:.2f} {face.eye_openness.right:.2f}")
    if face.yaw_degrees is not None and face.pitch_degrees is not None:
        figures.append(f"head {face.yaw_degrees:+.0f} {face.pitch_degrees:+.0f}")
    if figures:
        pen.write("  ".join(figures), left, bottom + pen.line, _GREEN)
