"""Where events wait until the broker has acknowledged them.

`Outbox` is the contract; every implementation must pass `tests/bus/outbox_suite.py`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from edged.bus.importance import importance


@dataclass(frozen=True)
class OutgoingEvent:
    """An event ready to be published.

    captured_ns: CLOCK_MONOTONIC of the frame that decided it; None once the machine was started anew since.
    """

    topic: str
    kind: str
    payload: bytes
    captured_ns: int | None


class Outbox(Protocol):
    """A bounded queue of unacknowledged events, in their order. Safe for use by several threads.

    Keys are positive and strictly increase in the order of `add`, also over a restart for one that outlives it.
    """

    @property
    def lost(self) -> int:
        """Events that were dropped before anybody acknowledged them, since this outbox was opened."""

    def __len__(self) -> int:
        """Events that wait."""

    @property
    def problem(self) -> str:
        """What keeps it from doing its work, one plain sentence; empty when all is well."""

    @property
    def oldest_seconds(self) -> float | None:
        """For how long the oldest event has waited; None when none waits."""

    def add(self, event: OutgoingEvent) -> int:
        """Keep an event and return its key.

        A full outbox drops the oldest of the least important kind (importance.py) and counts it. Never raises.
        """

    def listen(self, ready: Callable[[], None]) -> None:
        """Have this called, on any thread, when events that were added before are pending only now."""

    def pending(self, after: int, limit: int) -> list[tuple[int, OutgoingEvent]]:
        """The oldest events with a key above `after`, in order, at most `limit`. They stay until acknowledged.

        An outbox may hold an event back, and all that follow it, until it is safe; `listen` tells of the end of it.
        """

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
        self._added: dict[int, float] = {}
        self._keys: dict[int, OrderedDict[int, None]] = {}
        self._bytes = 0
        self._last_key = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """Events dropped for lack of room."""
        return self._lost

    @property
    def problem(self) -> str:
        """Memory does not fail."""
        return ""

    @property
    def oldest_seconds(self) -> float | None:
        """For how long the oldest event has waited."""
        with self._lock:
            for key in self._events:
                return time.monotonic() - self._added[key]
            return None

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: OutgoingEvent) -> int:
        """Keep an event; others go when there is no room. One that is larger than all the room is lost itself."""
        with self._lock:
            self.put(self._last_key + 1, event)
            return self._last_key

    def put(self, key: int, event: OutgoingEvent) -> None:
        """Keep an event under a key of the caller's, above all before. The caller sees to it that nobody else calls."""
        self._last_key = key
        self._events[key] = event
        self._added[key] = time.monotonic()
        self._keys.setdefault(importance(event.kind), OrderedDict())[key] = None
        self._bytes += event_bytes(event)
        while self._events and (len(self._events) > self._limit_count or self._bytes > self._limit_bytes):
            least = min(self._keys)
            self._drop(next(iter(self._keys[least])))
            self._lost += 1

    def listen(self, ready: Callable[[], None]) -> None:
        """Nothing is ever held back here."""

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
                if key in self._events:
                    self._drop(key)

    def close(self) -> None:
        """Nothing to give back: what was never acknowledged ends with the process."""

    def _drop(self, key: int) -> None:
        event = self._events.pop(key)
        del self._added[key]
        self._bytes -= event_bytes(event)
        level = importance(event.kind)
        del self._keys[level][key]
        if not self._keys[level]:
            del self._keys[level]


def event_bytes(event: OutgoingEvent) -> int:
    """The room an event takes, as limits count it."""
    return len(event.topic) + len(event.payload)
