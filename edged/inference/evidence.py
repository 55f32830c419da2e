"""Evidence, where the pictures are: the last seconds are remembered as JPEGs, and those around an event encrypted and written.

They are in clear in this process's memory only. It is given a key for each file by itself, and never the owner's.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec

from edged.errors import EvidenceError
from edged.evidence.album import Album
from edged.evidence.container import Header, Picture, pack
from edged.frames import FrameStamp
from edged.inference.crops import Image
from edged.messages import EvidenceKept, KeepEvidence
from edged.settings.keeping import EvidenceSettings

log = logging.getLogger(__name__)

# Verdicts are patient: an event may be told so much later than the frame on which it was decided.
_LATE_SECONDS = 2.0
_ORDERS_AT_ONCE = 8
_END_SECONDS = 0.6


@dataclass(frozen=True)
class _Taken:
    captured_ns: int
    wall_ns: int
    frame: int
    jpeg: bytes


class EvidenceKeeper:
    """Remembers pictures and keeps those that are asked for. For the thread that has the frames; one more writes."""

    def __init__(self, settings: EvidenceSettings) -> None:
        self._settings = settings
        self._every_ns = round(1e9 / settings.pictures_per_second)
        self._span_ns = round((settings.before_seconds + settings.after_seconds + _LATE_SECONDS) * 1e9)
        self._taken: deque[_Taken] = deque()
        self._due_ns = 0
        self._orders: deque[KeepEvidence] = deque()
        self._work: queue.SimpleQueue[tuple[KeepEvidence, list[_Taken]] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[EvidenceKept] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    @property
    def remembered(self) -> int:
        """Pictures in memory."""
        return len(self._taken)

    def see(self, image: Image, stamp: FrameStamp) -> None:
        """A frame is there (BGR); every now and then it is remembered."""
        if not self._settings.enabled or stamp.captured_ns < self._due_ns:
            return
        # In step with the clock, not with the frames: the rate is that of the settings on average.
        behind = self._due_ns + self._every_ns < stamp.captured_ns
        self._due_ns = (stamp.captured_ns if behind else self._due_ns) + self._every_ns
        good, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._settings.quality])
        if good:
            self._taken.append(_Taken(stamp.captured_ns, stamp.wall_ns, stamp.frame, jpeg.tobytes()))
        self._forget(stamp.captured_ns)

    def keep(self, order: KeepEvidence) -> None:
        """Something happened; what comes after it is waited for."""
        if not self._settings.enabled or len(self._orders) >= _ORDERS_AT_ONCE:
            self._done.put(EvidenceKept(order.event, reason="too much evidence is being kept at once"))
            return
        self._orders.append(order)

    def clear(self) -> None:
        """Forget the pictures: nobody looks any more."""
        self._taken.clear()

    def tick(self, now_ns: int) -> list[EvidenceKept]:
        """Hand over what is complete to be written; what became of that which was. now_ns: CLOCK_MONOTONIC."""
        after_ns = round(self._settings.after_seconds * 1e9)
        while self._orders and now_ns >= self._orders[0].captured_ns + after_ns:
            self._hand_over(self._orders.popleft())
        self._forget(now_ns)
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def close(self) -> list[EvidenceKept]:
        """Write what there is of that which is not complete; what became of all."""
        while self._orders:
            self._hand_over(self._orders.popleft())
        if self._writer is not None:
            self._work.put(None)
            self._writer.join(_END_SECONDS)
        return self.tick(0)

    def _forget(self, now_ns: int) -> None:
        while self._taken and self._taken[0].captured_ns < now_ns - self._span_ns:
            self._taken.popleft()

    def _hand_over(self, order: KeepEvidence) -> None:
        begin = order.captured_ns - round(self._settings.before_seconds * 1e9)
        end = order.captured_ns + round(self._settings.after_seconds * 1e9)
        chosen = [taken for taken in self._taken if begin <= taken.captured_ns <= end]
        if self._writer is None:
            # A daemon thread: a card that hangs must not keep the process from ending.
            self._writer = threading.Thread(target=self._write_all, name="evidence", daemon=True)
            self._writer.start()
        self._work.put((order, chosen))

    def _write_all(self) -> None:
        while (work := self._work.get()) is not None:
            self._done.put(_write(*work))


def _write(order: KeepEvidence, taken: list[_Taken]) -> EvidenceKept:
    """Encrypt and write one file."""
    try:
        header = msgspec.json.decode(order.header, type=Header)
        pictures = [Picture(each.wall_ns // 1_000_000, each.frame, each.jpeg) for each in taken]
        content = pack(header, order.of_file, order.details, pictures)
        Album(Path(order.folder)).write(order.event, content)
    except OSError as error:
        log.error("evidence cannot be written: %s", error.strerror)
        return EvidenceKept(order.event, reason=f"evidence cannot be written to {order.folder}: {error.strerror}")
    except (EvidenceError, msgspec.MsgspecError) as error:
        return EvidenceKept(order.event, reason=str(error))
    return EvidenceKept(order.event, len(pictures), len(content), hashlib.sha256(content).hexdigest())
