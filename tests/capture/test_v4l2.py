"""V4L2 cameras: what is chosen, what is said when it goes wrong, and a camera made of pictures at the device's edge."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest

from edged.capture import v4l2_modes
from edged.capture.opening import open_source
from edged.capture.v4l2 import V4l2Source
from edged.capture.v4l2_modes import Camera, Mode, choose, describe, explain
from edged.errors import SourceUnavailable
from tests.capture.stand_ins import Image, jpeg_of, number_of, numbered, read_all, settings

# A webcam of the usual kind on USB 2: raw pictures are quick only while small.
WEBCAM = (
    *(
        Mode("YUYV", *size, rate)
        for size, rates in {(320, 240): (30,), (640, 480): (30, 15), (1280, 720): (10, 5)}.items()
        for rate in rates
    ),
    *(Mode("MJPG", *size, 30) for size in ((320, 240), (640, 480), (1280, 720), (1920, 1080))),
)


@pytest.mark.parametrize(
    ("wanted", "mode"),
    [
        ((640, 480, 15, "auto"), Mode("YUYV", 640, 480, 15)),
        ((640, 480, 30, "auto"), Mode("YUYV", 640, 480, 30)),
        ((640, 480, 15, "mjpg"), Mode("MJPG", 640, 480, 30)),
        ((1280, 720, 15, "auto"), Mode("MJPG", 1280, 720, 30)),  # raw is too slow at this size
        ((1280, 720, 10, "auto"), Mode("YUYV", 1280, 720, 10)),
        ((1280, 720, 15, "yuyv"), Mode("YUYV", 1280, 720, 10)),  # large and slow rather than small: detail wins
        ((320, 240, 15, "auto"), Mode("YUYV", 320, 240, 30)),
        ((1920, 1080, 60, "auto"), Mode("MJPG", 1920, 1080, 30)),  # the nearest there is
    ],
)
def test_the_cheapest_mode_that_is_large_and_quick_enough_is_chosen(
    wanted: tuple[int, int, float, str], mode: Mode
) -> None:
    assert choose(WEBCAM, *wanted) == mode


def test_a_camera_that_lists_nothing_is_asked_for_the_wish() -> None:
    assert choose((), 640, 480, 15, "auto") == Mode("YUYV", 640, 480, 15)
    assert choose((), 640, 480, 15, "mjpg") == Mode("MJPG", 640, 480, 15)


class Kernel:
    """Answers ioctls as a driver would."""

    def __init__(self, capabilities: int = 0x84200001, node: int = 0x04200001, *, stepwise: bool = False) -> None:
        self.capabilities, self.node, self.stepwise = capabilities, node, stepwise

    def ioctl(self, code: int, data: bytearray) -> None:
        number = code & 0xFF
        assert len(data) == code >> 16 & 0x3FFF  # the size is part of the number
        (index,) = struct.unpack_from("<I", data)
        if number == 0:
            struct.pack_into(
                "<16s32s32sIII", data, 0, b"uvcvideo", b"A webcam", b"usb", 0, self.capabilities, self.node
            )
        elif number == 2:
            self._formats(index, data)
        elif number == 74:
            self._sizes(index, data)
        elif number == 75:
            self._rates(index, data)
        else:
            raise OSError(errno.ENOTTY, "no")

    def _formats(self, index: int, data: bytearray) -> None:
        formats = (b"YUYV", b"MJPG")
        if index >= len(formats):
            raise OSError(errno.EINVAL, "end")
        data[44:48] = formats[index]

    def _sizes(self, index: int, data: bytearray) -> None:
        sizes = ((640, 480), (1280, 720))
        if self.stepwise:
            struct.pack_into("<7I", data, 8, 3, 32, 1920, 2, 32, 1080, 2)
        elif index >= len(sizes):
            raise OSError(errno.EINVAL, "end")
        else:
            struct.pack_into("<3I", data, 8, 1, *sizes[index])

    def _rates(self, index: int, data: bytearray) -> None:
        if self.stepwise:
            struct.pack_into("<7I", data, 16, 2, 1, 30, 1, 5, 1, 1)
        elif index >= 2:
            raise OSError(errno.EINVAL, "end")
        else:
            struct.pack_into("<3I", data, 16, 1, 1, (30, 15)[index])


def test_the_kernels_lists_are_read() -> None:
    camera = describe("/dev/video0", Kernel().ioctl)
    assert camera.name == "A webcam"
    assert camera.modes == tuple(
        Mode(kind, *size, rate) for kind in ("YUYV", "MJPG") for size in ((640, 480), (1280, 720)) for rate in (30, 15)
    )


def test_a_range_of_sizes_and_rates_becomes_the_common_ones() -> None:
    modes = describe("/dev/video0", Kernel(stepwise=True).ioctl).modes
    assert Mode("YUYV", 640, 480, 15.0) in modes
    assert Mode("MJPG", 1920, 1080, 30.0) in modes
    assert max(mode.frames_per_second for mode in modes) == 30


def test_the_other_nodes_of_a_webcam_are_told_apart() -> None:
    with pytest.raises(SourceUnavailable, match="this node of A webcam sends no pictures"):
        describe("/dev/video1", Kernel(node=0x04A00000).ioctl)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOENT, "no such camera"),
        (errno.EACCES, r"usermod -aG video"),
        (errno.EBUSY, r"busy.*fuser -v /dev/video7"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_a_camera_does_not_open_is_said_with_a_cure(code: int, says: str) -> None:
    assert isinstance(explain("/dev/video7", code), SourceUnavailable)
    with pytest.raises(SourceUnavailable, match=says):
        raise explain("/dev/video7", code)


def test_an_absent_camera_is_absent() -> None:
    with pytest.raises(SourceUnavailable, match=r"/dev/video97: there is no such camera"):
        open_source(settings("97")).open()


def test_what_is_no_camera_is_said_to_be_none() -> None:
    with pytest.raises(SourceUnavailable, match="is not a V4L2 camera"):
        open_source(settings("/dev/null")).open()


def test_a_camera_one_may_not_use_is_said_to_be_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may use everything")
    node = tmp_path / "video0"
    node.touch(0o000)
    with pytest.raises(SourceUnavailable, match="usermod"):
        v4l2_modes.ask(str(node))


class Webcam:
    """Stands where cv2.VideoCapture would: sends numbered pictures, or fails as told."""

    def __init__(self, *, compressed: bool, size: tuple[int, int], fails_after: int = 1000, damaged: int = -1) -> None:
        self.compressed, self.size, self.fails_after, self.damaged = compressed, size, fails_after, damaged
        self.properties: dict[int, float] = {cv2.CAP_PROP_FPS: 30.0}
        self.grabbed = -1
        self.retrieved: list[int] = []
        self.released = False

    def __call__(self, path: str, backend: int) -> Any:
        assert backend == cv2.CAP_V4L2
        return self

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return True

    def set(self, name: int, value: float) -> bool:
        self.properties[name] = value
        return True

    def get(self, name: int) -> float:
        if name == cv2.CAP_PROP_FRAME_WIDTH:
            return self.size[0]
        if name == cv2.CAP_PROP_FRAME_HEIGHT:
            return self.size[1]
        return self.properties.get(name, 0.0)

    def grab(self) -> bool:
        if self.grabbed + 1 >= self.fails_after:
            return False
        self.grabbed += 1
        return True

    def retrieve(self) -> tuple[bool, Image]:
        self.retrieved.append(self.grabbed)
        picture = numbered(self.grabbed, *self.size)
        if not self.compressed:
            return True, picture
        assert self.properties[cv2.CAP_PROP_CONVERT_RGB] == 0
        data = b"\xff\xd8broken" if self.grabbed == self.damaged else jpeg_of(picture)
        return True, np.frombuffer(data, np.uint8).reshape(1, -1)

    def release(self) -> None:
        self.released = True


def attach(webcam: Webcam, pixel_format: Literal["auto", "mjpg", "yuyv"] = "auto", **options: Any) -> V4l2Source:
    modes = tuple(mode for mode in WEBCAM if (mode.width, mode.height) == webcam.size)
    made = settings("/dev/null", pixel_format=pixel_format, **options)
    return V4l2Source(made, lambda seconds: None, lambda path: Camera("A webcam", modes), webcam)


def test_large_mjpg_is_decoded_at_reduced_size() -> None:
    webcam = Webcam(compressed=True, size=(1280, 720))
    source = attach(webcam, width=640, height=360)
    source.open()
    assert source.description == ("V4L2 A webcam MJPG 1280x720 at 30 fps decoded at 1/2, analysed as 640x360")
    frames = read_all(source, 5)
    assert [frame.image.shape for frame in frames] == [(360, 640, 3)] * 5
    assert [number_of(frame.image) for frame in frames] == [frame.frame for frame in frames] == list(range(5))
    source.close()
    assert webcam.released


def test_raw_pictures_are_taken_as_they_are() -> None:
    source = attach(Webcam(compressed=False, size=(640, 480)))
    source.open()
    assert "YUYV 640x480" in source.description
    assert [number_of(frame.image) for frame in read_all(source, 3)] == [0, 1, 2]


def test_frames_nobody_wants_are_never_retrieved() -> None:
    webcam = Webcam(compressed=False, size=(640, 480))
    source = attach(webcam)
    source.open()
    source.set_interval(3600)
    read_all(source, 1)
    webcam.fails_after = 50
    with pytest.raises(SourceUnavailable):
        source.read()
    assert webcam.retrieved == [0]
    assert webcam.grabbed == 49


def test_a_picture_damaged_on_the_cable_is_left_out() -> None:
    source = attach(Webcam(compressed=True, size=(640, 480), damaged=1), "mjpg")
    source.open()
    assert [frame.frame for frame in read_all(source, 3)] == [0, 2, 3]


def test_a_camera_that_sends_nothing_more_is_frozen() -> None:
    source = attach(Webcam(compressed=False, size=(640, 480), fails_after=3), frozen_seconds=0.2)
    source.open()
    with pytest.raises(SourceUnavailable, match=r"no picture for 0\.2 s"):
        read_all(source)
