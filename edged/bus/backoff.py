"""Pauses between attempts to connect: growing, bounded, and never the same for two devices."""

from __future__ import annotations

import random


class Backoff:
    """Exponential pauses with jitter.

    A pause is drawn from the upper half of `first_seconds * 2 ** failures`, at most `longest_seconds`, so that a house
    full of devices does not knock at a restarted broker in one instant.
    """

    def __init__(self, first_seconds: float, longest_seconds: float, chance: random.Random | None = None) -> None:
        self._first = min(first_seconds, longest_seconds)
        self._longest = longest_seconds
        # Not the shared generator: whoever seeds that for a test or a replay would line all devices up.
        self._chance = chance or random.Random()
        self._failures = 0

    def failed(self) -> float:
        """Count a failure; how long to pause now, in seconds."""
        ceiling = min(self._longest, self._first * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return ceiling * self._chance.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """A connection has held: the next failure starts from the shortest pause again."""
        self._failures = 0
