"""The capture process: owns the camera, writes its newest picture to the frame slot, and gets a lost camera back.

One thread, one loop. Whatever the loop does, it tells the daemon first how long that may take; nothing is
told by a timer.
"""

from __future__ import annotations

import ctypes
import logging
import random
import time
from typing import TYPE_CHECKING, Protocol

import cv2

from edged.capture import jpeg
from edged.capture.opening import open_source
from edged.capture.source import Captured, Source, redact
from edged.errors import SourceUnavailable
from edged.messages import MAX_PACKET_BYTES, Adopt, CaptureReport, Pause, Picture, Resume, TakePicture
from edged.notices import CAMERA_BACK, CAMERA_LOST
from edged.settings import Settings

if TYPE_CHECKING:
    from typing import Literal

    from edged.frames import FrameSlot
    from edged.messages import Downward, Upward
    from edged.settings import CaptureSettings

    State = Literal["opening", "streaming", "lost", "ended"]

log = logging.getLogger(__name__)

# Opening may take a network camera this long; the time limits of the sources themselves are shorter.
_OPEN_SECONDS = 15.0
# Sources notice silence themselves after frozen_seconds; the daemon gives up on us only some time later.
_READ_GRACE_SECONDS = 2.0
_FIRST_READ_SECONDS = 10.0
_SLICE_SECONDS = 0.4
_STEADY_SECONDS = 5.0
_PART_BYTES = MAX_PACKET_BYTES - 1024


class Link(Protocol):
    """What this process needs of `child.ChildLink`."""

    @property
    def stopping(self) -> bool: ...

    def send(self, message: Upward) -> None: ...

    def receive(self) -> list[Downward]: ...

    def beacon(self, doing: str, budget_seconds: float = 2.0) -> None: ...

    def wait(self, timeout_seconds: float) -> bool: ...


class _Interrupted(Exception):  # not an error: pause or stop came while a source slept
    """Leaves a source's read so that the loop can look at what came."""


