"""The frame slot: the newest picture, in shared memory, from one writer to any number of readers.

A seqlock over a short ring. The writer never waits: it fills the slot after the newest one, then names it
newest. A reader copies the newest slot and keeps the copy only if that slot's generation did not change
meanwhile; with `SLOTS` buffers the writer must lap a reader by two whole frames before a copy is lost.

The memory is a memfd handed to the children as an open descriptor: it has no name in /dev/shm, so nothing is
left behind however anyone dies, and there is no lock, so a dead peer leaves none held. Readers sleep on a futex
(futex(2)) in the same memory; the writer wakes them all with one call.

Ordering: the generation is odd while a slot is being filled and `2 * sequence` once it is whole, and every step
is kept in order by `_fence`, on weakly ordered processors too. A writer that dies while it writes leaves an odd
generation in a slot that is not the newest, so nobody reads it; its successor counts on from shared memory.

Back-pressure for files: a reader that wants every frame says what it has taken, and a writer may wait for that
(with a bound). `demand` is the reader's wish for the time between frames, so that capture need not decode
pictures nobody will look at.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import struct
import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Union, cast, final

from edged import futex
from edged.errors import FrameSlotError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    class _Array(Protocol):
        """An array of numpy's: its type says that it is a buffer only from Python 3.12 on."""

        @property
        def __array_interface__(self) -> dict[str, Any]: ...

    Pixels = Union[Buffer, _Array]

SLOTS = 3
MAX_SIDE_PIXELS = 65535

_MAGIC = b"edgedfs1"
_PAGE = 4096
_NAME = "edged-frames"

# The first page: magic, capacity and number of slots, then words that live on their own cache lines. Words are
# 64 bits wide and aligned, so a store or a load is one instruction; futexes watch their low half.
_HEADER = struct.Struct("<8sQQ")
_NEWEST = 64  # sequence of the newest whole frame
_TAKEN = 128  # sequence a lockstep reader took last
_DEMAND = 192  # wanted microseconds between frames, 0 = as many as there are
_LEAST = 200  # least microseconds between frames, whatever the reader wants
_SLOT_BASE = 256
_SLOT_STRIDE = 128
_STAMP_OFFSET = 16  # behind the generation
_STAMP = struct.Struct("<QqqqdII")  # sequence, frame, captured_ns, wall_ns, at_ms, width, height
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW

# A signal that arrives after Python last looked and before the futex sleeps is only noticed on waking up; sleeping
# in slices bounds that, and the time lost if a writer is killed between publishing a frame and waking us.
_LONGEST_SLEEP_SECONDS = 0.5


