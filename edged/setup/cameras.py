"""Which cameras this machine has, each by the name that stays its own over reboots and other ports."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edged.capture import v4l2_modes
from edged.errors import SourceError

# Nodes of a Raspberry Pi that convert or scale pictures; they say that they capture, and there is no lens behind them.
_CONVERTERS = ("bcm2835-codec", "bcm2835-isp", "rpivid", "rpi-hevc", "pispbe", "rp1-cfe-fe")
# Sensors on the ribbon cable: V4L2 gives what the sensor saw, raw, and libcamera makes pictures of it.
_RIBBON = ("unicam", "rp1-cfe", "rp1-cif")
# The first that leads to the device counts: by serial number, by port, and what other systems have for it.
_STABLE = ("dev/edged/usb-*", "dev/edged/*", "dev/v4l/by-id/*", "dev/v4l/by-path/*")


@dataclass(frozen=True)
class FoundCamera:
    """address: for capture.source. name: what it calls itself. node: the device of today, such as /dev/video0."""

    address: str
    name: str
    node: str
    problem: str = ""

    def __str__(self) -> str:
        told = f"{self.name or 'a camera'} ({self.node})"
        return f"{told}: {self.problem}" if self.problem else told


def found(root: Path = Path("/"), ask: Callable[[str], v4l2_modes.Camera] = v4l2_modes.ask) -> list[FoundCamera]:
    """Every camera of this machine. root, ask: for tests, another place with /dev and another kernel to ask.

    One that may not be opened is listed with the reason; nodes that send no pictures are not.
    """
    return list(_each(root, ask))


def _each(root: Path, ask: Callable[[str], v4l2_modes.Camera]) -> Iterator[FoundCamera]:
    links = _links(root)
    ribbon = False
    nodes = (root / "dev").glob("video[0-9]*")
    for node in sorted(nodes, key=lambda path: int(path.name.removeprefix("video"))):
        address = links.get(os.path.realpath(node), str(node))
        try:
            camera = ask(str(node))
        except SourceError as error:
            if "permission" in str(error.__cause__).lower():
                yield FoundCamera(address, "", str(node), f"{error.reason} ({error.cure})")
            continue
        if camera.name.startswith(_CONVERTERS):
            continue
        if camera.name.startswith(_RIBBON):
            if not ribbon:
                yield FoundCamera("picamera2:0", "the camera on the ribbon cable", str(node))
            ribbon = True
            continue
        yield FoundCamera(address, camera.name, str(node))


def _links(root: Path) -> dict[str, str]:
    """For each device the best of its names."""
    best: dict[str, str] = {}
    for pattern in _STABLE:
        for link in sorted(root.glob(pattern)):
            best.setdefault(os.path.realpath(link), str(link))
    return best
