"""The frame slot: the newest picture, in shared memory, from one writer to any number of readers.

A seqlock over a short ring. The writer never waits: it fills the slot after the newest one, then names it
newest. A reader copies the newest slot and keeps the copy only if that slot's generation did not change
meanwhile; with `SLOTS` buffers the writer must lap a reader by two whole frames before a copy is lost.

The memory is a memfd handed to the children as an open descriptor: it has no name in /dev/shm, so nothing is
left behind however anyone dies, and there is no lock, so a dead peer leaves none held. Readers sleep on a futex
(futex(2)) in the same memory; the writer wakes them all with one call.

Back-pressure for files: a reader that wants every frame says what it has taken, and a writer may wait for that
(with a bound). `demand` is the reader's wish for the time between frames, so that capture need not decode
pictures nobody will look at.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct
import threading
import time
from dataclasses import dataclass

from edged.errors import FrameSlotError

SLOTS = 3
_MAGIC = b"edgedfs1"
_PAGE = 4096

# Header: magic, capacity of one slot, then words that live on their own cache lines.
_HEADER = struct.Struct("<8sQI")
_NEWEST = 64  # u32 futex word: count of frames published, low 32 bits
_TAKEN = 128  # u32 futex word: low 32 bits of the last sequence a lockstep reader took
_DEMAND = 192  # u32: wanted microseconds between frames, 0 = as many as there are
_SLOT_BASE = 256
_SLOT_HEADER = struct.Struct("<QQqqqdIIII")  # generation twice, sequence, captured, wall, at_ms, frame hi/lo, w, h
_SLOT_STRIDE = 128
_WORD = struct.Struct("<I")
_GENERATION = struct.Struct("<Q")

_SYS_FUTEX = {"x86_64": 202, "aarch64": 98, "armv7l": 240, "armv6l": 240, "i686": 240, "riscv64": 98}
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1
_WAKE_ALL = 0x7FFFFFFF


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


@dataclass(frozen=True)
class FrameStamp:
    """What is known of a frame besides its pixels.

    sequence: strictly increasing from 1 over the life of the slot. frame: the source's own number in decode order.
    captured_ns: CLOCK_MONOTONIC; wall_ns: UTC; at_ms: stream time. The pixels are BGR, uint8, height x width x 3.
    """

    sequence: int
    frame: int
    captured_ns: int
    wall_ns: int
    at_ms: float
    width: int
    height: int

    @property
    def size_bytes(self) -> int:
        return self.width * self.height * 3
