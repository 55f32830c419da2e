"""The frame slot between processes that race, die and come back.

STRESS_SECONDS=10 and STRESS_KILLS=500 make these as long as one likes.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.frames import FrameSlot
from tests.frames import pattern

STRESS_SECONDS = float(os.environ.get("STRESS_SECONDS", "3"))
KILLS = int(os.environ.get("STRESS_KILLS", "120"))
WIDTH, HEIGHT = 320, 240
ROOT = Path(__file__).resolve().parents[2]


def start(slot: FrameSlot, *arguments: object) -> subprocess.Popen[str]:
    # -S: no site-packages are needed, and an interpreter without them starts in a third of the time.
    role, *rest = arguments
    return subprocess.Popen(
        [
            sys.executable, "-S", "-c", "import sys; from tests.frames import pattern; pattern.main(sys.argv[1:])",
            str(role), str(slot.fd), *map(str, rest),
        ],
        pass_fds=[slot.fd], stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


@pytest.fixture
def slot() -> Iterator[FrameSlot]:
    with FrameSlot.create(WIDTH * HEIGHT * 3) as slot:
        yield slot


def wait_for_news(slot: FrameSlot, after: int) -> int:
    buffer = bytearray(slot.capacity_bytes)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        stamp = slot.read(after, buffer, 1.0)
        if stamp is not None:
            assert buffer[: stamp.size_bytes] == pattern.pattern(stamp.sequence, stamp.size_bytes)
            return stamp.sequence
    raise AssertionError("no frame came")


@pytest.mark.timeout(60 + STRESS_SECONDS)
def test_one_fast_writer_and_several_readers_never_a_torn_frame(slot: FrameSlot) -> None:
    writer = start(slot, "write", WIDTH, HEIGHT)
    try:
        wait_for_news(slot, 0)
        readers = [start(slot, "read", STRESS_SECONDS) for _ in range(3)]
        for reader in readers:
            output, _ = reader.communicate(timeout=STRESS_SECONDS + 30)
            read, missed, torn = map(int, output.split())
            assert torn == 0
            assert read > 50
            assert missed >= 0
    finally:
        end(writer)


@pytest.mark.timeout(60 + KILLS)
def test_killing_writers_at_random_leaves_readers_working(slot: FrameSlot) -> None:
    rng = random.Random(5)
    fds_before = len(os.listdir("/proc/self/fd"))
    newest = 0
    for _ in range(KILLS // 2):
        writer = start(slot, "write", WIDTH, HEIGHT)
        try:
            newest = wait_for_news(slot, newest)
            time.sleep(rng.uniform(0, 0.004))
        finally:
            end(writer)
        assert writer.returncode == -signal.SIGKILL
        after = slot.newest_sequence()
        assert after >= newest
        newest = wait_for_news(slot, after - 1)  # the newest one is whole, whatever the writer was doing
    assert not [name for name in os.listdir("/dev/shm") if "edged" in name]  # others' come and go meanwhile
    assert len(os.listdir("/proc/self/fd")) == fds_before


@pytest.mark.timeout(60 + KILLS)
def test_killing_readers_at_random_leaves_the_writer_working(slot: FrameSlot) -> None:
    rng = random.Random(6)
    writer = start(slot, "write", WIDTH, HEIGHT)
    try:
        newest = wait_for_news(slot, 0)
        for _ in range(KILLS // 2):
            reader = start(slot, "read", 60)
            # Long enough that many are past their imports and within a copy or asleep.
            time.sleep(rng.uniform(0.01, 0.06))
            end(reader)
            newest = wait_for_news(slot, newest)
        assert writer.poll() is None
    finally:
        end(writer)
