"""What handing a picture from one process to another costs: the frame slot, multiprocessing.Queue, and a bare memcpy.

All three move the same pictures at the same pace, one process writing and one reading, each on its own. CPU is the
whole process's time (Queue has a thread of its own that pickles), less what the same loop costs with no picture in
it. Latency runs from before the write until the reader holds its own copy. `memcpy` is the limit: one copy in and
one copy out within one process, with nobody to be woken.
"""

from __future__ import annotations

import gc
import json
import mmap
import multiprocessing
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edged.daemon.vitals import percentile
from edged.frames import SLOTS, FrameSlot

SIZES = ((640, 480), (1920, 1080))
FRAMES_PER_SECOND = 60.0
METHODS = ("slot", "queue", "memcpy")

_WARM_UP_SHARE = 0.1
_LAST = -1  # the frame number that ends a run
_SOURCES = 4  # pictures come from different places, as from a driver's ring, and not from a warm cache
_READY_SECONDS = 30.0


@dataclass(frozen=True)
class Side:
    """One end: processor microseconds per picture."""

    cpu_us_per_frame: float


@dataclass(frozen=True)
class Figures:
    """One method at one size. missed: pictures the reader never saw (the slot keeps the newest only)."""

    writer: Side
    reader: Side
    latency_p50_us: float
    latency_p99_us: float
    frames: int
    missed: int

    def as_json(self) -> dict[str, Any]:
        """The shape that scripts rely on; cpu_us_per_frame is both ends together."""
        return {
            "cpu_us_per_frame": round(self.writer.cpu_us_per_frame + self.reader.cpu_us_per_frame, 1),
            "latency_us": {"p50": round(self.latency_p50_us, 1), "p99": round(self.latency_p99_us, 1)},
            "writer": {"cpu_us_per_frame": round(self.writer.cpu_us_per_frame, 1)},
            "reader": {"cpu_us_per_frame": round(self.reader.cpu_us_per_frame, 1)},
            "frames": self.frames,
            "missed": self.missed,
        }


class _Meter:
    """Collects one end's processor time and latencies once it is warm."""

    def __init__(self, warm_frames: int) -> None:
        self._warm_frames = warm_frames
        self._cpu = 0.0
        self.frames = 0
        self.latencies_us: list[float] = []

    def frame(self, number: int, sent_ns: int) -> None:
        """A picture has arrived."""
        now_ns = time.monotonic_ns()
        if number < self._warm_frames:
            return
        if self.frames == 0:
            self._cpu = time.process_time()
        self.frames += 1
        self.latencies_us.append((now_ns - sent_ns) / 1e3)

    def result(self) -> dict[str, float]:
        """cpu_us: per picture after the first; latencies in microseconds."""
        cpu = time.process_time() - self._cpu
        ordered = sorted(self.latencies_us) or [0.0]
        return {
            "frames": self.frames,
            "cpu_us": 1e6 * cpu / max(1, self.frames - 1),
            "p50": percentile(ordered, 0.5),
            "p99": percentile(ordered, 0.99),
        }


def measure(width: int, height: int, method: str, seconds: float) -> Figures:
    """Run one method at one size for so long."""
    return {"slot": _measure_slot, "queue": _measure_queue, "memcpy": _measure_memcpy}[method](width, height, seconds)


def measure_all(seconds: float, told: Callable[[str], None] = lambda _: None) -> dict[str, dict[str, Any]]:
    """Everything, each for `seconds`: size -> method -> figures. told: gets a word before each part."""
    results: dict[str, dict[str, Any]] = {}
    for width, height in SIZES:
        size = f"{width}x{height}"
        results[size] = {}
        for method in METHODS:
            told(f"{method} {size}")
            results[size][method] = measure(width, height, method, seconds).as_json()
    return results


def _sources(size: int) -> list[bytes]:
    return [bytes([number + 1]) * size for number in range(_SOURCES)]


def _paced(seconds: float, write: Callable[[int], object]) -> tuple[int, float]:
    """Call `write` with frame numbers at the pace. Returns frames and processor microseconds per warm frame."""
    frames = max(20, int(seconds * FRAMES_PER_SECOND))
    warm = int(frames * _WARM_UP_SHARE)
    begin = time.monotonic()
    cpu = 0.0
    for number in range(frames):
        if number == warm:
            cpu = time.process_time()
        wait = begin + number / FRAMES_PER_SECOND - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        write(number)
    return frames, 1e6 * (time.process_time() - cpu) / (frames - warm)


def _idle_cpu_us(seconds: float) -> float:
    """What the paced loop itself costs per turn."""
    return _paced(min(seconds, 1.0), lambda _: None)[1]


