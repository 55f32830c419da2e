"""Where events wait until the broker has acknowledged them.

`Outbox` is the contract; every implementation must pass `tests/bus/outbox_suite.py`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class OutgoingEvent:
    """An event ready to be published. captured_ns: CLOCK_MONOTONIC of the frame that decided it."""

    topic: str
    kind: str
    payload: bytes
    captured_ns: int


class Outbox(Protocol):
    """A bounded queue of unacknowledged events, in their order. Safe for use by several threads.

    Keys are positive and strictly increase in the order of `add`, also over a restart for one that outlives it.
    """

    @property
    def lost(self) -> int:
        """Events that were dropped before anybody acknowledged them, since this outbox was opened."""

    def __len__(self) -> int:
        """Events that wait."""

    def add(self, event: OutgoingEvent) -> int:
        """Keep an event and return its key; a full outbox drops the oldest and counts it. Never raises for lack of room."""

    def pending(self, after: int, limit: int) -> list[tuple[int, OutgoingEvent]]:
        """The oldest events with a key above `after`, in order, at most `limit`. They stay until acknowledged."""

    def acknowledge(self, keys: Iterable[int]) -> None:
        """Forget these; unknown keys (dropped or acknowledged before) are passed over."""

    def close(self) -> None:
        """Give everything back; what a durable outbox holds stays there."""


class MemoryOutbox:
    """An Outbox in memory: survives a dead broker, not a dead daemon."""

    def __init__(self, limit_count: int = 10_000, limit_bytes: int = 8 * 1024 * 1024) -> None:
        self._limit_count = limit_count
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._events: OrderedDict[int, OutgoingEvent] = OrderedDict()
        self._bytes = 0
        self._last_key = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """Events dropped for lack of room."""
        return self._lost

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: OutgoingEvent) -> int:
        """Keep an event; the oldest go when there is no room. One that is larger than all the room is lost itself."""
        with self._lock:
            self._last_key += 1
            self._events[self._last_key] = event
            self._bytes += _size(event)
            while self._events and (len(self._events) > self._limit_count or self._bytes > self._limit_bytes):
                _, dropped = self._events.popitem(last=False)
                self._bytes -= _size(dropped)
                self._lost += 1
            return self._last_key

    def pending(self, after: int, limit: int) -> list[tuple[int, OutgoingEvent]]:
        """The oldest events with a key above `after`."""
        found: list[tuple[int, OutgoingEvent]] = []
        with self._lock:
            # At most an inflight window of keys precedes `after`, so walking from the front is short.
            for key, event in self._events.items():
                if len(found) >= limit:
                    break
                if key > after:
                    found.append((key, event))
        return found

    def acknowledge(self, keys: Iterable[int]) -> None:
        """Forget these."""
        with self._lock:
            for key in keys:
                event = self._events.pop(key, None)
                if event is not None:
                    self._bytes -= _size(event)

    def close(self) -> None:
        """Nothing to give back: what was never acknowledged ends with the process."""


def _size(event: OutgoingEvent) -> int:
    return len(event.topic) + len(event.payload)
