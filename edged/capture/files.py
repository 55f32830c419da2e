"""Video files (MP4, MKV, AVI, GIF …) through OpenCV's FFmpeg back end."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import cv2

from edged.capture.container import mp4_rotation_degrees
from edged.capture.shaping import Shaper
from edged.capture.source import Captured, Wait, local_path
from edged.errors import SourceUnavailable

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

log = logging.getLogger(__name__)

_ASSUMED_RATE = 25.0
# A player this far behind its clock (suspended, paused) carries on from where it is instead of rushing.
_GIVE_UP_CATCHING_UP_SECONDS = 1.0


class FileSource:
    """A video file, once or for ever, at its own speed or as fast as it is read."""

    live = False

    def __init__(self, settings: CaptureSettings, wait: Wait = time.sleep) -> None:
        self._settings = settings
        self._path = local_path(settings.source)
        self._wait = wait
        self._realtime = settings.pace == "realtime"
        self._video: cv2.VideoCapture | None = None
        self._shaper = Shaper(settings)
        self._interval_ms = 0.0
        self.description = f"file {self._path.name}"
        self.frame_count: int | None = None
        self.frames_per_second: float | None = None
        self._period_ms = 1000 / _ASSUMED_RATE
        self._restart()

    def _restart(self) -> None:
        self._frame = -1
        self._frames_this_time = 0
        self._loop_began_ms = 0.0
        self._at_ms = -1.0
        self._last_returned_ms = float("-inf")
        self._clock_began_ns: int | None = None

    def open(self) -> None:
        self.close()
        self._restart()
        self._video = self._open_video()
        rate = self._video.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = rate if 0.1 < rate < 1000 else None
        self._period_ms = 1000 / (self.frames_per_second or _ASSUMED_RATE)
        count = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = count if count > 0 and not self._settings.loop else None
        # Turned here rather than by OpenCV: after scaling, where it is cheap, and alike under every build.
        self._video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        rotation = mp4_rotation_degrees(self._path)
        if rotation is None:
            rotation = round(self._video.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        if rotation not in (90, 180, 270):
            rotation = 0
        self._shaper = Shaper(self._settings, rotation)
        raw_width = round(self._video.get(cv2.CAP_PROP_FRAME_WIDTH))
        raw_height = round(self._video.get(cv2.CAP_PROP_FRAME_HEIGHT))
        width, height = self._shaper.size(raw_width, raw_height)
        turned = f" turned {rotation} degrees" if rotation else ""
        self.description = (
            f"file {self._path.name} {raw_width}x{raw_height}{turned} analysed as {width}x{height}"
            f" at {1000 / self._period_ms:.4g} fps"
        )

    def _open_video(self) -> cv2.VideoCapture:
        shown = str(self._path)
        if not self._path.exists():
            raise SourceUnavailable(shown, "there is no such file", "check the path")
        if not os.access(self._path, os.R_OK):
            raise SourceUnavailable(shown, "may not be read", f"chmod a+r {shown}")
        if not self._path.is_file():
            raise SourceUnavailable(shown, "is not a file", "give a video, a picture or a folder of pictures")
        video = cv2.VideoCapture(shown, cv2.CAP_FFMPEG)
        if not video.isOpened():
            video.release()
            video = cv2.VideoCapture(shown)
        if not video.isOpened():
            video.release()
            raise SourceUnavailable(shown, "is not a video that OpenCV can read", "ffmpeg -i it out.mp4")
        return video

    def read(self) -> Captured | None:
        while True:
            if self._video is None:
                raise SourceUnavailable(str(self._path), "is not open")
            if not self._video.grab():
                if not self._next_loop():
                    return None
                continue
            self._count_frame(self._video)
            if self._realtime and not self._keep_time():
                continue
            kept, image = self._video.retrieve()
            if not kept:
                continue
            self._last_returned_ms = self._at_ms
            return Captured(
                image=self._shaper.shape(image),  # type: ignore[arg-type]
                frame=self._frame,
                at_ms=self._at_ms,
                captured_ns=time.monotonic_ns(),
                wall_ns=time.time_ns(),
            )

    def _next_loop(self) -> bool:
        """At the end of the file: start again if wanted."""
        if self._frames_this_time == 0:
            raise SourceUnavailable(str(self._path), "holds no picture that can be decoded", "is the file damaged?")
        if not self._settings.loop:
            return False
        if self._video is not None:
            self._video.release()
        # Opened anew: seeking to the first frame is inexact with some containers.
        self._video = self._open_video()
        self._video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._frames_this_time = 0
        self._loop_began_ms = self._at_ms + self._period_ms
        return True

    def _count_frame(self, video: cv2.VideoCapture) -> None:
        self._frame += 1
        position_ms = self._loop_began_ms + video.get(cv2.CAP_PROP_POS_MSEC)
        if self._frames_this_time == 0:
            position_ms = self._loop_began_ms
        elif position_ms <= self._at_ms:  # containers without usable time stamps
            position_ms = self._at_ms + self._period_ms
        self._at_ms = position_ms
        self._frames_this_time += 1

    def _keep_time(self) -> bool:
        """Wait until the grabbed frame is due; False: it is not wanted and need not be converted."""
        now = time.monotonic_ns()
        if self._clock_began_ns is None:
            self._clock_began_ns = now - int(self._at_ms * 1e6)
        ahead_seconds = (self._clock_began_ns + int(self._at_ms * 1e6) - now) / 1e9
        if ahead_seconds < -_GIVE_UP_CATCHING_UP_SECONDS:
            self._clock_began_ns -= int(ahead_seconds * 1e9)
            ahead_seconds = 0.0
        # Half a frame of grace: 15 wanted of 30 must give every second frame, not every third.
        early = self._at_ms - self._last_returned_ms < self._interval_ms - self._period_ms / 2
        if ahead_seconds > 0:
            self._wait(ahead_seconds)
        return not early and ahead_seconds > -2 * self._period_ms / 1000

    def set_interval(self, seconds: float) -> None:
        self._interval_ms = seconds * 1000

    def close(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None