def _measure_slot(width: int, height: int, seconds: float) -> Figures:
    sources = _sources(width * height * 3)
    idle = _idle_cpu_us(seconds)
    with FrameSlot.create(width * height * 3) as slot:

        def write(number: int) -> None:
            slot.write(
                sources[number % _SOURCES],
                frame=number, captured_ns=time.monotonic_ns(), wall_ns=0, at_ms=0.0, width=width, height=height,
            )  # fmt: skip

        reader = subprocess.Popen(
            [sys.executable, "-m", "edged.bench.frames", str(slot.fd), str(_warm_frames(seconds))],
            pass_fds=[slot.fd], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            _await_reader(slot)
            frames, cpu_us = _paced(seconds, write)
            write(_LAST)
            output, _ = reader.communicate(timeout=_READY_SECONDS)
        finally:
            reader.kill()
            reader.wait()
    return _figures(frames, cpu_us - idle, json.loads(output), seconds)


def _await_reader(slot: FrameSlot) -> None:
    """The reader says through the slot itself that it is there."""
    deadline = time.monotonic() + _READY_SECONDS
    while not slot.wait_taken(1, 0.5):
        if time.monotonic() > deadline:
            raise TimeoutError("the reading process did not start")


def _read_slot(fd: int, warm_frames: int) -> dict[str, float]:
    """The reading end, in its own process."""
    _leave_interrupts()
    slot = FrameSlot.attach(fd)
    buffer = bytearray(slot.capacity_bytes)
    meter = _Meter(warm_frames)
    gc.disable()
    slot.taken(1)
    last = 0
    while True:
        stamp = slot.read(last, buffer, 1.0)
        if stamp is None:
            continue
        last = stamp.sequence
        if stamp.frame == _LAST:
            return meter.result()
        meter.frame(stamp.frame, stamp.captured_ns)


def _measure_queue(width: int, height: int, seconds: float) -> Figures:
    context = multiprocessing.get_context("spawn")
    pictures: multiprocessing.Queue[tuple[int, int, bytes]] = context.Queue(maxsize=SLOTS)
    answers: multiprocessing.Queue[dict[str, float]] = context.Queue()
    sources = _sources(width * height * 3)
    idle = _idle_cpu_us(seconds)
    reader = context.Process(target=_read_queue, args=(pictures, answers, _warm_frames(seconds)), daemon=True)
    reader.start()
    lost = 0

    def write(number: int) -> None:
        nonlocal lost
        try:
            pictures.put_nowait((number, time.monotonic_ns(), sources[number % _SOURCES]))
        except queue.Full:
            lost += 1

    try:
        answers.get(timeout=_READY_SECONDS)
        frames, cpu_us = _paced(seconds, write)
        pictures.put((_LAST, 0, b""))
        result = answers.get(timeout=_READY_SECONDS)
    finally:
        reader.join(1.0)
        reader.kill()
        reader.join()
        for each in (pictures, answers):
            each.close()
            each.join_thread()
    return _figures(frames, cpu_us - idle, result, seconds)


def _read_queue(pictures: Any, answers: Any, warm_frames: int) -> None:
    """The reading end, in its own process."""
    _leave_interrupts()
    meter = _Meter(warm_frames)
    gc.disable()
    answers.put({})
    while True:
        number, sent_ns, _ = pictures.get()
        if number == _LAST:
            answers.put(meter.result())
            return
        meter.frame(number, sent_ns)


def _leave_interrupts() -> None:
    """Ctrl-C reaches the whole terminal; the one that measures ends, and ends us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _measure_memcpy(width: int, height: int, seconds: float) -> Figures:
    size = width * height * 3
    sources = [memoryview(source) for source in _sources(size)]
    target = memoryview(bytearray(size))
    warm = _warm_frames(seconds)
    spent = {"in": 0.0, "out": 0.0}
    latencies_us: list[float] = []
    with mmap.mmap(-1, size * SLOTS) as memory, memoryview(memory) as view:
        rooms = [view[slot * size : (slot + 1) * size] for slot in range(SLOTS)]

        def write(number: int) -> None:
            room = rooms[number % SLOTS]
            begin_ns, cpu = time.monotonic_ns(), time.process_time()
            room[:] = sources[number % _SOURCES]
            between = time.process_time()
            target[:] = room
            end = time.process_time()
            if number >= warm:
                latencies_us.append((time.monotonic_ns() - begin_ns) / 1e3)
                spent["in"] += between - cpu
                spent["out"] += end - between

        frames, _ = _paced(seconds, write)
        for room in rooms:
            room.release()
    ordered = sorted(latencies_us)
    count = len(ordered)
    return Figures(
        Side(1e6 * spent["in"] / count),
        Side(1e6 * spent["out"] / count),
        percentile(ordered, 0.5),
        percentile(ordered, 0.99),
        frames - warm,
        0,
    )


def _warm_frames(seconds: float) -> int:
    return int(max(20, int(seconds * FRAMES_PER_SECOND)) * _WARM_UP_SHARE)


def _figures(frames: int, writer_us: float, read: dict[str, float], seconds: float) -> Figures:
    warm = frames - _warm_frames(seconds)
    seen = int(read["frames"])
    return Figures(Side(max(0.0, writer_us)), Side(read["cpu_us"]), read["p50"], read["p99"], seen, warm - seen)


if __name__ == "__main__":
    print(json.dumps(_read_slot(int(sys.argv[1]), int(sys.argv[2]))))
