"""V4L2 cameras (`/dev/video0`) through OpenCV's V4L2 back end."""

from __future__ import annotations

import logging
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edged.capture import jpeg, v4l2_modes
from edged.capture.shaping import Shaper
from edged.capture.source import Captured, Wait
from edged.capture.thinning import Thinning
from edged.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.capture.source import Image
    from edged.settings import CaptureSettings

log = logging.getLogger(__name__)

# Exposure and focus of some cameras take this long to send the first picture.
_FIRST_PICTURE_SECONDS = 8.0
_SLICE_SECONDS = 0.25


class V4l2Source:
    """A camera the kernel knows. MJPG pictures come undecoded and are decoded no larger than needed."""

    live = True

    def __init__(
        self,
        settings: CaptureSettings,
        wait: Wait = time.sleep,
        ask: Callable[[str], v4l2_modes.Camera] = v4l2_modes.ask,
        open_video: Callable[[str, int], cv2.VideoCapture] = cv2.VideoCapture,
    ) -> None:
        """The device's edge is `ask` and `open_video`: a test puts a camera there that is none."""
        self._settings = settings
        self._wait = wait
        self._ask, self._open_video = ask, open_video
        source = settings.source
        self._path = f"/dev/video{source}" if source.isdecimal() else source
        self._shaper = Shaper(settings)
        self._thinning = Thinning()
        self._video: cv2.VideoCapture | None = None
        self._poll: select.poll | None = None
        self._compressed = False
        self._started = False
        self._frame = -1
        self.description = f"V4L2 {self._path}"
        self.frame_count: int | None = None
        self.frames_per_second: float | None = None

    def open(self) -> None:
        self.close()
        settings = self._settings
        camera = self._ask(self._path)
        mode = self._choose(camera)
        if self._open_video is cv2.VideoCapture:
            v4l2_modes.check_free(self._path, mode)
        before = _descriptors_of(self._path)
        video = self._open_video(self._path, cv2.CAP_V4L2)
        if not video.isOpened():
            video.release()
            raise SourceUnavailable(
                self._path, "OpenCV cannot open the camera", "is another program using it? fuser -v shows which"
            )
        self._video = video
        # One after the other: a driver that refuses one of them still opens, and what it does is read back.
        video.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.pixel_format))
        video.set(cv2.CAP_PROP_FRAME_WIDTH, mode.width)
        video.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.height)
        video.set(cv2.CAP_PROP_FPS, round(mode.frames_per_second))
        got_format = _four_characters(video.get(cv2.CAP_PROP_FOURCC)) or mode.pixel_format
        self._compressed = got_format in (v4l2_modes.MJPG, "JPEG")
        video.set(cv2.CAP_PROP_CONVERT_RGB, 0 if self._compressed else 1)
        width, height = round(video.get(cv2.CAP_PROP_FRAME_WIDTH)), round(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
        rate = video.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = rate if rate > 0 else None
        self._watch(_descriptors_of(self._path) - before)
        self._started = False
        self._frame = -1
        analysed = self._shaper.size(width, height)
        reduction = self._shaper.reduction(width, height) if self._compressed else 1
        reduced = f" decoded at 1/{reduction}" if reduction > 1 else ""
        self.description = (
            f"V4L2 {camera.name or self._path} {got_format} {width}x{height} at {rate:g} fps{reduced},"
            f" analysed as {analysed[0]}x{analysed[1]}"
        )
        if rate and rate < 0.95 * settings.frames_per_second:
            log.warning("%s gives %g of the %g wanted frames a second", self._path, rate, settings.frames_per_second)

    def _choose(self, camera: v4l2_modes.Camera) -> v4l2_modes.Mode:
        settings = self._settings
        left, top, right, bottom = settings.crop
        width, height = settings.width, settings.height
        if settings.rotate_degrees in (90, 270):
            width, height = height, width
        # A crop takes away pixels that a larger picture can give back, within reason.
        width, height = min(3840, round(width / (right - left))), min(2160, round(height / (bottom - top)))
        return v4l2_modes.choose(camera.modes, width, height, settings.frames_per_second, settings.pixel_format)

    def _watch(self, descriptors: set[int]) -> None:
        """OpenCV does not show its descriptor; with it a silent camera is noticed in time, without it within a second."""
        self._poll = None
        if len(descriptors) == 1:
            self._poll = select.poll()
            self._poll.register(descriptors.pop(), select.POLLIN)

    def read(self) -> Captured | None:
        video = self._video
        if video is None:
            raise SourceUnavailable(self._path, "is not open")
        while True:
            self._grab(video)
            captured_ns, wall_ns = self._stamp(video)
            if not self._thinning.wanted(captured_ns / 1e9):
                self._wait(0.0)
                continue
            image = self._retrieve(video)
            if image is None:  # a picture damaged on the cable
                continue
            keep = not self._compressed
            return Captured(self._shaper.shape(image, keep=keep), self._frame, captured_ns / 1e6, captured_ns, wall_ns)

    def _grab(self, video: cv2.VideoCapture) -> None:
        """Take the next picture from the driver without decoding it."""
        allowed = self._settings.frozen_seconds if self._started else _FIRST_PICTURE_SECONDS
        deadline = time.monotonic() + allowed
        while True:
            # Before the first grab the camera does not stream yet and there is nothing to poll for.
            if self._poll is not None and self._started:
                while not self._poll.poll(min(_SLICE_SECONDS, max(0.0, deadline - time.monotonic())) * 1000):
                    self._wait(0.0)
                    if time.monotonic() >= deadline:
                        raise self._lost(allowed)
            if video.grab():
                self._started = True
                self._frame += 1
                return
            if not Path(self._path).exists():
                raise SourceUnavailable(self._path, "the camera was unplugged", "plug it in again")
            if time.monotonic() >= deadline:
                raise self._lost(allowed)
            # Failing at once is no silence; it must not become a busy loop.
            self._wait(0.05)

    def _lost(self, seconds: float) -> SourceUnavailable:
        return SourceUnavailable(
            self._path, f"no picture for {seconds:g} s", "is the cable loose? the camera is reopened"
        )

    def _stamp(self, video: cv2.VideoCapture) -> tuple[int, int]:
        """When the picture was taken: the driver's stamp where it is on our clock, else now."""
        now, wall = time.monotonic_ns(), time.time_ns()
        stamp = int(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        age = now - stamp
        return (stamp, wall - age) if 0 <= age < 1_000_000_000 else (now, wall)

    def _retrieve(self, video: cv2.VideoCapture) -> Image | None:
        kept, data = video.retrieve()
        if not kept:
            return None
        # Some builds convert whatever they are told; then there is nothing left to decode.
        if self._compressed and (data.ndim < 3 or data.shape[2] == 1):
            return jpeg.decode(data.ravel(), self._shaper)  # type: ignore[arg-type]
        return data  # type: ignore[return-value]

    def set_interval(self, seconds: float) -> None:
        self._thinning.interval_seconds = seconds

    def close(self) -> None:
        self._poll = None
        if self._video is not None:
            self._video.release()
            self._video = None


def _four_characters(code: float) -> str:
    number = int(code)
    text = "".join(chr(number >> shift & 0xFF) for shift in (0, 8, 16, 24)) if number > 0 else ""
    return text.strip() if text.isprintable() else ""


def _descriptors_of(path: str) -> set[int]:
    """Our open descriptors on a device."""
    device = os.path.realpath(path)
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(entry) == device:  # noqa: PTH115  # Path.readlink makes Paths of sockets
                found.add(int(entry.name))
        except OSError:
            continue
    return found
