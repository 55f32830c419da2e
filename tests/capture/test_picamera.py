"""The Pi's camera, with a library of the same shape standing in for picamera2 at the device's edge."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edged.capture.opening import open_source
from edged.errors import SourceUnavailable, SourceUnsupported
from tests.capture.stand_ins import number_of, numbered, read_all, settings


class Request:
    def __init__(self, camera: PiCamera, number: int) -> None:
        self.camera, self.number, self.released = camera, number, 0

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 20_000_000}

    def release(self) -> None:
        self.released += 1
        self.camera.out -= 1


class MappedArray:
    def __init__(self, request: Request, stream: str) -> None:
        assert stream == "main"
        width, height = request.camera.configured["main"]["size"]
        # libcamera pads the lines of a buffer; picamera2 hides that behind a view.
        padded = np.zeros((height, width + 16, 3), np.uint8)
        padded[:, :width] = numbered(request.number, width, height)
        self.array = padded[:, :width]
        self._padded = padded

    def __enter__(self) -> MappedArray:
        return self

    def __exit__(self, *_: object) -> None:
        self._padded[:] = 0  # the buffer goes back to the camera


class PiCamera:
    """What edged uses of picamera2.Picamera2."""

    cameras: tuple[dict[str, Any], ...] = ({"Model": "imx708"},)
    opened: list[PiCamera] = []  # noqa: RUF012
    busy = False

    def __init__(self, number: int) -> None:
        if PiCamera.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.sensor_resolution = (4608, 2592)
        self.camera_properties = {"Model": "imx708"}
        self.configured: dict[str, Any] = {}
        self.running = self.closed = self.frozen = False
        self.out = 0
        self.number = -1
        PiCamera.opened.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return list(PiCamera.cameras)

    def create_video_configuration(self, **options: Any) -> dict[str, Any]:
        return options

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configured = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return self.configured

    def start(self) -> None:
        self.running = True

    def capture_request(self, wait: bool) -> str:
        assert self.running
        assert wait is False
        return "job"

    def wait(self, job: str, timeout: float) -> Request:
        if self.frozen:
            time.sleep(min(timeout, 0.05))
            raise TimeoutError
        self.number += 1
        self.out += 1
        assert self.out <= self.configured["buffer_count"]
        return Request(self, self.number)

    def stop(self) -> None:
        self.running = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[PiCamera]]:
    module = types.ModuleType("picamera2")
    module.__dict__.update(Picamera2=PiCamera, MappedArray=MappedArray)
    monkeypatch.setitem(sys.modules, "picamera2", module)
    PiCamera.opened.clear()
    yield PiCamera
    PiCamera.busy = False
    PiCamera.cameras = ({"Model": "imx708"},)


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceUnsupported, match=r"scripts/install --picamera.*--system-site-packages"):
        open_source(settings("picamera2:0")).open()


def test_pictures_come_scaled_by_the_image_processor(library: type[PiCamera]) -> None:
    source = open_source(settings("picamera2:0", frames_per_second=30))
    source.open()
    camera = library.opened[0]
    assert camera.configured["main"] == {"size": (640, 360), "format": "RGB888"}
    assert camera.configured["controls"] == {"FrameRate": 30}
    assert source.description == "picamera2 imx708 640x360 at 30 fps, analysed as 640x360"
    frames = read_all(source, 4)
    assert [number_of(frame.image) for frame in frames] == [frame.frame for frame in frames] == [0, 1, 2, 3]
    assert all(frame.image.flags.c_contiguous for frame in frames)
    assert camera.out == 0
    age = time.monotonic_ns() - frames[-1].captured_ns
    assert age >= 20_000_000
    source.close()
    assert camera.closed


@pytest.mark.parametrize(("rotate", "size"), [(0, (640, 360)), (90, (480, 270)), (180, (640, 360))])
def test_the_size_asked_for_fits_after_turning(library: type[PiCamera], rotate: Any, size: tuple[int, int]) -> None:
    source = open_source(settings("picamera2:", rotate_degrees=rotate))
    source.open()
    assert library.opened[0].configured["main"]["size"] == size


def test_a_crop_asks_for_a_larger_picture(library: type[PiCamera]) -> None:
    source = open_source(settings("picamera2:0", crop=(0.25, 0.25, 0.75, 0.75)))
    source.open()
    assert library.opened[0].configured["main"]["size"] == (1280, 720)
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == (360, 640, 3)


def test_pictures_nobody_wants_are_given_back_untouched(library: type[PiCamera]) -> None:
    source = open_source(settings("picamera2:0"))
    source.open()
    source.read()
    source.set_interval(0.02)
    captured = source.read()
    assert captured is not None
    assert captured.frame > 1
    assert library.opened[0].out == 0


def test_a_frozen_camera_is_noticed(library: type[PiCamera]) -> None:
    waits: list[float] = []
    source = open_source(settings("picamera2:0", frozen_seconds=0.3), waits.append)
    source.open()
    source.read()
    library.opened[0].frozen = True
    with pytest.raises(SourceUnavailable, match=r"no picture for 0\.3 s"):
        source.read()
    assert waits


def test_no_camera_on_the_cable_and_a_camera_in_use(library: type[PiCamera]) -> None:
    library.cameras = ()
    with pytest.raises(SourceUnavailable, match="libcamera sees 0 cameras"):
        open_source(settings("picamera2:0")).open()
    library.cameras = ({"Model": "imx708"},)
    library.busy = True
    with pytest.raises(SourceUnavailable, match=r"does not start.*another program"):
        open_source(settings("picamera2:0")).open()


def test_the_number_must_be_one(library: type[PiCamera]) -> None:
    with pytest.raises(SourceUnsupported, match="not the number of a camera"):
        open_source(settings("picamera2:front")).open()
