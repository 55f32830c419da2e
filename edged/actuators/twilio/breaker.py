"""A circuit breaker: Twilio is left alone for a while when it fails again and again, or asks for it. Pure."""

from __future__ import annotations

from edged.actuators.twilio.settings import BreakerSettings


class Breaker:
    """closed: all may ask. open: nobody. half-open: one may, and how that ends decides.

    All times are seconds of a clock that is never set. Not safe for several threads at once.
    """

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._failures = 0
        self._openings = 0
        self._shut_until = 0.0
        self._probe_until: float | None = None
        self._why = ""

    def wait_seconds(self, now: float) -> float:
        """How long nobody may ask; 0: the caller may, and says how it went."""
        if now < self._shut_until:
            return self._shut_until - now
        if self._openings:
            if self._probe_until is not None and now < self._probe_until:
                return min(1.0, self._probe_until - now)
            # Whoever asked and never said how it went must not keep it half-open for ever.
            self._probe_until = now + self._settings.open_seconds
        return 0.0

    def worked(self) -> None:
        """Twilio answered."""
        self._failures = self._openings = 0
        self._shut_until = 0.0
        self._probe_until = None
        self._why = ""

    def failed(self, why: str, now: float) -> None:
        """Twilio did not answer as it should."""
        self._failures += 1
        self._probe_until = None
        if self._failures >= self._settings.failures or self._openings:
            # Not 2.0 ** a number that grows for days.
            seconds = self._settings.open_seconds * 2.0 ** min(self._openings, 16)
            self._openings += 1
            self._shut(now + min(seconds, self._settings.longest_seconds), why)

    def asked_to_wait(self, why: str, seconds: float | None, now: float) -> None:
        """Twilio answers and wants a pause."""
        self._probe_until = None
        if seconds:
            self._shut(now + seconds, why)

    def words(self, now: float) -> str:
        """For health; empty while the circuit is closed."""
        if now < self._shut_until:
            return f"nothing is sent for {self._shut_until - now:.0f} s: {self._why}"
        if self._openings:
            return f"Twilio failed {self._failures} times in a row, and the next request tries whether it works: {self._why}"
        return ""

    def _shut(self, until: float, why: str) -> None:
        self._shut_until = max(self._shut_until, until)
        self._why = why
