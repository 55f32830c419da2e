"""Looks after the board: what it says of heat and power every few seconds, and fewer frames while it is hot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edged.daemon import board
from edged.daemon.board_throttling import ROOT, SOFT_LIMIT, Throttling, ThrottlingWatch, cure
from edged.daemon.cooling import Pace, frames_per_second, paced, steps_to
from edged.notices import BOARD_COOL, BOARD_HOT, BOARD_THROTTLED
from edged.settings import Settings

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0


class BoardCare:
    """Of one life. celsius: of the hottest zone; slowed_to: frames per second that are taken at most, None: all."""

    def __init__(self, slow_down: Callable[[float], None], root: Path = ROOT) -> None:
        """slow_down: takes the least seconds between frames, 0: none. root: for tests, another place with /sys."""
        self._slow_down = slow_down
        self._root = root
        self._watch = ThrottlingWatch(root)
        self._look_at = float("-inf")
        self._pace = Pace()
        self.celsius: float | None = None
        self.throttling: Throttling | None = None
        self.slowed_to: float | None = None

    def tick(self, settings: Settings, now: float) -> bool:
        """Look, if it is time to; true: it was. now: CLOCK_MONOTONIC seconds."""
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        self.celsius = board.temperature_celsius(self._root)
        before, self.throttling = self.throttling, self._watch.look()
        self._tell_throttling(before)
        self._set_pace(settings, now)
        return True

    def _tell_throttling(self, before: Throttling | None) -> None:
        reasons = self.throttling.now if self.throttling else ()
        if new := [reason for reason in reasons if before is None or reason not in before.now]:
            log.warning(
                "the board slows itself down: %s (%s)", ", ".join(new), cure(reasons), extra=BOARD_THROTTLED.extra()
            )

    def _set_pace(self, settings: Settings, now: float) -> None:
        cooling, wanted = settings.cooling, settings.capture.frames_per_second
        headroom = board.headroom_celsius(cooling.limit_celsius, self._root)
        if headroom is not None and self.throttling is not None and SOFT_LIMIT in self.throttling.now:
            headroom = min(headroom, 0.0)  # the firmware has its own idea of the limit, and is there
        steps = steps_to(wanted, cooling.least_frames_per_second) if cooling.enabled else 0
        self._pace = paced(self._pace, headroom, now, margin_celsius=cooling.margin_celsius, steps=steps)
        limit = frames_per_second(self._pace, wanted, cooling.least_frames_per_second)
        limit = None if limit is None else round(limit, 1)
        if limit == self.slowed_to:
            return
        if limit is None and not steps:
            log.info("all frames are taken again, however hot the board is: cooling is off, or fewer cannot be taken")
        elif limit is None:
            log.info("the board has cooled: all frames are taken again", extra=BOARD_COOL.extra())
        else:
            slower = self.slowed_to is None or limit < self.slowed_to
            log.log(
                logging.WARNING if slower else logging.INFO,
                "the board is at %.0f °C, %.0f below its limit: at most %.1f frames a second are taken",
                self.celsius or 0.0, headroom or 0.0, limit, extra=BOARD_HOT.extra(),
            )  # fmt: skip
        self.slowed_to = limit
        self._slow_down(0.0 if limit is None else 1 / limit)
