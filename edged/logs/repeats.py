"""Which lines of the log are told, and which are only counted. Pure: the caller says what time it is.

The same message again and again is told once and then counted; what was counted is told once a window, by the last
line that was held back, so that nothing is silent for longer. Many different texts of one kind (a stranger who makes
something up each time) are told up to a limit, and counted beyond it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Line = TypeVar("Line")

WINDOW_SECONDS = 60.0
# Of texts, and of kinds: what is not in use makes room for what is.
MOST_KEPT = 256


@dataclass
class _Run(Generic[Line]):
    """One message within one window. held: how many were not told since then; last: the newest of those."""

    since: float
    told: int = 0
    held: int = 0
    last: Line | None = None
    last_at: float = 0.0


@dataclass(frozen=True)
class Summary(Generic[Line]):
    """So many lines were held back during so long. same: all of the same text, and not only of the same kind."""

    line: Line
    count: int
    seconds: float
    same: bool


class Repeats(Generic[Line]):
    """Decides line by line. Times are seconds of a clock that never goes back."""

    def __init__(self, window_seconds: float = WINDOW_SECONDS, most_kept: int = MOST_KEPT) -> None:
        self._window = window_seconds
        self._most = most_kept
        self._look_at = math.inf  # no window ends before
        self._texts: OrderedDict[Hashable, _Run[Line]] = OrderedDict()
        self._kinds: OrderedDict[Hashable, _Run[Line]] = OrderedDict()

    def take(
        self, line: Line, now: float, *, text: Hashable, kind: Hashable, times: int = 1, alike: int | None = None
    ) -> tuple[bool, list[Summary[Line]]]:
        """Whether this line is told, and what is to be told before it, to make room.

        text: equal for lines that say the same. kind: equal for lines of one kind, which hold the same but for numbers
        and names. times: how often in a window the same text is told; alike: how many of one kind are, None: any number.
        """
        summaries = self._make_room(self._texts, text, now, same=True)
        run = self._run(self._texts, text, now)
        if run.told >= times:
            self._hold(run, line, now)
            return False, summaries
        if alike is not None:
            summaries += self._make_room(self._kinds, kind, now, same=False)
            of_kind = self._run(self._kinds, kind, now)
            if of_kind.told >= alike:
                self._hold(of_kind, line, now)
                return False, summaries
            of_kind.told += 1
        run.told += 1
        return True, summaries

    def due(self, now: float) -> list[Summary[Line]]:
        """What was held back in windows that are over, the newest line last: it says how things are now."""
        found: list[tuple[float, Summary[Line]]] = []
        if now < self._look_at:
            return []
        for runs, same in ((self._texts, True), (self._kinds, False)):
            for key, run in list(runs.items()):
                if now < run.since + self._window:
                    continue
                if run.last is None:
                    del runs[key]
                    continue
                found.append((run.last_at, Summary(run.last, run.held, now - run.since, same)))
                # It goes on, as far as we know: the next window only counts, from the first.
                run.since, run.held, run.last = now, 0, None
        every = (*self._texts.values(), *self._kinds.values())
        self._look_at = min((run.since + self._window for run in every), default=math.inf)
        return [summary for _, summary in sorted(found, key=lambda each: each[0])]

    def rest(self, now: float) -> list[Summary[Line]]:
        """All that is held back, because the end has come."""
        held = [
            (run.last_at, Summary(run.last, run.held, now - run.since, same))
            for runs, same in ((self._texts, True), (self._kinds, False))
            for run in runs.values()
            if run.last is not None
        ]
        self._texts.clear()
        self._kinds.clear()
        return [summary for _, summary in sorted(held, key=lambda each: each[0])]

    def next_due(self) -> float | None:
        """When something that is held back must be told; None: nothing is."""
        moments = [
            run.since + self._window
            for runs in (self._texts, self._kinds)
            for run in runs.values()
            if run.last is not None
        ]
        return min(moments, default=None)

    def _run(self, runs: OrderedDict[Hashable, _Run[Line]], key: Hashable, now: float) -> _Run[Line]:
        run = runs.get(key)
        if run is None or (run.last is None and now >= run.since + self._window):
            run = runs[key] = _Run(now)
            self._look_at = min(self._look_at, now + self._window)
        runs.move_to_end(key)
        return run

    def _hold(self, run: _Run[Line], line: Line, now: float) -> None:
        run.held += 1
        run.last, run.last_at = line, now

    def _make_room(
        self, runs: OrderedDict[Hashable, _Run[Line]], key: Hashable, now: float, *, same: bool
    ) -> list[Summary[Line]]:
        """Let go of what was seen longest ago; what it held back is told, since nobody will count it any more."""
        if key in runs or len(runs) < self._most:
            return []
        _, run = runs.popitem(last=False)
        return [] if run.last is None else [Summary(run.last, run.held, now - run.since, same)]
