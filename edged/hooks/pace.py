"""What a hook is called with next, and when: cooldown, waiting events, the newest observation. Reads no clock.

Times are seconds of one clock that does not run backwards.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

from edged.messages import HookReady
from edged.observations import Observation
from edged.settings.hooks import HookSettings

# Events that wait while the hook is at work or being replaced; then the oldest goes.
MOST_WAITING = 64
EVENT_COOLDOWN_SECONDS = 0.0
OBSERVATION_COOLDOWN_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
# What hooks say waits on disk for the broker as all events do: one that says something about each frame
# must not push out what others have to say.
SAYINGS_PER_SECOND = 1.0
SAYINGS_AT_ONCE = 10
OBSERVATION = "observation"
# A hook is not called with what hooks said: two of them would talk to each other for ever.
OWN_KIND = "hook"


@dataclass(frozen=True)
class Wishes:
    """When one hook is called. events: the kinds; None: all. observations: is it called with them."""

    events: frozenset[str] | None
    observations: bool
    event_cooldown_seconds: float
    observation_cooldown_seconds: float
    timeout_seconds: float


def wishes(ready: HookReady, owner: HookSettings) -> Wishes:
    """What the hook says of itself, and the owner's settings over that."""
    if ready.events is None:
        kinds: frozenset[str] | None = frozenset()
    else:
        kinds = frozenset(owner.events or ready.events) or None
    cooldown = ready.cooldown_seconds if owner.cooldown_seconds is None else owner.cooldown_seconds
    timeout = ready.timeout_seconds if owner.timeout_seconds is None else owner.timeout_seconds
    return Wishes(
        kinds,
        ready.observations and owner.observations,
        EVENT_COOLDOWN_SECONDS if cooldown is None else cooldown,
        OBSERVATION_COOLDOWN_SECONDS if cooldown is None else cooldown,
        TIMEOUT_SECONDS if timeout is None else timeout,
    )


class EventItem(NamedTuple):
    """An event that a hook is to be called with."""

    kind: str
    payload: dict[str, Any]


Item = Union[EventItem, Observation]


class Pace:
    """One hook's turn. skipped: events of its kinds that it was not called with, because of its cooldown or because too
    many waited.
    """

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.skipped = 0
        self._events: deque[EventItem] = deque()
        self._newest: Observation | None = None
        self._called: dict[str, float] = {}

    def offer_event(self, event: dict[str, Any], now: float) -> None:
        """An event happened."""
        kind = str(event.get("kind"))
        if kind == OWN_KIND or (self.wishes.events is not None and kind not in self.wishes.events):
            return
        if self._is_early(kind, self.wishes.event_cooldown_seconds, now):
            self.skipped += 1
            return
        if len(self._events) >= MOST_WAITING:
            self._events.popleft()
            self.skipped += 1
        self._events.append(EventItem(kind, event))

    def offer_observation(self, observation: Observation, now: float) -> None:
        """A frame was analysed. Only the newest waits: what a slow hook misses is gone."""
        if self.wishes.observations and not self._is_early(OBSERVATION, self.wishes.observation_cooldown_seconds, now):
            self._newest = observation

    def take(self, now: float) -> Item | None:
        """What the hook is to be called with now, events first; None: nothing."""
        while self._events:
            item = self._events.popleft()
            if not self._is_early(item.kind, self.wishes.event_cooldown_seconds, now):
                self._called[item.kind] = now
                return item
            self.skipped += 1  # another of its kind waited before it
        observation, self._newest = self._newest, None
        if observation is not None:
            self._called[OBSERVATION] = now
        return observation

    def _is_early(self, kind: str, cooldown_seconds: float, now: float) -> bool:
        last = self._called.get(kind)
        return last is not None and now - last < cooldown_seconds


class Allowance:
    """How often a hook may say something: now and then at once, one a second on the average (a token bucket)."""

    def __init__(self, now: float) -> None:
        self._left = float(SAYINGS_AT_ONCE)
        self._at = now

    def take(self, now: float) -> bool:
        """May it, now?"""
        self._left = min(float(SAYINGS_AT_ONCE), self._left + (now - self._at) * SAYINGS_PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
