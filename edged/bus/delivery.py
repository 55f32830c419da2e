"""What goes out next over the present connection. Knows no network and no clock; the tests drive it by hand.

Three kinds of message, each with its own promise:

- *once*: answers and pictures; sent in order, kept over a reconnect, the oldest dropped when too many wait.
- *latest*: states, health, summary; one value per topic, at most one of a topic under way, sent again as it is now
  after every connect.
- *events*: stay in the outbox until acknowledged; a new connection starts again at the oldest.

The connection object below us is thrown away with each connection, so paho never sends anything again by itself: this
file is the only place that repeats a message. A repeated event carries the same id.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Literal

from edged.bus.outbox import Outbox, OutgoingEvent

WINDOW = 64
PREFETCH = 64
# Slots of the window that events leave free, so that a backlog never delays a fresh state or an answer.
RESERVE = 4
# How often a value is sent before the broker would forget it: two may fail to come through.
RENEWALS = 3


@dataclass(frozen=True)
class Outgoing:
    """A message for the link. key: of the outbox, for events. captured_ns: CLOCK_MONOTONIC, for events."""

    kind: Literal["once", "latest", "event"]
    topic: str
    payload: bytes
    retain: bool = False
    key: int = 0
    captured_ns: int | None = None
    correlation: bytes | None = None
    content_type: str | None = None
    expiry_seconds: int | None = None


@dataclass
class _Latest:
    """A topic's value. Times are the caller's seconds; expires: nobody has confirmed it since, it is true no more."""

    payload: bytes
    expires: float = math.inf
    renew: float = math.inf


@dataclass
class _Flight:
    outgoing: Outgoing
    sent_seconds: float


@dataclass
class _Buffer:
    """Events fetched from the outbox but not sent yet; after: key of the last one fetched on this connection."""

    events: deque[tuple[int, OutgoingEvent]] = field(default_factory=deque)
    after: int = 0
    more: bool = True


class Delivery:
    """Everything one camera wants to say, and what of it is under way. Safe for use by several threads."""

    def __init__(self, outbox: Outbox, final_topic: str = "", once_limit: int = 256) -> None:
        """final_topic: a latest-wins topic that follows all others after a connect (availability)."""
        self._outbox = outbox
        self._final_topic = final_topic
        self._once_limit = once_limit
        self._lock = threading.Lock()
        self._latest: dict[str, _Latest] = {}
        self._dirty: OrderedDict[str, None] = OrderedDict()
        self._once: deque[Outgoing] = deque()
        self._flights: dict[int, _Flight] = {}
        self._topics_under_way: set[str] = set()
        self._events_under_way = 0
        self._buffer = _Buffer()
        self._settled: list[int] = []
        self._window = 0
        self._refused_events = 0

    # -- any thread ---------------------------------------------------------------------------------------------

    def event(self, event: OutgoingEvent) -> None:
        """Put an event in the outbox."""
        self._outbox.add(event)
        self.more_events()

    def more_events(self) -> None:
        """The outbox has events that it did not have, or not hand out, before."""
        with self._lock:
            self._buffer.more = True

    def latest(self, topic: str, payload: bytes, expiry_seconds: float = math.inf, now_seconds: float = 0.0) -> bool:
        """Set a topic's value, or confirm it; False if there is nothing to send.

        A value that is not confirmed for expiry_seconds is forgotten, here and by the broker. One that is confirmed is
        sent again after a third of that time, so that the broker does not forget it.
        """
        with self._lock:
            before = self._latest.get(topic)
            expires = now_seconds + expiry_seconds
            if before is not None and before.payload == payload and now_seconds < before.renew:
                before.expires = expires
                return False
            self._latest[topic] = _Latest(payload, expires, now_seconds + expiry_seconds / RENEWALS)
            self._dirty[topic] = None
            return True

    def renew(self, topic: str) -> None:
        """Send a topic's value again though it did not change."""
        with self._lock:
            if topic in self._latest:
                self._dirty[topic] = None

    def once(
        self,
        topic: str,
        payload: bytes,
        correlation: bytes | None = None,
        content_type: str | None = None,
        *,
        retain: bool = False,
    ) -> None:
        """Queue a message that is sent once."""
        with self._lock:
            if len(self._once) >= self._once_limit:
                self._once.popleft()
            self._once.append(
                Outgoing("once", topic, payload, retain=retain, correlation=correlation, content_type=content_type)
            )

    @property
    def answers_wait(self) -> bool:
        """A message that is sent once waits or is under way."""
        with self._lock:
            return bool(self._once) or any(flight.outgoing.kind == "once" for flight in self._flights.values())

    @property
    def lost_events(self) -> int:
        """Events nobody will ever get: dropped by the outbox, or refused by the broker."""
        return self._outbox.lost + self._refused_events

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        with self._lock:
            return not (self._once or self._dirty or self._flights) and len(self._outbox) == len(self._settled)

    # -- network thread -----------------------------------------------------------------------------------------

    def connected(self, receive_maximum: int, now_seconds: float = 0.0) -> None:
        """A new connection: nothing is under way and every latest value that is true is due, the final topic last."""
        with self._lock:
            self._forget_expired(now_seconds)
            self._window = max(1, min(WINDOW, receive_maximum))
            self._dirty = OrderedDict.fromkeys(sorted(self._latest, key=lambda topic: topic == self._final_topic))
            self._buffer = _Buffer()

    def disconnected(self) -> None:
        """The connection is gone. What was under way and is not acknowledged will be sent again."""
        with self._lock:
            unanswered = [flight.outgoing for flight in self._flights.values() if flight.outgoing.kind == "once"]
            self._once.extendleft(reversed(unanswered))
            self._flights.clear()
            self._topics_under_way.clear()
            self._events_under_way = 0
            self._window = 0
            self._buffer = _Buffer()
        self.settle()

    def next(self, now_seconds: float = 0.0) -> Outgoing | None:
        """The next message that may be sent now; `sent` must follow before the next call."""
        with self._lock:
            if len(self._flights) >= self._window:
                return None
            if self._once:
                return self._once.popleft()
            self._forget_expired(now_seconds)
            for topic in self._dirty:
                if topic not in self._topics_under_way:
                    del self._dirty[topic]
                    found = self._latest[topic]
                    # Rounded up: 0 would mean that it expires before anybody hears it.
                    left = None if math.isinf(found.expires) else math.ceil(found.expires - now_seconds)
                    return Outgoing("latest", topic, found.payload, retain=True, expiry_seconds=left)
            if self._events_under_way >= max(1, self._window - RESERVE):
                return None
            return self._next_event()

    def _forget_expired(self, now_seconds: float) -> None:
        for topic in [topic for topic, value in self._latest.items() if value.expires <= now_seconds]:
            del self._latest[topic]
            self._dirty.pop(topic, None)

    def _next_event(self) -> Outgoing | None:
        buffer = self._buffer
        if not buffer.events and buffer.more:
            # Before the look-up: an event added meanwhile sets it again.
            buffer.more = False
            buffer.events.extend(self._outbox.pending(buffer.after, PREFETCH))
            if len(buffer.events) == PREFETCH:
                buffer.more = True
        if not buffer.events:
            return None
        key, event = buffer.events.popleft()
        buffer.after = key
        return Outgoing("event", event.topic, event.payload, key=key, captured_ns=event.captured_ns)

    def sent(self, outgoing: Outgoing, mid: int | None, now_seconds: float) -> None:
        """The message went out under this id; None: no acknowledgement will come, it counts as acknowledged."""
        with self._lock:
            if mid is None:
                if outgoing.kind == "event":
                    self._settled.append(outgoing.key)
                return
            self._flights[mid] = _Flight(outgoing, now_seconds)
            if outgoing.kind == "latest":
                self._topics_under_way.add(outgoing.topic)
            elif outgoing.kind == "event":
                self._events_under_way += 1

    def refused_unsent(self, outgoing: Outgoing) -> None:
        """The message can never be sent (larger than the broker takes): drop it, count an event as lost."""
        with self._lock:
            if outgoing.kind == "event":
                self._refused_events += 1
                self._settled.append(outgoing.key)

    def acknowledged(self, mid: int, refused: bool = False) -> Outgoing | None:
        """The broker answered; refused: it will never take this message. Returns what it was, None for a stranger."""
        with self._lock:
            flight = self._flights.pop(mid, None)
            if flight is None:
                return None
            outgoing = flight.outgoing
            if outgoing.kind == "latest":
                self._topics_under_way.discard(outgoing.topic)
                if not outgoing.payload and self._cleared(outgoing.topic):
                    del self._latest[outgoing.topic]  # cleared: nothing is to be said of it any more
            elif outgoing.kind == "event":
                self._events_under_way -= 1
                self._settled.append(outgoing.key)
                if refused:
                    self._refused_events += 1
            return outgoing

    def _cleared(self, topic: str) -> bool:
        value = self._latest.get(topic)
        return value is not None and not value.payload

    def settle(self) -> None:
        """Tell the outbox, in one go, which events are done."""
        with self._lock:
            settled, self._settled = self._settled, []
        if settled:
            self._outbox.acknowledge(settled)

    def oldest_flight_seconds(self) -> float | None:
        """When the oldest unacknowledged message was sent, on the clock given to `sent`."""
        with self._lock:
            for flight in self._flights.values():
                return flight.sent_seconds
            return None
