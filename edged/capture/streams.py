"""Network streams (RTSP, RTMP, SRT, HTTP video …) through OpenCV's FFmpeg back end."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import cv2

from edged.capture.shaping import Shaper
from edged.capture.source import Captured, Wait, redact
from edged.capture.thinning import Thinning
from edged.errors import SourceUnavailable, SourceUnsupported

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

log = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
# A stream this far behind its best is caught up with by throwing pictures away.
_LAG_SECONDS = 0.3


class StreamSource:
    """A stream read as fast as it comes: what waits in buffers is old and is left out."""

    live = True

    def __init__(self, settings: CaptureSettings, wait: Wait = time.sleep) -> None:
        self._settings = settings
        self._address = settings.source
        self._shown = redact(settings.source)
        self._wait = wait
        self._shaper = Shaper(settings)
        self._thinning = Thinning()
        self._video: cv2.VideoCapture | None = None
        self._frame = -1
        self._best_lag_seconds: float | None = None
        self._silent_until, self._silent_seconds = float("-inf"), 0.0
        self.description = f"stream {self._shown}"
        self.frames_per_second: float | None = None
        self.frame_count: int | None = None

    def open(self) -> None:
        self.close()
        self._video = self._open_video()
        self._frame = -1
        self._best_lag_seconds = None
        self._silent_until = float("-inf")
        rate = self._video.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = rate if 0.1 < rate < 1000 else None
        width = round(self._video.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = round(self._video.get(cv2.CAP_PROP_FRAME_HEIGHT))
        analysed = self._shaper.size(max(1, width), max(1, height))
        at = f" at {rate:.4g} fps" if self.frames_per_second else ""
        self.description = f"{self._kind()} {width}x{height}{at}, analysed as {analysed[0]}x{analysed[1]}"

    def _kind(self) -> str:
        return f"stream {self._shown}"

    def _open_video(self) -> cv2.VideoCapture:
        if not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
            raise SourceUnsupported(
                self._shown, "this OpenCV was built without FFmpeg", "pip install opencv-python-headless"
            )
        video = cv2.VideoCapture(
            self._address,
            cv2.CAP_FFMPEG,
            [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(OPEN_SECONDS * 1000),
                cv2.CAP_PROP_READ_TIMEOUT_MSEC, max(200, round(self._settings.frozen_seconds * 1000)),
            ],
        )  # fmt: skip
        if not video.isOpened():
            video.release()
            raise SourceUnavailable(
                self._shown, "the stream does not open", "check address, user and password, and that the camera is on"
            )
        return video

    def read(self) -> Captured | None:
        video = self._video
        if video is None:
            raise SourceUnavailable(self._shown, "is not open")
        while True:
            self._grab(video)
            captured_ns, wall_ns = time.monotonic_ns(), time.time_ns()
            if self._lags(video, captured_ns / 1e9) or not self._thinning.wanted(captured_ns / 1e9):
                self._wait(0.0)
                continue
            kept, image = video.retrieve()
            if not kept:
                raise SourceUnavailable(self._shown, "sends pictures that cannot be decoded", "is the stream damaged?")
            shaped = self._shaper.shape(image)  # type: ignore[arg-type]
            return Captured(shaped, self._frame, captured_ns / 1e6, captured_ns, wall_ns)

    def _grab(self, video: cv2.VideoCapture) -> None:
        """Take in the next picture, or say why there is none."""
        asked = time.monotonic()
        grabbed = video.grab()
        now = time.monotonic()
        if now - asked >= 0.8 * self._settings.frozen_seconds:
            # Cut off by the time limit; the decoder may still have had pictures to give before it fails.
            self._silent_until, self._silent_seconds = now, now - asked
        if grabbed:
            self._frame += 1
            return
        if now - self._silent_until < 1.0:
            reason, cure = f"no picture for {self._silent_seconds:.1f} s", "is the camera's network well?"
        else:
            reason, cure = "the stream ended", "is the camera on?"
        raise SourceUnavailable(self._shown, reason, cure)

    def _lags(self, video: cv2.VideoCapture, now: float) -> bool:
        """Whether this picture waited in a buffer: its stream time fell behind our clock since the best one."""
        position = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if position <= 0:
            return False
        lag = now - position
        if self._best_lag_seconds is None or lag < self._best_lag_seconds or lag - self._best_lag_seconds > 60:
            self._best_lag_seconds = lag
        return lag - self._best_lag_seconds > _LAG_SECONDS

    def set_interval(self, seconds: float) -> None:
        self._thinning.interval_seconds = seconds

    def close(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None
