"""Light processes for the tests of the frame slot: they import edged.frames and nothing else of edged.

`python pattern.py write FD WIDTH HEIGHT` publishes pictures as fast as it can, for ever; each is filled with a
pattern made from its sequence number. `python pattern.py read FD SECONDS` checks pictures and prints what it saw.
"""

from __future__ import annotations

import functools
import sys
import time

from edged.frames import FrameSlot

PERIOD = 251  # a prime, so that a shift by a page or a cache line shows


@functools.cache
def _wheel(size: int) -> memoryview:
    return memoryview(bytes(range(PERIOD)) * (size // PERIOD + 3))


def pattern(sequence: int, size: int) -> memoryview:
    """`size` bytes that depend on the sequence number in every place."""
    start = sequence % PERIOD
    return _wheel(size)[start : start + size]


def write_for_ever(slot: FrameSlot, width: int, height: int) -> None:
    """Publish until killed."""
    while True:
        sequence = slot.newest_sequence() + 1
        write_one(slot, sequence, width, height)


def write_one(slot: FrameSlot, sequence: int, width: int, height: int) -> int:
    """Publish one picture whose stamp and pixels all say its sequence number."""
    return slot.write(
        pattern(sequence, width * height * 3),
        frame=sequence * 3,
        captured_ns=sequence * 5,
        wall_ns=sequence * 7,
        at_ms=sequence * 11.0,
        width=width,
        height=height,
    )


def read_and_check(slot: FrameSlot, seconds: float) -> tuple[int, int, int]:
    """Read until time is up. Returns frames read, frames missed, frames that were torn."""
    buffer = bytearray(slot.capacity_bytes)
    deadline = time.monotonic() + seconds
    read = missed = torn = 0
    last = first = slot.newest_sequence()
    while time.monotonic() < deadline:
        stamp = slot.read(last, buffer, 0.2)
        if stamp is None:
            continue
        n = stamp.sequence
        stamp_whole = (stamp.frame, stamp.captured_ns, stamp.wall_ns, stamp.at_ms) == (n * 3, n * 5, n * 7, n * 11.0)
        pixels_whole = memoryview(buffer)[: stamp.size_bytes] == pattern(n, stamp.size_bytes)
        torn += not (stamp_whole and pixels_whole and n > last)
        read += 1
        last = n
    missed = last - first - read
    return read, missed, torn


def main(arguments: list[str]) -> None:
    """Be the writer or a reader."""
    role, fd, *rest = arguments
    slot = FrameSlot.attach(int(fd))
    if role == "write":
        write_for_ever(slot, int(rest[0]), int(rest[1]))
    else:
        print(*read_and_check(slot, float(rest[0])), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
