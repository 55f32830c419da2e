"""What a V4L2 camera can do, asked of the kernel, and which of it costs least for what is wanted.

OpenCV can set a format, a size and a rate but not list them, and it does not say why a camera would not open.
Structures and numbers: linux/videodev2.h (https://docs.kernel.org/userspace-api/media/v4l/).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edged.errors import SourceUnavailable

MJPG, YUYV = "MJPG", "YUYV"

_QUERYCAP, _ENUM_FMT, _S_FMT = 0x80685600, 0xC0405602, 0xC0D05605
_ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0xC02C564A, 0xC034564B
_CAPTURE, _CAPTURE_MPLANE = 1, 9
_CAP_CAPTURE, _CAP_CAPTURE_MPLANE, _CAP_DEVICE_CAPS = 0x1, 0x1000, 0x80000000
_DISCRETE = 1
_MOST_LISTED = 256
_COMMON_SIZES = ((320, 240), (640, 360), (640, 480), (800, 600), (1280, 720), (1280, 960), (1920, 1080))
_COMMON_RATES = (5.0, 10.0, 15.0, 20.0, 24.0, 25.0, 30.0, 50.0, 60.0, 90.0, 120.0)

# Processor nanoseconds per pixel, as measured on a 2026 x86 core: only their proportions matter.
_YUYV_COST = 0.9
_JPEG_COST = {1: 5.2, 2: 3.2, 4: 2.5, 8: 2.2}

Ioctl = Callable[[int, bytearray], None]
"""Does one ioctl of the camera, filling the structure in place; raises OSError."""


@dataclass(frozen=True)
class Mode:
    """One way a camera can send pictures. pixel_format: its four characters."""

    pixel_format: str
    width: int
    height: int
    frames_per_second: float


@dataclass(frozen=True)
class Camera:
    """What the kernel says of a device. modes is empty where the driver lists none."""

    name: str
    modes: tuple[Mode, ...]


def ask(path: str) -> Camera:
    """Ask a device what it can do. Raises SourceUnavailable, saying why and what to do."""
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise explain(path, error.errno or 0) from error
    try:
        return describe(path, lambda code, data: _ioctl(device, code, data))
    finally:
        os.close(device)


def check_free(path: str, mode: Mode) -> None:
    """Try a mode on, which a camera that streams for somebody else refuses. Raises SourceUnavailable."""
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise explain(path, error.errno or 0) from error
    try:
        # type, padding to 8 bytes, then width, height, pixelformat of struct v4l2_pix_format
        wanted = bytearray(208)
        struct.pack_into("<I4xII4s", wanted, 0, _CAPTURE, mode.width, mode.height, mode.pixel_format.encode())
        _ioctl(device, _S_FMT, wanted)
    except OSError as error:
        # Anything but "busy" is for the opening proper to find out: drivers refuse this for many reasons.
        if error.errno == errno.EBUSY:
            raise explain(path, errno.EBUSY) from error
    finally:
        os.close(device)


def explain(path: str, code: int) -> SourceUnavailable:
    """Why a device does not open, in words."""
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return SourceUnavailable(
            path, "there is no such camera", "plug it in; v4l2-ctl --list-devices shows what is there"
        )
    if code in (errno.EACCES, errno.EPERM):
        return SourceUnavailable(
            path, "this user may not use cameras", "sudo usermod -aG video $USER, then log in again"
        )
    if code == errno.EBUSY:
        return SourceUnavailable(path, "the camera is busy", f"fuser -v {path} shows which program has it")
    return SourceUnavailable(path, f"the camera does not open: {os.strerror(code) if code else 'no reason given'}")


def describe(path: str, ioctl: Ioctl) -> Camera:
    """The same through any ioctl. Raises SourceUnavailable where this is no camera."""
    capability = bytearray(104)
    try:
        ioctl(_QUERYCAP, capability)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            raise SourceUnavailable(
                path, "is not a V4L2 camera", "v4l2-ctl --list-devices shows the cameras"
            ) from error
        raise explain(path, error.errno or 0) from error
    name = bytes(capability[16:48]).split(b"\0")[0].decode(errors="replace")
    capabilities, of_node = struct.unpack_from("<II", capability, 84)
    if capabilities & _CAP_DEVICE_CAPS:
        capabilities = of_node
    if not capabilities & (_CAP_CAPTURE | _CAP_CAPTURE_MPLANE):
        raise SourceUnavailable(
            path,
            f"this node of {name or 'the device'} sends no pictures",
            "v4l2-ctl --list-devices: take its first node",
        )
    kind = _CAPTURE if capabilities & _CAP_CAPTURE else _CAPTURE_MPLANE
    modes = tuple(
        Mode(pixel_format, width, height, rate)
        for pixel_format in _formats(ioctl, kind)
        for width, height in _sizes(ioctl, pixel_format)
        for rate in _rates(ioctl, pixel_format, width, height)
    )
    return Camera(name, modes)


def _formats(ioctl: Ioctl, kind: int) -> Iterator[str]:
    for data in _listed(ioctl, _ENUM_FMT, struct.pack("<II56x", 0, kind)):
        yield data[44:48].decode("ascii", errors="replace")


def _sizes(ioctl: Ioctl, pixel_format: str) -> Iterator[tuple[int, int]]:
    request = struct.pack("<I4s36x", 0, pixel_format.encode("ascii", errors="replace")[:4])
    for data in _listed(ioctl, _ENUM_FRAMESIZES, request):
        kind, *numbers = struct.unpack_from("<7I", data, 8)
        if kind == _DISCRETE:
            yield numbers[0], numbers[1]
            continue
        low_width, high_width, step_width, low_height, high_height, step_height = numbers
        for width, height in (*_COMMON_SIZES, (high_width, high_height)):
            inside = low_width <= width <= high_width and low_height <= height <= high_height
            if (
                inside
                and not (width - low_width) % (step_width or 1)
                and not (height - low_height) % (step_height or 1)
            ):
                yield width, height
        return


def _rates(ioctl: Ioctl, pixel_format: str, width: int, height: int) -> list[float]:
    found = []
    code = pixel_format.encode("ascii", errors="replace")[:4]
    for data in _listed(ioctl, _ENUM_FRAMEINTERVALS, struct.pack("<I4sII36x", 0, code, width, height)):
        kind, *numbers = struct.unpack_from("<5I", data, 16)
        if not all(numbers[:2]):
            continue
        if kind == _DISCRETE:
            found.append(numbers[1] / numbers[0])
            continue
        shortest, longest = numbers[0] / numbers[1], numbers[2] / max(1, numbers[3])
        found += [rate for rate in _COMMON_RATES if shortest - 1e-6 <= 1 / rate <= longest + 1e-6]
        break
    # A driver that does not say can be asked for anything; what it does is read back later.
    return found or [30.0]


def _listed(ioctl: Ioctl, code: int, first: bytes) -> Iterator[bytes]:
    """The answers to an enumeration, whose first word is the index."""
    for index in range(_MOST_LISTED):
        data = bytearray(first)
        struct.pack_into("<I", data, 0, index)
        try:
            ioctl(code, data)
        except OSError:
            return
        yield bytes(data)


def _ioctl(device: int, code: int, data: bytearray) -> None:
    fcntl.ioctl(device, code, data, True)


def choose(
    modes: tuple[Mode, ...], width: int, height: int, frames_per_second: float, pixel_format: str = "auto"
) -> Mode:
    """The mode that costs least processor time and is large and quick enough; else the one that comes nearest.

    pixel_format: `auto`, `mjpg` or `yuyv`. Where nothing is listed, or nothing in the wanted format, the wish itself.
    """
    wanted = {"mjpg": (MJPG,), "yuyv": (YUYV,)}.get(pixel_format, (YUYV, MJPG))
    usable = [mode for mode in modes if mode.pixel_format in wanted]
    if not usable:
        return Mode(wanted[0], width, height, frames_per_second)

    def rank(mode: Mode) -> tuple[bool, float, float, float]:
        # Smaller than the analysis in both directions: detail is lost. One side is enough where the aspect differs.
        fills = min(1.0, max(mode.width / width, mode.height / height))
        too_slow = max(0.0, 0.95 * frames_per_second - mode.frames_per_second)
        cost = _cost(mode, width, height) * min(mode.frames_per_second, frames_per_second)
        # More frames than wanted are thrown away undecoded, but the bus still carries them.
        surplus = max(0.0, mode.frames_per_second - frames_per_second) * mode.width * mode.height * 1e-5
        return fills < 1, round(too_slow, 3), -round(fills, 3), cost + surplus

    return min(usable, key=rank)


def _cost(mode: Mode, width: int, height: int) -> float:
    pixels = mode.width * mode.height
    if mode.pixel_format == YUYV:
        # Beyond conversion, what is larger than needed has to be scaled down.
        return pixels * (_YUYV_COST + (0.3 if mode.width > width or mode.height > height else 0.0))
    scale = min(1.0, width / mode.width, height / mode.height)
    reduction = next((by for by in (8, 4, 2) if 1 / by >= scale - 1e-9), 1)
    return pixels * _JPEG_COST[reduction]
