"""How open an eye is for this person: the aspect ratio over the person's own open level.

Open-eye aspect ratios run from 0.17 to 0.45 from face to face, so a fixed threshold fails. The level is a running
expectile: it follows higher values fast and lower ones slowly, and hardly at all while the lids are so low that
they must be closing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_RISE_SECONDS = 0.6
_RISE_SECONDS_AT_FIRST = 0.2
_FALL_SECONDS = 8.0
_FALL_SECONDS_CLOSED = 90.0
_SETTLING_SECONDS = 2.0
_CLOSED_SHARE = 0.7
# Shut lids still measure about an eighth of the open eye: the contour runs along the lashes, not between the lids.
SHUT_SHARE = 0.12
MAXIMUM_OPENNESS = 1.5


class OpenLevel(NamedTuple):
    """This person's open-eye aspect ratio. seen_seconds: how long it has been learned."""

    level: float
    seen_seconds: float = 0.0

    def learn(self, aspect_ratio: float, elapsed_seconds: float) -> OpenLevel:
        """Take in one frame's aspect ratio."""
        if aspect_ratio > self.level:
            constant = _RISE_SECONDS if self.seen_seconds > _SETTLING_SECONDS else _RISE_SECONDS_AT_FIRST
        elif aspect_ratio > _CLOSED_SHARE * self.level:
            constant = _FALL_SECONDS
        else:
            constant = _FALL_SECONDS_CLOSED
        share = 1 - math.exp(-max(0.0, elapsed_seconds) / constant)
        return OpenLevel(self.level + share * (aspect_ratio - self.level), self.seen_seconds + elapsed_seconds)

    def openness(self, aspect_ratio: float) -> float:
        """0 shut .. 1 open; wide eyes go above 1."""
        share = aspect_ratio / max(self.level, 1e-3)
        return min(MAXIMUM_OPENNESS, max(0.0, (share - SHUT_SHARE) / (1 - SHUT_SHARE)))
