"""May ages be believed? A board without a battery for its clock begins in 1970, or when it was last switched off, and jumps
once the network tells the time; a battery that is flat, or a wrong time server, may set it years ahead.

Nothing that edged times for itself uses that clock. But how old a kept thing is can be told by it only, and what is deleted
for its age does not come back. So ages are believed only once the clock proved itself: the kernel or systemd says that it
follows a time server, or it has run without a jump for half a day.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Before this no clock was right.
PLAUSIBLE_UNIX = 1_735_689_600.0  # 2025-01-01
# Further than a time server steers a clock that runs, and than one is off that was set by hand.
JUMP_SECONDS = 60.0
STEADY_SECONDS = 12 * 3600.0
# systemd-timesyncd makes it when it has set the clock (systemd-timesyncd.service(8)); /run is empty after a boot.
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_TIMEX_BYTES = 512  # struct timex has 208 on 64 bits
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


@dataclass(frozen=True)
class Moment:
    """unix: seconds of the clock on the wall. steady: of one that never jumps, and goes on while the machine sleeps."""

    unix: float
    steady: float


@dataclass(frozen=True)
class Belief:
    """What is known of the clock. ahead: by how much it is ahead of the steady one; since: from when on, steady."""

    ahead: float
    since: float


def believing(belief: Belief | None, now: Moment) -> Belief:
    """After another look at the clocks: a jump begins anew. The clock that was first seen is known from then on only."""
    ahead = now.unix - now.steady
    if belief is None or abs(ahead - belief.ahead) > JUMP_SECONDS:
        return Belief(ahead, now.steady)
    return belief


def is_trusted(belief: Belief, now: Moment, *, synchronised: bool) -> bool:
    """May what is old by this clock be deleted?"""
    if now.unix < PLAUSIBLE_UNIX:
        return False
    return synchronised or now.steady - belief.since >= STEADY_SECONDS


class WallClock:
    """Of one process, for all its threads."""

    def __init__(self, now: Callable[[], Moment], synchronised: Callable[[], bool]) -> None:
        self._now = now
        self._synchronised = synchronised
        self._lock = threading.Lock()
        self._belief = believing(None, now())

    def for_ages(self) -> float:
        """Unix seconds to tell ages by; 0.0, at which nothing is old, while the clock cannot be trusted."""
        now = self._now()
        with self._lock:
            self._belief = believing(self._belief, now)
            trusted = is_trusted(self._belief, now, synchronised=self._synchronised())
        return now.unix if trusted else 0.0


def for_ages() -> float:
    """`WallClock.for_ages` of this process."""
    return _this_process().for_ages()


def follows_a_time_server(timesync: Path = _TIMESYNC) -> bool:
    """The kernel says so, or systemd-timesyncd. In a sandbox where the kernel may not be asked, only the latter."""
    if timesync.exists():
        return True
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    # No mode is set in the zeroed struct, so nothing is changed.
    return 0 <= int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))) < _TIME_ERROR


@functools.cache
def _this_process() -> WallClock:
    return WallClock(_read, follows_a_time_server)


def _read() -> Moment:
    return Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))
