"""How a video file wants to be turned, read from the file itself.

OpenCV builds differ: some apply the display matrix, some report it, some neither know nor say. For the MP4
family the answer is in the track header (ISO 14496-12, 8.3.2: nine fixed-point numbers), so it is read here and
is the same under every build.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_LARGEST_HEADER = 1 << 20


def mp4_rotation_degrees(path: Path) -> int | None:
    """Clockwise degrees (0, 90, 180, 270) that make the video upright; `None`: not an MP4 or QuickTime file."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
            if len(start) < 12 or start[4:8] not in (b"ftyp", b"moov", b"wide", b"mdat", b"free", b"skip"):
                return None
            return _video_rotation(file, 0, path.stat().st_size)
    except (OSError, struct.error):
        return None


def _boxes(file: BinaryIO, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """Name, first payload byte and end of each box between two offsets."""
    found = []
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        payload = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            payload += 8
        elif size == 0:
            size = end - start
        if size < payload - start:
            break
        found.append((name, payload, min(end, start + size)))
        start += size
    return found


def _video_rotation(file: BinaryIO, start: int, end: int) -> int | None:
    for name, payload, stop in _boxes(file, start, end):
        if name == b"moov":
            for track, first, last in _boxes(file, payload, stop):
                if track == b"trak" and _is_video(file, first, last):
                    return _track_rotation(file, first, last)
    return None


def _is_video(file: BinaryIO, start: int, end: int) -> bool:
    for name, payload, stop in _boxes(file, start, end):
        if name == b"mdia":
            return _is_video(file, payload, stop)
        if name == b"hdlr":
            file.seek(payload + 8)
            return file.read(4) == b"vide"
    return False


def _track_rotation(file: BinaryIO, start: int, end: int) -> int:
    for name, payload, stop in _boxes(file, start, end):
        if name != b"tkhd" or stop - payload > _LARGEST_HEADER:
            continue
        file.seek(payload)
        header = file.read(stop - payload)
        matrix = 52 if header[0] == 1 else 40  # version 1 has 64-bit times
        a, b, _, _, d, _ = struct.unpack_from(">6i", header, matrix)
        # The picture's x axis (a, b) in screen coordinates, y downwards: its angle is the clockwise turn.
        if abs(b) > abs(a):
            return 90 if b > 0 else 270
        return 180 if a < 0 and d < 0 else 0
    return 0
