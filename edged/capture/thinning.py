"""Leaving out pictures of a live source that nobody will look at."""

from __future__ import annotations

_LONGEST_PERIOD_SECONDS = 1.0


class Thinning:
    """Decides, picture by picture, which are wanted. Times are any clock's seconds."""

    def __init__(self) -> None:
        self.interval_seconds = 0.0
        self._wanted_at = float("-inf")
        self._previous_at = float("-inf")

    def wanted(self, at: float) -> bool:
        """Whether the picture taken at this time is to be decoded."""
        period = min(at - self._previous_at, _LONGEST_PERIOD_SECONDS)
        self._previous_at = at
        # Half a period of grace: 15 wanted of 30 must give every second picture, not every third.
        if self.interval_seconds and at - self._wanted_at < self.interval_seconds - period / 2:
            return False
        self._wanted_at = at
        return True