class _HeldLock(threading.local):
    """A lock that each thread holds for itself, so that nobody ever waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()


_held = _HeldLock()


def _fence() -> None:
    """Everything before stays before, everything after stays after, for other processors too.

    Python has no fence of its own. Releasing a lock is a store-release: nothing before it may sink below it.
    Taking it again is a load-acquire: nothing after it may rise above it. On ARMv8 the pair itself is ordered
    (`[L]; po; [A]` in the architecture's barrier-ordered-before), so the two together are a full barrier; the
    other way round, acquire then release, would not be: both sides could slip in and pass each other there.
    glibc's semaphores and CPython's own mutex, which are what `threading.Lock` is made of, use exactly these
    (stlxr/ldaxr or the LSE forms; never the weaker ldapr). On x86 each is a locked instruction, a full barrier.
    """
    lock = _held.lock
    lock.release()
    lock.acquire()


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


@final
class FrameSlot:
    """One end of the shared memory. Made by `create` in the daemon and by `attach` in its children.

    Reading and writing may be done from different threads; `close` only when nobody else uses this end.
    """

    def __init__(self, fd: int, mapping: mmap.mmap, capacity_bytes: int) -> None:
        self.fd = fd
        self.capacity_bytes = capacity_bytes
        self._mapping = mapping
        self._memory = memoryview(mapping)
        self._head = self._memory[:_PAGE]
        self._words = self._head.cast("Q")
        stride = _stride(capacity_bytes)
        self._pixels = [
            self._memory[_PAGE + slot * stride : _PAGE + slot * stride + capacity_bytes] for slot in range(SLOTS)
        ]
        # The address stays good while the mapping does; the export that told it ends at once, or close() could not.
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        self._closed = False

    @classmethod
    def create(cls, capacity_bytes: int) -> FrameSlot:
        """Make shared memory for frames of up to `capacity_bytes`. Raises FrameSlotError."""
        _check_platform()
        if not 3 <= capacity_bytes <= MAX_SIDE_PIXELS * MAX_SIDE_PIXELS * 3:
            raise FrameSlotError(f"a frame slot of {capacity_bytes} bytes makes no sense: 3 bytes is one pixel")
        fd = os.memfd_create(_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            size = _total_bytes(capacity_bytes)
            os.ftruncate(fd, size)
            # Nobody can shrink it under a reader's feet (SIGBUS) or change that.
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            mapping = mmap.mmap(fd, size)
        except (OSError, OverflowError, ValueError) as error:
            os.close(fd)
            raise FrameSlotError(
                f"no shared memory for frames of {capacity_bytes} bytes: {error} (smaller capture.width and height?)"
            ) from error
        _HEADER.pack_into(mapping, 0, _MAGIC, capacity_bytes, SLOTS)
        return cls(fd, mapping, capacity_bytes)

    @classmethod
    def attach(cls, fd: int) -> FrameSlot:
        """Use the shared memory behind an inherited descriptor, which the result then owns. Raises FrameSlotError."""
        _check_platform()
        try:
            size = os.fstat(fd).st_size
        except OSError as error:
            raise FrameSlotError(f"descriptor {fd} is not open: {error.strerror}") from error
        try:
            seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        except OSError as error:
            raise FrameSlotError(f"descriptor {fd} is not a frame slot: no shared memory made by edged") from error
        if seals & _SEALS != _SEALS:
            raise FrameSlotError(f"descriptor {fd} is not a frame slot: its size is not sealed")
        if size < _PAGE:
            raise FrameSlotError(f"descriptor {fd} is not a frame slot: only {size} bytes")
        try:
            mapping = mmap.mmap(fd, size)
        except (OSError, ValueError) as error:
            raise FrameSlotError(f"frame slot of {size} bytes cannot be mapped: {error}") from error
        magic, capacity, slots = _HEADER.unpack_from(mapping, 0)
        if magic != _MAGIC:
            reason = "made by another version of edged" if magic[:7] == _MAGIC[:7] else "its first bytes are foreign"
        elif slots != SLOTS or _total_bytes(capacity) != size:
            reason = f"{size} bytes do not hold {slots} frames of {capacity} bytes"
        else:
            return cls(fd, mapping, capacity)
        mapping.close()
        raise FrameSlotError(f"descriptor {fd} is not a frame slot: {reason}")

    def __enter__(self) -> FrameSlot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unmap and close this end. The other ends are not touched; the memory goes with the last of them."""
        if self._closed:
            return
        self._closed = True
        for view in (*self._pixels, self._words, self._head, self._memory):
            view.release()
        self._mapping.close()
        os.close(self.fd)

    # The writer's side

    def write(
        self,
        pixels: Pixels,
        *,
        frame: int,
        captured_ns: int,
        wall_ns: int,
        at_ms: float,
        width: int,
        height: int,
    ) -> int:
        """Publish a picture and return its sequence number. Never waits. One writer at a time.

        pixels: C-contiguous uint8, height x width x 3, BGR. Raises FrameSlotError if they do not fit.
        """
        size = _checked_size(width, height)
        if size > self.capacity_bytes:
            raise FrameSlotError(
                f"a picture of {width}x{height} needs {size} bytes, this frame slot holds {self.capacity_bytes}"
            )
        with _flat(pixels) as source:
            if source.nbytes != size:
                raise FrameSlotError(f"a picture of {width}x{height} has {size} bytes, not {source.nbytes}")
            words = self._words
            sequence = words[_NEWEST // 8] + 1
            slot = sequence % SLOTS
            header = _SLOT_BASE + slot * _SLOT_STRIDE
            words[header // 8] = 2 * sequence - 1  # odd: being written
            _fence()
            _STAMP.pack_into(
                self._head, header + _STAMP_OFFSET, sequence, frame, captured_ns, wall_ns, at_ms, width, height
            )
            self._pixels[slot][:size] = source
            _fence()
            words[header // 8] = 2 * sequence  # whole
            _fence()
            words[_NEWEST // 8] = sequence
        futex.wake(self._address + _NEWEST)
        return sequence

    def wait_taken(self, sequence: int, timeout_seconds: float) -> bool:
        """Wait until the lockstep reader has taken `sequence`; False when time ran out or a signal came."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            taken = self._words[_TAKEN // 8]
            if taken >= sequence:
                return True
            if not self._sleep(_TAKEN, taken, deadline):
                return self._words[_TAKEN // 8] >= sequence

    def demand(self) -> float:
        """Seconds wanted between frames, by the reader or by who looks after the board; 0.0 means every frame."""
        return max(self._words[_DEMAND // 8], self._words[_LEAST // 8]) / 1e6

    # The reader's side

    def newest_sequence(self) -> int:
        """Sequence number of the newest whole frame, 0 before the first."""
        return self._words[_NEWEST // 8]

    def read(self, after: int, into: Pixels, timeout_seconds: float) -> FrameStamp | None:
        """Copy the newest frame with a sequence above `after` to the start of `into`, waiting for one if need be.

        Returns its stamp; gaps between sequences are frames that were missed. None: nothing newer came in time,
        a signal was handled, `wake` was called, or the writer overtook every copy until then. On None the
        contents of `into` are undefined. Raises FrameSlotError if the frame is larger than `into`.
        """
        deadline = time.monotonic() + timeout_seconds
        with _flat(into) as target:
            while True:
                newest = self._words[_NEWEST // 8]
                if newest <= after:
                    if not self._sleep(_NEWEST, newest, deadline) and self._words[_NEWEST // 8] <= after:
                        return None
                    continue
                stamp = self._copy(newest, target)
                if stamp is not None:
                    return stamp
                if time.monotonic() >= deadline:
                    return None

    def taken(self, sequence: int) -> None:
        """Tell a writer in lockstep that `sequence` has been copied and the next frame may come."""
        if sequence > self._words[_TAKEN // 8]:
            self._words[_TAKEN // 8] = sequence
            _fence()
            futex.wake(self._address + _TAKEN)

    def set_demand(self, seconds: float) -> None:
        """Wish for at least this much time between frames; 0 asks for all."""
        self._words[_DEMAND // 8] = max(0, round(seconds * 1e6))

    def set_least(self, seconds: float) -> None:
        """At least this much time between frames, whatever the reader wants; 0 leaves it to the reader. Outlives both sides."""
        self._words[_LEAST // 8] = max(0, round(seconds * 1e6))

    def wake(self) -> None:
        """Make everyone who sleeps in `read` or `wait_taken` return empty-handed, to look at other things."""
        futex.wake(self._address + _NEWEST)
        futex.wake(self._address + _TAKEN)

    def _copy(self, sequence: int, target: memoryview) -> FrameStamp | None:
        """One attempt at copying frame `sequence`; None if the writer got in the way."""
        words = self._words
        slot = sequence % SLOTS
        header = _SLOT_BASE + slot * _SLOT_STRIDE
        whole = 2 * sequence
        _fence()  # the newest number was read before; its generation must not be older
        if words[header // 8] != whole:
            return None
        _fence()
        stamp = FrameStamp(*_STAMP.unpack_from(self._head, header + _STAMP_OFFSET))
        size = stamp.size_bytes
        if size <= min(self.capacity_bytes, target.nbytes):
            target[:size] = self._pixels[slot][:size]
        _fence()
        if words[header // 8] != whole:
            return None
        if size > self.capacity_bytes or stamp.sequence != sequence:
            raise FrameSlotError("the frame slot was overwritten by something that is not its writer")
        if size > target.nbytes:
            raise FrameSlotError(
                f"a frame of {stamp.width}x{stamp.height} needs {size} bytes, the reader's buffer has {target.nbytes}"
            )
        return stamp

    def _sleep(self, word: int, seen: int, deadline: float) -> bool:
        """Sleep while `word` is `seen`. False: time is up, a signal was handled or `wake` was called."""
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        result = futex.wait(self._address + word, seen, min(remaining, _LONGEST_SLEEP_SECONDS))
        if result in (errno.EAGAIN, errno.ETIMEDOUT):
            return True  # changed before we slept, or the end of a slice: the caller looks again
        if result in (0, errno.EINTR):
            return self._words[word // 8] != seen
        raise FrameSlotError(f"cannot wait for frames: futex: {os.strerror(result)}")


def _checked_size(width: int, height: int) -> int:
    if not (0 < width <= MAX_SIDE_PIXELS and 0 < height <= MAX_SIDE_PIXELS):
        raise FrameSlotError(f"a picture of {width}x{height} pixels cannot be")
    return width * height * 3


def _flat(buffer: Pixels) -> memoryview:
    """The bytes of a C-contiguous buffer of any shape."""
    try:
        return memoryview(cast("Buffer", buffer)).cast("B")
    except TypeError as error:
        raise FrameSlotError(f"pixels must be C-contiguous bytes: {error}") from error


def _stride(capacity_bytes: int) -> int:
    """Distance of two slots' pixels: whole pages."""
    return -(-capacity_bytes // _PAGE) * _PAGE


def _total_bytes(capacity_bytes: int) -> int:
    return _PAGE + SLOTS * _stride(capacity_bytes)


def _check_platform() -> None:
    if not futex.AVAILABLE or sys.byteorder != "little":
        raise FrameSlotError(f"frame slots are not supported on {platform.machine()} ({sys.byteorder}-endian)")
