"""The one-euro filter (Casiez, Roussel and Vogel 2012): steady when still, prompt when moving."""

from __future__ import annotations

import math
from typing import NamedTuple

MINIMUM_CUTOFF_HERTZ = 1.0
SPEED_COEFFICIENT = 0.05  # hertz of cutoff per degree a second
_DERIVATIVE_CUTOFF_HERTZ = 1.0


class OneEuro(NamedTuple):
    """State of one filtered value. `step` gives the next state; `value` is what to show."""

    value: float
    speed: float
    at_seconds: float

    def step(self, raw: float, at_seconds: float) -> OneEuro:
        """Take in a raw value. Time that stands still or runs backwards leaves the state as it is."""
        elapsed = at_seconds - self.at_seconds
        if elapsed <= 0:
            return self
        speed = self.speed + _share(_DERIVATIVE_CUTOFF_HERTZ, elapsed) * ((raw - self.value) / elapsed - self.speed)
        cutoff = MINIMUM_CUTOFF_HERTZ + SPEED_COEFFICIENT * abs(speed)
        return OneEuro(self.value + _share(cutoff, elapsed) * (raw - self.value), speed, at_seconds)


def _share(cutoff_hertz: float, elapsed_seconds: float) -> float:
    """How much of the way to the raw value one step goes."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hertz * elapsed_seconds))
