"""How often to look: slowly at an empty, still scene; as often as the board can bear otherwise."""

from __future__ import annotations

from edged.settings import InferenceSettings

_IDLE_AFTER_SECONDS = 2.0  # nobody and no motion for this long makes a scene idle
_RATE_SECONDS = 2.0  # time constant of the measured load, so that the rate sinks and rises smoothly
_SAID_SLOWDOWN = 1.15  # an interval this much longer than the camera's is worth telling


class Pacer:
    """Decides the wished time between frames from what analysing them costs.

    interval_seconds: the wish for the frame slot; 0 takes every frame. slowed: the board cannot bear all frames.
    """

    def __init__(self, settings: InferenceSettings, wanted_frames_per_second: float) -> None:
        self._settings = settings
        self._wanted_interval = 1 / wanted_frames_per_second
        self._cost_seconds = 0.0
        self._last_busy: float | None = None
        self._at: float | None = None
        self.interval_seconds = 0.0
        self.slowed = False
        self.idle = False

    def adopt(self, settings: InferenceSettings, wanted_frames_per_second: float) -> None:
        """Go on with other settings; what a frame costs is still known."""
        self._settings = settings
        self._wanted_interval = 1 / wanted_frames_per_second

    def step(self, at_seconds: float, spent_seconds: float, *, empty: bool) -> float:
        """Take in one analysed frame: when, how much processor time it took, and whether nothing was there.

        Returns the new interval.
        """
        elapsed = 0.0 if self._at is None else max(0.0, at_seconds - self._at)
        self._at = at_seconds
        if not empty or self._last_busy is None:
            self._last_busy = at_seconds
        self.idle = empty and at_seconds - self._last_busy >= _IDLE_AFTER_SECONDS
        if not empty:
            # What an empty frame costs says nothing of a busy one, so the memory of busy ones is kept.
            share = 1.0 if not self._cost_seconds else min(1.0, elapsed / _RATE_SECONDS)
            self._cost_seconds += share * (spent_seconds - self._cost_seconds)
        bearable = self._cost_seconds / self._settings.busy_fraction
        self.slowed = bearable > self._wanted_interval * _SAID_SLOWDOWN
        interval = bearable if self.slowed else 0.0
        if self.idle:
            interval = max(interval, 1 / self._settings.idle_frames_per_second)
        self.interval_seconds = interval
        return interval
