"""A block: whatever is unlocked is locked again at once, until somebody releases it or its time is over.

That a block is on is remembered as its job, so it goes on after a restart and ends with the emergency stop. Whoever is
kept out gets in again when its time is over, and where the clock was set back to before it began.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edged.actuators.lock_screen.choosing import Target, lockable
from edged.actuators.lock_screen.locking import Locker
from edged.actuators.lock_screen.settings import LockScreenSettings
from edged.errors import ActionFailed, Cancelled, DBusError

log = logging.getLogger(__name__)

# Lockers that tell logind nothing are looked at this often; all others wake us.
_LOOK_SECONDS = 1.0
# A session that cannot be locked is not asked without end.
_PAUSE_SECONDS = 0.5
_CLOSE_SECONDS = 2.0
# As much as a sender's clock may differ from ours (signing.clock_tolerance_seconds is an hour at most).
_CLOCK_SECONDS = 3600.0


@dataclass(frozen=True)
class Block:
    """Times are Unix seconds."""

    target: Target
    since: float
    until: float

    def left_seconds(self, now: float) -> float:
        """How long it still holds. Not at all long before it began: the clock was set back, nobody knows how far."""
        return max(0.0, self.until - now) if now >= self.since - _CLOCK_SECONDS else 0.0


class Stopping:
    """A Control of its own, with a descriptor that can be read once it is over. Safe for any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._guard = threading.Lock()
        self._closed = False
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def stop(self) -> None:
        """Leave off."""
        with self._guard:
            self._event.set()
            if not self._closed:
                os.write(self._writer, b"\0")

    def stopping(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    def close(self) -> None:
        """Give the descriptors back; for who waits for the reader."""
        with self._guard:
            self._closed = True
            os.close(self.reader)
            os.close(self._writer)


class Watch:
    """A thread that keeps a block from when it is made until `stop`, or until the block's time is over."""

    def __init__(
        self,
        settings: LockScreenSettings,
        block: Block,
        *,
        resumed: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """resumed: it has begun in a process before this one. clock: Unix seconds."""
        self.block = block
        self.resumed = resumed
        self._settings = settings
        self._clock = clock
        self._stopping = Stopping()
        # Two clocks: one that somebody may set, and one that stands still while the machine sleeps.
        self._deadline = time.monotonic() + block.left_seconds(clock())
        self.again = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="block", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Its time has come."""
        return time.monotonic() >= self._deadline or self.block.left_seconds(self._clock()) <= 0

    def stop(self) -> None:
        """From any thread; does not wait."""
        self._stopping.stop()

    def close(self) -> None:
        """Stop, and wait for it a moment."""
        self.stop()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            while not self._stopping.stopping() and not self.over:
                self._connected()
        finally:
            self._stopping.close()

    def _connected(self) -> None:
        """Watch until it is over, or the bus fails."""
        try:
            with Locker(self._settings, self._stopping) as locker:
                locker.logind.listen()
                while not self._stopping.stopping() and not self.over:
                    pause = _LOOK_SECONDS if self._keep(locker) else _PAUSE_SECONDS
                    left = max(0.0, self._deadline - time.monotonic())
                    locker.logind.bus.wait(min(pause, left), self._stopping.reader)
        except Cancelled:
            pass
        except DBusError as error:
            self._tell(f"the block does not hold: {error}")
            self._stopping.wait(_PAUSE_SECONDS)
        except Exception as error:
            log.exception("a bug in the block")  # which must not end in silence
            self._tell(f"the block does not hold: a bug ({type(error).__name__}; the log says where)")
            self._stopping.wait(_LOOK_SECONDS)

    def _keep(self, locker: Locker) -> bool:
        """Lock what is open; is all locked in the end?"""
        try:
            there = lockable(locker.logind.sessions(), self.block.target, consoles=self._settings.consoles)
        except ActionFailed:
            there = []  # nobody is logged in; that may change
        open_now = [each for each in there if not locker.evidence(each)]
        if not open_now:
            self._tell("")
            return True
        result = locker.lock(open_now)
        if result.locked:
            log.warning("open during the block, and locked again: %s", ", ".join(str(each) for each in open_now))
            self.again += 1
        self._tell(f"the block does not hold: {'; '.join(result.why.values())}" if result.why else "")
        return not result.why

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem


class Blocks:
    """All blocks that are on, by the id of their job. Safe for any thread."""

    def __init__(self, settings: LockScreenSettings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._released: set[str] = set()

    def keep(self, job_id: str, block: Block, *, resumed: bool = False) -> bool:
        """Have it kept from now on, if it is not; false when its time is over or it was released.

        resumed: it has begun in a process before this one.
        """
        with self._guard:
            watch = self._watches.get(job_id)
            if watch is None and job_id not in self._released and block.left_seconds(time.time()) > 0:
                watch = self._watches[job_id] = Watch(self._settings, block, resumed=resumed)
            return watch is not None and not watch.over and job_id not in self._released

    def known(self, job_id: str) -> bool:
        """It has begun, in this process."""
        with self._guard:
            return job_id in self._watches

    def release(self) -> list[str]:
        """End all of them; their ids, for whoever tells their jobs."""
        with self._guard:
            ended = [job_id for job_id in self._watches if job_id not in self._released]
            self._released.update(ended)
            for watch in self._watches.values():
                watch.stop()
            return ended

    def halt(self) -> None:
        """Stop all at once; what becomes of their jobs is not decided here."""
        with self._guard:
            for watch in self._watches.values():
                watch.stop()

    def forget(self, job_id: str) -> str:
        """The job has come to its end: stop, and say how often it was needed."""
        with self._guard:
            watch = self._watches.pop(job_id, None)
            released = job_id in self._released
            self._released.discard(job_id)
        if watch is None:
            return "its time was over"
        watch.stop()
        times = {0: "was never needed", 1: "locked again once"}.get(watch.again, f"locked again {watch.again} times")
        since = " since the actuator was restarted" if watch.resumed else ""
        return f"{'released' if released else 'its time was over'}; it {times}{since}"

    def problems(self) -> list[str]:
        """What keeps blocks from holding."""
        with self._guard:
            watches = list(self._watches.values())
        return [watch.problem for watch in watches if watch.problem]

    def close(self) -> None:
        """Stop all, and wait a moment for them."""
        with self._guard:
            watches = list(self._watches.values())
            self._watches.clear()
        for watch in watches:
            watch.stop()
        for watch in watches:
            watch.close()
