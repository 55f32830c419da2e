"""Raspberry Pi cameras (`picamera2:0`) through picamera2 and libcamera.

picamera2 is not on PyPI in a form that works: it comes from apt with the libcamera of the same release.
"""

from __future__ import annotations

import importlib
import logging
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from edged.capture.shaping import Shaper
from edged.capture.source import Captured, Wait
from edged.capture.thinning import Thinning
from edged.errors import SourceUnavailable, SourceUnsupported

if TYPE_CHECKING:
    from edged.settings import CaptureSettings

log = logging.getLogger(__name__)

_FIRST_PICTURE_SECONDS = 8.0
_SLICE_SECONDS = 0.25
_BUFFERS = 3


class PicameraSource:
    """A camera on the ribbon cable. The image processor scales, so the processor does not have to."""

    live = True

    def __init__(self, settings: CaptureSettings, wait: Wait = time.sleep) -> None:
        self._settings = settings
        self._wait = wait
        self._number = settings.source.partition(":")[2].strip("/") or "0"
        self._shown = f"picamera2:{self._number}"
        self._shaper = Shaper(settings)
        self._thinning = Thinning()
        self._camera: Any = None
        self._job: Any = None
        self._mapped_array: Any = None
        self._frame = -1
        self.description = self._shown
        self.frames_per_second: float | None = settings.frames_per_second
        self.frame_count: int | None = None

    def open(self) -> None:
        self.close()
        if not self._number.isdecimal():
            raise SourceUnsupported(self._shown, "is not the number of a camera", "picamera2:0")
        try:
            library = importlib.import_module("picamera2")
        except ImportError as error:
            raise SourceUnsupported(
                self._shown,
                f"picamera2 is not installed here ({error})",
                "sudo scripts/install --picamera; or apt's python3-picamera2 and a virtual environment with --system-site-packages",
            ) from error
        self._mapped_array = library.MappedArray
        number = int(self._number)
        found = library.Picamera2.global_camera_info()
        if number >= len(found):
            cure = "check the ribbon cable, then rpicam-hello --list-cameras"
            raise SourceUnavailable(self._shown, f"libcamera sees {len(found)} cameras", cure)
        try:
            self._camera = library.Picamera2(number)
            self._start(self._camera)
        except (RuntimeError, OSError, IndexError) as error:
            self.close()
            raise SourceUnavailable(
                self._shown, f"the camera does not start: {error}", "is another program using it?"
            ) from error
        self._frame = -1

    def _start(self, camera: Any) -> None:
        rate = self._settings.frames_per_second
        width, height = self._size(*camera.sensor_resolution)
        configuration = camera.create_video_configuration(
            # libcamera names the byte order of a little-endian word: its RGB888 is B, G, R in memory.
            main={"size": (width, height), "format": "RGB888"},
            controls={"FrameRate": rate},
            buffer_count=_BUFFERS,
            queue=False,  # a request waits for a new picture and is never answered with an old one
        )
        camera.configure(configuration)
        camera.start()
        got_width, got_height = camera.camera_configuration()["main"]["size"]
        analysed = self._shaper.size(got_width, got_height)
        model = camera.camera_properties.get("Model", "camera")
        self.description = (
            f"picamera2 {model} {got_width}x{got_height} at {rate:g} fps, analysed as {analysed[0]}x{analysed[1]}"
        )

    def _size(self, sensor_width: int, sensor_height: int) -> tuple[int, int]:
        """What to ask of the image processor: the sensor's whole view, no larger than the analysis can use; even."""
        settings = self._settings
        left, top, right, bottom = settings.crop
        wide, tall = settings.width, settings.height
        if settings.rotate_degrees in (90, 270):
            wide, tall = tall, wide
        scale = min(1.0, wide / (sensor_width * (right - left)), tall / (sensor_height * (bottom - top)))
        return max(2, round(sensor_width * scale / 2) * 2), max(2, round(sensor_height * scale / 2) * 2)

    def read(self) -> Captured | None:
        if self._camera is None:
            raise SourceUnavailable(self._shown, "is not open")
        while True:
            request = self._next_request()
            try:
                self._frame += 1
                captured_ns, wall_ns = _stamp(request.get_metadata())
                if not self._thinning.wanted(captured_ns / 1e9):
                    continue
                with self._mapped_array(request, "main") as mapped:
                    image = self._shaper.shape(mapped.array[..., :3], keep=True)
                return Captured(image, self._frame, captured_ns / 1e6, captured_ns, wall_ns)
            finally:
                request.release()

    def _next_request(self) -> Any:
        allowed = self._settings.frozen_seconds if self._frame >= 0 else _FIRST_PICTURE_SECONDS
        deadline = time.monotonic() + allowed
        while True:
            try:
                if self._job is None:
                    self._job = self._camera.capture_request(wait=False)
                request = self._camera.wait(self._job, timeout=_SLICE_SECONDS)
            except (TimeoutError, FutureTimeoutError):  # two classes before Python 3.11
                self._wait(0.0)
                if time.monotonic() >= deadline:
                    raise SourceUnavailable(
                        self._shown,
                        f"no picture for {allowed:g} s",
                        "is the ribbon cable loose? the camera is reopened",
                    ) from None
            except (RuntimeError, OSError) as error:
                raise SourceUnavailable(self._shown, f"the camera failed: {error}") from error
            else:
                self._job = None
                return request

    def set_interval(self, seconds: float) -> None:
        self._thinning.interval_seconds = seconds

    def close(self) -> None:
        camera, self._camera, self._job = self._camera, None, None
        if camera is None:
            return
        for step in (camera.stop, camera.close):
            try:
                step()
            except (RuntimeError, OSError) as error:
                log.debug("%s: %s", self._shown, error)


def _stamp(metadata: dict[str, Any]) -> tuple[int, int]:
    """When the sensor began the picture, on our clocks. SensorTimestamp is nanoseconds of CLOCK_BOOTTIME."""
    now, wall = time.monotonic_ns(), time.time_ns()
    taken = metadata.get("SensorTimestamp")
    if taken is None:
        return now, wall
    age = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(taken)
    return (now - age, wall - age) if 0 <= age < 1_000_000_000 else (now, wall)