def _return_memory() -> None:
    """Opening needs memory that reading does not; glibc keeps what it once had unless told otherwise (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # musl has none
        trim(0)


class Backoff:
    """Pauses between attempts: doubling, bounded, and each shortened by chance so that cameras do not march in step."""

    def __init__(self, first_seconds: float, most_seconds: float, chance: random.Random) -> None:
        self._first, self._most, self._chance = first_seconds, max(first_seconds, most_seconds), chance
        self._attempts = 0

    def next_seconds(self) -> float:
        # The exponent is bounded too: attempts are for ever, floats are not.
        pause = min(self._most, self._first * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return pause * self._chance.uniform(0.6, 1.0)

    def reset(self) -> None:
        self._attempts = 0


def main(link: Link, slot: FrameSlot, settings: Settings) -> None:
    """Capture until told to stop. Raises SourceUnsupported and SettingsError, which trying again cannot cure."""
    # Scaling one small picture is not worth a pool of threads.
    cv2.setNumThreads(1)
    capture = settings.capture
    CaptureLoop(link, slot, capture).run()


class CaptureLoop:
    """Opens, reads, writes, loses, waits, opens again."""

    def __init__(
        self, link: Link, slot: FrameSlot, settings: CaptureSettings, chance: random.Random | None = None
    ) -> None:
        self._link = link
        self._slot = slot
        self._settings = settings
        self._shown = redact(settings.source)
        self._source: Source = open_source(settings, self._wait)
        self._chance = chance or random.Random()
        self._backoff = Backoff(settings.retry_seconds, settings.retry_max_seconds, self._chance)
        self._is_open = False
        self._paused = False
        self._adopted: CaptureSettings | None = None
        self._ended = False
        self._lost = ""
        self._newest: Captured | None = None
        self._demand_seconds = 0.0
        self._opened_times = 0
        self._doing, self._budget_seconds = "starting", 2.0

    def run(self) -> None:
        """Until told to stop."""
        try:
            while not self._link.stopping:
                self._handle(self._link.receive())
                self._adopt()
                try:
                    self._turn()
                except _Interrupted:
                    continue
        finally:
            self._source.close()

    def _adopt(self) -> None:
        """Other settings: the source is opened anew with them."""
        if self._adopted is None:
            return
        settings, self._adopted = self._adopted, None
        self._close()
        self._settings = settings
        self._source = open_source(settings, self._wait)
        self._backoff = Backoff(settings.retry_seconds, settings.retry_max_seconds, self._chance)

    def _turn(self) -> None:
        if self._paused and self._source.live:
            self._close()
        if self._paused or self._ended:
            self._beacon("paused" if self._paused else "at the end", 2.0)
            self._link.wait(_SLICE_SECONDS)
            return
        try:
            if not self._is_open:
                self._open()
            self._stream()
        except SourceUnavailable as error:
            self._lose(error)

    def _open(self) -> None:
        self._report("opening", self._shown)
        self._beacon("opening", _OPEN_SECONDS)
        self._source.open()
        self._is_open = True
        self._opened_times += 1
        self._demand_seconds = 0.0
        self._source.set_interval(0.0)

    def _stream(self) -> None:
        """Read and publish until paused, stopped, at the end or lost."""
        began = time.monotonic()
        first = True
        budget = self._settings.frozen_seconds + _READ_GRACE_SECONDS
        while not self._link.stopping:
            self._handle(self._link.receive())
            if self._paused or self._adopted is not None:
                return
            self._beacon("reading", _FIRST_READ_SECONDS if first else budget)
            # Of a file that is looked at frame by frame none is left out, however hot the board.
            demand = 0.0 if self._lockstep else self._slot.demand()
            if demand != self._demand_seconds:
                self._demand_seconds = demand
                self._source.set_interval(demand)
            captured = self._source.read()
            if captured is None:
                self._end()
                return
            if first:
                first = False
                if self._lost:
                    log.info("%s gives pictures again", self._shown, extra=CAMERA_BACK.extra())
                self._lost = ""
                _return_memory()
                self._report("streaming", self._source.description, reopened=self._opened_times - 1)
            if time.monotonic() - began > _STEADY_SECONDS:
                self._backoff.reset()
            self._publish(captured)

    def _publish(self, captured: Captured) -> None:
        self._newest = captured
        height, width = captured.image.shape[:2]
        sequence = self._slot.write(
            captured.image.data,
            frame=captured.frame,
            captured_ns=captured.captured_ns,
            wall_ns=captured.wall_ns,
            at_ms=captured.at_ms,
            width=width,
            height=height,
        )
        if not self._lockstep:
            return
        # In lockstep no frame of a file is missed, however slow inference is.
        while not self._slot.wait_taken(sequence, _SLICE_SECONDS):
            self._pass_time()

    @property
    def _lockstep(self) -> bool:
        return self._settings.pace == "fast" and not self._source.live

    def _end(self) -> None:
        self._ended = True
        self._close()
        self._report("ended", self._source.description)

    def _lose(self, error: SourceUnavailable) -> None:
        self._close()
        pause = self._backoff.next_seconds()
        reason = f"{error.reason} ({error.cure})" if error.cure else error.reason
        # The log says what is new; the daemon is told each time, since the pause differs.
        if reason != self._lost:
            log.warning("%s; again in %.1f s", error, pause, extra=CAMERA_LOST.extra())
        else:
            log.debug("%s; again in %.1f s", error, pause)
        self._lost = reason
        self._report("lost", self._shown, reason=f"{self._shown}: {reason}", retry_seconds=round(pause, 3))
        self._beacon("waiting", 2.0)
        self._wait(pause)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._source.close()

    def _wait(self, seconds: float) -> None:
        """Sleep for a source or for ourselves, answering the daemon meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            self._pass_time()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            self._link.wait(min(remaining, _SLICE_SECONDS))

    def _pass_time(self) -> None:
        self._beacon(self._doing, self._budget_seconds)
        self._handle(self._link.receive())
        if self._link.stopping or self._paused or self._adopted is not None:
            raise _Interrupted

    def _beacon(self, doing: str, budget_seconds: float) -> None:
        # What is said while a source sleeps is what was said before: words that alternate would all be sent.
        self._doing, self._budget_seconds = doing, budget_seconds
        self._link.beacon(doing, budget_seconds)

    def _report(
        self, state: State, description: str, *, reason: str = "", retry_seconds: float = 0.0, reopened: int = 0
    ) -> None:
        self._link.send(CaptureReport(state, description, reason, retry_seconds, reopened))

    def _handle(self, messages: list[Downward]) -> None:
        for message in messages:
            if isinstance(message, Pause):
                self._paused = True
                self._newest = None  # a picture from before the pause is not handed out after it
            elif isinstance(message, Resume):
                self._paused = False
            elif isinstance(message, TakePicture):
                self._send_picture(message)
            elif isinstance(message, Adopt):
                adopted = Settings.model_validate_json(message.settings).capture
                self._adopted = adopted if adopted != self._settings else None

    def _send_picture(self, asked: TakePicture) -> None:
        if self._newest is None or self._lost or self._paused:
            why = "paused" if self._paused else self._lost or "there was no picture yet"
            self._link.send(Picture(asked.request, 0, 1, b"", why))
            return
        data = jpeg.encode(self._newest.image, asked.quality)
        parts = range(0, len(data), _PART_BYTES)
        for part, start in enumerate(parts):
            self._link.send(Picture(asked.request, part, len(parts), data[start : start + _PART_BYTES]))
