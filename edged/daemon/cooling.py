"""How many frames a second a board may take that is getting hot: fewer before the firmware slows everything down.

A pure function from the last pace and how far the temperature is below its limit to the next pace. It goes down quickly,
by a fifth at a time, and up slowly; a step up that had to be taken back makes the next attempt wait twice as long, so that
a board in the sun settles on a pace and does not swing around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

STEP = 0.8
# Between the temperature that slows down and the one that may speed up again.
HYSTERESIS_CELSIUS = 4.0
# So far below, what was learned of a hotter hour says nothing any more.
_COOL_CELSIUS = 12.0
# A heat sink answers within half a minute or so; the nearer to the limit, the less time there is to wait and see.
_DOWN_SECONDS = 30.0
_NEAR_SECONDS = 10.0
_URGENT_SECONDS = 5.0
_NEAR = 0.6  # of the margin
_FIRST_PATIENCE_SECONDS = 120.0
_LAST_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Pace:
    """step: how often the rate was lowered by a fifth. Times are CLOCK_MONOTONIC seconds.

    raised: the last change was upwards. patience_seconds: before the next one upwards.
    """

    step: int = 0
    changed_at: float = -math.inf
    raised: bool = False
    patience_seconds: float = _FIRST_PATIENCE_SECONDS


def paced(pace: Pace, headroom_celsius: float | None, now: float, *, margin_celsius: float, steps: int) -> Pace:
    """The pace from now on. headroom_celsius: below the limit, negative above it; None: not known, so all stays.

    margin_celsius: nearer than this to the limit is too hot. steps: how many downwards there are at most.
    """
    if headroom_celsius is None:
        return pace if pace.step <= steps else replace(pace, step=steps)
    waited = now - pace.changed_at
    if headroom_celsius < margin_celsius:
        wait = _DOWN_SECONDS if headroom_celsius > margin_celsius * _NEAR else _NEAR_SECONDS
        if pace.step >= steps or waited < (wait if headroom_celsius > 0 else _URGENT_SECONDS):
            return replace(pace, step=min(pace.step, steps))
        patience = pace.patience_seconds
        if pace.raised and waited < 2 * patience:
            patience = min(2 * patience, _LAST_PATIENCE_SECONDS)
        return Pace(pace.step + 1, now, False, patience)
    cool = headroom_celsius >= margin_celsius + _COOL_CELSIUS
    needed = _FIRST_PATIENCE_SECONDS if cool and pace.step else pace.patience_seconds
    if headroom_celsius < margin_celsius + HYSTERESIS_CELSIUS or waited < needed:
        return replace(pace, step=min(pace.step, steps))
    if pace.step == 0:
        # It has been cool for long: what was learned of another day's sun is forgotten.
        return Pace() if waited >= _LAST_PATIENCE_SECONDS else pace
    patience = max(pace.patience_seconds / 2, _FIRST_PATIENCE_SECONDS) if pace.raised else pace.patience_seconds
    return Pace(min(pace.step, steps) - 1, now, True, patience)


def steps_to(wanted_frames_per_second: float, least_frames_per_second: float) -> int:
    """How often a rate can be lowered without falling below the least."""
    if wanted_frames_per_second <= least_frames_per_second:
        return 0
    return math.ceil(math.log(least_frames_per_second / wanted_frames_per_second) / math.log(STEP) - 1e-9)


def frames_per_second(pace: Pace, wanted: float, least: float) -> float | None:
    """At most so many; None: as many as are wanted."""
    return max(least, wanted * STEP**pace.step) if pace.step else None
