"""The frame slot within one process: what it keeps, what it refuses, how it sleeps."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import FrameSlotError
from edged.frames import SLOTS, FrameSlot, FrameStamp

WIDTH, HEIGHT = 8, 4
SIZE = WIDTH * HEIGHT * 3


@pytest.fixture
def slot() -> Iterator[FrameSlot]:
    with FrameSlot.create(SIZE) as slot:
        yield slot


def put(slot: FrameSlot, value: int = 7, width: int = WIDTH, height: int = HEIGHT) -> int:
    return slot.write(
        bytes([value % 256]) * (width * height * 3),
        frame=value, captured_ns=value + 1, wall_ns=value + 2, at_ms=value + 0.5, width=width, height=height,
    )  # fmt: skip


def test_a_picture_comes_out_as_it_went_in(slot: FrameSlot) -> None:
    buffer = bytearray(SIZE)
    assert slot.newest_sequence() == 0
    assert put(slot, 9) == 1
    assert slot.read(0, buffer, 0) == FrameStamp(1, 9, 10, 11, 9.5, WIDTH, HEIGHT)
    assert buffer == bytes([9]) * SIZE


def test_the_latest_wins_and_gaps_are_what_was_missed(slot: FrameSlot) -> None:
    buffer = bytearray(SIZE)
    for value in range(1, 8):
        put(slot, value)
    stamp = slot.read(2, buffer, 0)
    assert stamp is not None
    assert stamp.sequence == 7
    assert buffer[0] == 7


def test_a_smaller_picture_leaves_the_rest_of_the_buffer_alone(slot: FrameSlot) -> None:
    buffer = bytearray(b"\xff" * SIZE)
    put(slot, 1, width=2, height=2)
    stamp = slot.read(0, buffer, 0)
    assert stamp is not None
    assert (stamp.width, stamp.height, stamp.size_bytes) == (2, 2, 12)
    assert buffer == b"\x01" * 12 + b"\xff" * (SIZE - 12)


def test_another_end_sees_the_same_memory(slot: FrameSlot) -> None:
    with FrameSlot.attach(os.dup(slot.fd)) as other:
        put(slot, 5)
        assert other.capacity_bytes == SIZE
        assert other.newest_sequence() == 1
        assert put(other, 6) == 2  # a restarted writer counts on
        assert slot.newest_sequence() == 2


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 255)), min_size=1, max_size=12))
def test_any_series_of_sizes(pictures: list[tuple[int, int, int]]) -> None:
    buffer = bytearray(12 * 12 * 3)
    with FrameSlot.create(12 * 12 * 3) as slot:
        for number, (width, height, value) in enumerate(pictures, start=1):
            assert put(slot, value, width, height) == number
            stamp = slot.read(number - 1, buffer, 0)
            assert stamp is not None
            assert (stamp.width, stamp.height, stamp.frame) == (width, height, value)
            assert buffer[: stamp.size_bytes] == bytes([value]) * stamp.size_bytes


def test_nothing_newer_is_none_after_the_timeout(slot: FrameSlot) -> None:
    put(slot)
    before = time.monotonic()
    assert slot.read(1, bytearray(SIZE), 0.05) is None
    assert time.monotonic() - before >= 0.05


def test_a_sleeping_reader_is_woken_by_the_writer(slot: FrameSlot) -> None:
    got: list[FrameStamp | None] = []
    reader = threading.Thread(target=lambda: got.append(slot.read(0, bytearray(SIZE), 30)))
    reader.start()
    time.sleep(0.05)
    put(slot, 3)
    reader.join(timeout=10)
    assert got
    assert got[0] is not None
    assert got[0].frame == 3


def test_wake_ends_a_read_without_a_frame(slot: FrameSlot) -> None:
    got: list[FrameStamp | None] = []
    reader = threading.Thread(target=lambda: got.append(slot.read(0, bytearray(SIZE), 30)))
    reader.start()
    while reader.is_alive():
        slot.wake()
        reader.join(timeout=0.02)
    assert got == [None]


def test_a_signal_ends_a_read_after_its_handler_ran(slot: FrameSlot) -> None:
    seen: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    previous = signal.signal(signal.SIGUSR1, handler)
    killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    killer.start()
    try:
        # The kernel may give the signal to another thread; the slice of the sleep bounds that.
        while not seen:
            assert slot.read(0, bytearray(SIZE), 5) is None or seen
    finally:
        killer.join()
        signal.signal(signal.SIGUSR1, previous)
    assert seen == [signal.SIGUSR1]


def test_lockstep_waits_until_taken(slot: FrameSlot) -> None:
    first = put(slot, 1)
    assert not slot.wait_taken(first, 0.01)
    threading.Timer(0.03, slot.taken, (first,)).start()
    deadline = time.monotonic() + 10
    while not slot.wait_taken(first, 1.0):
        assert time.monotonic() < deadline
    slot.taken(0)  # an old number changes nothing
    assert slot.wait_taken(first, 0)


def test_demand_travels_from_reader_to_writer(slot: FrameSlot) -> None:
    assert slot.demand() == 0
    with FrameSlot.attach(os.dup(slot.fd)) as reader:
        reader.set_demand(1 / 7)
        assert slot.demand() == pytest.approx(1 / 7, abs=1e-6)
        reader.set_demand(-1)
        assert slot.demand() == 0


def test_pictures_that_do_not_fit_are_refused_and_nothing_is_published(slot: FrameSlot) -> None:
    with pytest.raises(FrameSlotError, match="needs 108 bytes, this frame slot holds 96"):
        put(slot, 1, width=9)
    with pytest.raises(FrameSlotError, match="has 12 bytes, not 5"):
        slot.write(b"12345", frame=0, captured_ns=0, wall_ns=0, at_ms=0, width=2, height=2)
    for width, height in ((0, 1), (1, 0), (-1, -1), (65536, 1)):
        with pytest.raises(FrameSlotError, match="cannot be"):
            slot.write(b"", frame=0, captured_ns=0, wall_ns=0, at_ms=0, width=width, height=height)
    with pytest.raises(FrameSlotError, match="C-contiguous"):
        slot.write(memoryview(b"123456")[::2], frame=0, captured_ns=0, wall_ns=0, at_ms=0, width=1, height=1)
    assert slot.newest_sequence() == 0


def test_a_buffer_that_is_too_small_is_refused(slot: FrameSlot) -> None:
    put(slot)
    with pytest.raises(FrameSlotError, match="the reader's buffer has 95"):
        slot.read(0, bytearray(SIZE - 1), 0)


def test_a_writer_that_died_within_a_picture_disturbs_nobody(slot: FrameSlot) -> None:
    for value in (1, 2):
        put(slot, value)
    # What a SIGKILL inside write() leaves: the third slot's generation is odd, its pixels are half old, half new.
    slot._words[(256 + (3 % SLOTS) * 128) // 8] = 5
    slot._pixels[3 % SLOTS][:10] = b"x" * 10
    buffer = bytearray(SIZE)
    stamp = slot.read(0, buffer, 0)
    assert stamp is not None
    assert stamp.sequence == 2
    assert slot.read(2, buffer, 0.01) is None
    assert put(slot, 3) == 3
    assert slot.read(2, buffer, 0) is not None
    assert buffer == b"\x03" * SIZE


def test_a_foreign_stamp_is_an_error_and_no_overrun(slot: FrameSlot) -> None:
    put(slot)
    struct.pack_into("<II", slot._memory, 256 + 128 + 16 + 40, 60000, 60000)
    with pytest.raises(FrameSlotError, match="not its writer"):
        slot.read(0, bytearray(SIZE), 0)


def memory(content: bytes, *, seal: bool = True) -> int:
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    if seal:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd


@pytest.mark.parametrize(
    ("content", "sealed", "reason"),
    [
        (b"edgedfs1", True, "only 8 bytes"),
        (b"\0" * 8192, True, "foreign"),
        (b"edgedfs2" + b"\0" * 8184, True, "another version"),
        (struct.pack("<8sQQ", b"edgedfs1", 96, 3).ljust(8192, b"\0"), True, "8192 bytes do not hold 3 frames of 96"),
        (struct.pack("<8sQQ", b"edgedfs1", 2**63, 3).ljust(8192, b"\0"), True, "do not hold"),
        (struct.pack("<8sQQ", b"edgedfs1", 96, 3).ljust(16384, b"\0"), False, "not sealed"),
    ],
)
def test_foreign_memory_is_refused(content: bytes, sealed: bool, reason: str) -> None:
    fd = memory(content, seal=sealed)
    try:
        with pytest.raises(FrameSlotError, match=reason):
            FrameSlot.attach(fd)
    finally:
        os.close(fd)


def test_what_is_not_memory_at_all_is_refused() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(FrameSlotError, match="no shared memory made by edged"):
            FrameSlot.attach(reader)
    finally:
        os.close(reader)
        os.close(writer)
    with pytest.raises(FrameSlotError, match="is not open"):
        FrameSlot.attach(reader)


@pytest.mark.parametrize("capacity", [-1, 0, 2, 2**50])
def test_senseless_capacities_are_refused(capacity: int) -> None:
    with pytest.raises(FrameSlotError):
        FrameSlot.create(capacity)


def test_the_size_cannot_be_changed_under_anyones_feet(slot: FrameSlot) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(slot.fd, 10)


def test_closing_gives_everything_back() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(20):
        slot = FrameSlot.create(SIZE)
        other = FrameSlot.attach(os.dup(slot.fd))
        put(slot)
        slot.close()
        slot.close()
        assert other.newest_sequence() == 1
        other.close()
    assert sorted(os.listdir("/proc/self/fd")) == before
