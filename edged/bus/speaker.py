"""One branch of the topic tree, on a thread of its own: what a camera's bus and an actuator's have in common."""

from __future__ import annotations

import abc
import contextlib
import logging
import math
import os
import threading
import time

import msgspec

from edged.bus.connection import Connection
from edged.bus.delivery import RENEWALS, Delivery
from edged.bus.message import Message
from edged.bus.outbox import Outbox
from edged.bus.paho_link import Link, Welcome, Will
from edged.errors import BrokerError
from edged.notices import BROKER_BACK, BROKER_LOST
from edged.settings import MqttSettings

log = logging.getLogger(__name__)

ONLINE = b"online"
OFFLINE = b"offline"
# A topic the broker does not let us publish on is left alone for this long.
DENIAL_SECONDS = 300.0
# The broker may take some messages back later (quota, resources): these are kept and sent again, the others never.
_TEMPORARY_REFUSALS = ("quota exceeded", "implementation specific error")


class Speaker(abc.ABC):
    """Says what is in its delivery, hears what it subscribed to, and is known by its availability.

    Every method is safe to call from any thread, none blocks on the network except `stop`, none raises for want of a
    broker. A thread of its own connects, for ever.
    """

    def __init__(
        self, settings: MqttSettings, name: str, client_id: str, availability: str, filters: list[str], outbox: Outbox,
        followed: list[str] | None = None, others: list[str] | None = None,
    ) -> None:  # fmt: skip
        """name: of the thread. client_id: where the settings have none. availability: the topic. filters: what to hear.
        followed: to hear too, where `retain` of a message shall say that it is no news. others: to hear too, but not what
        we publish there ourselves.
        """
        self._settings = settings
        self._client_id = client_id
        self._availability = availability
        self._filters = filters
        self._followed = followed or []
        self._others = others or []
        self._delivery = Delivery(outbox, final_topic=availability)
        self._guard = threading.Lock()
        self._connects = 0
        self._reconnect_asked = False
        self._warnings: dict[str, None] = {}
        self._put_off = ""
        self._denials: dict[str, tuple[float, str]] = {}
        self._farewell_mid: int | None = None
        self._farewell_heard = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self._connection = Connection(
            f"mqtt {name}",
            self._make_link,
            self,
            reconnect_max_seconds=settings.reconnect_max_seconds,
            answer_seconds=float(settings.keepalive_seconds),
            changed=self._connection_changed,
        )
        outbox.listen(self._more_events)

    # -- state --------------------------------------------------------------------------------------------------

    @property
    def wake_fd(self) -> int:
        """An eventfd, readable when something came in or the connection changed; `quiet` resets it."""
        return self._wake_fd

    @property
    def connected(self) -> bool:
        """The broker has let us in."""
        return self._connection.connected

    @property
    def problem(self) -> str:
        """Why not connected, one plain sentence without any secret; empty when connected."""
        return self._connection.problem

    @property
    def warnings(self) -> list[str]:
        """What the broker does not let us do though we are connected: one sentence each."""
        with self._guard:
            return [*self._warnings, *(sentence for _, sentence in self._denials.values())]

    @property
    def lost_events(self) -> int:
        """Events that no subscriber will ever get, since the start."""
        return self._delivery.lost_events

    @property
    def connects(self) -> int:
        """How often the broker has let us in: a new number means that retained messages come again."""
        return self._connects

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect in the background."""
        self._delivery.latest(self._availability, ONLINE)
        self._connection.start()

    def stop(self, timeout_seconds: float) -> None:
        """Send what waits, publish `offline`, disconnect; returns within the time given, come what may."""
        if self._connection.stop(timeout_seconds) and not self._closed:
            self._closed = True
            os.close(self._wake_fd)

    # -- out ----------------------------------------------------------------------------------------------------

    def retained(self, topic: str, payload: bytes) -> None:
        """As `tell`, for a topic outside our branch (discovery). An empty payload clears it, once."""
        if self._delivery.latest(topic, payload):
            self._connection.poke()

    def renew(self, topic: str) -> None:
        """Send what was set with `retained` once more, though it did not change."""
        self._delivery.renew(topic)
        self._connection.poke()

    def reconnect(self) -> None:
        """Drop the connection once all that waits is answered, and connect anew."""
        self._reconnect_asked = True
        self._connection.poke()

    def quiet(self) -> None:
        """Reset `wake_fd`, before looking at what came."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.eventfd_read(self._wake_fd)

    # -- Traffic: network thread --------------------------------------------------------------------------------

    def opened(self, link: Link, welcome: Welcome) -> None:
        """Subscribe, and make everything due again."""
        with self._guard:
            self._warnings.clear()
        self._connects += 1
        self._reconnect_asked = False
        self._delivery.connected(welcome.receive_maximum, time.monotonic())
        # Always, for the session may be gone; and our own availability, since the will of a connection that died
        # slowly can overtake the `online` of this one.
        link.subscribe(self._filters)
        if self._followed:
            link.subscribe(self._followed, as_published=False)
        if self._others:
            link.subscribe(self._others, own=False)
        link.subscribe([self._availability], qos=0, replay=False)

    def pump(self, link: Link) -> None:
        """Send what the window allows."""
        if self._put_off:
            # A new connection starts again at the oldest event, after a pause that grows.
            refusal, self._put_off = self._put_off, ""
            raise BrokerError(f"the broker takes no more at the moment: {refusal}")
        if self._reconnect_asked and not self._delivery.answers_wait:
            raise BrokerError("reconnecting, as asked")
        self._delivery.settle()
        while (outgoing := self._delivery.next(time.monotonic())) is not None:
            if self._denied(outgoing.topic):
                self._delivery.refused_unsent(outgoing)
                continue
            if not link.fits(outgoing.topic, outgoing.payload):
                self._delivery.refused_unsent(outgoing)
                self._warn(
                    f"a message of {len(outgoing.payload)} bytes on {outgoing.topic} is larger than the broker takes"
                )
                continue
            mid = link.publish(
                outgoing.topic,
                outgoing.payload,
                retain=outgoing.retain,
                captured_ns=outgoing.captured_ns,
                correlation=outgoing.correlation,
                content_type=outgoing.content_type,
                expiry_seconds=outgoing.expiry_seconds,
            )
            self._delivery.sent(outgoing, mid, time.monotonic())

    def unanswered_since(self) -> float | None:
        """The age of the oldest unacknowledged message."""
        return self._delivery.oldest_flight_seconds()

    def lost(self) -> None:
        """The connection is gone."""
        self._delivery.disconnected()

    def flushed(self) -> bool:
        """Everything is acknowledged."""
        self._delivery.settle()
        return self._delivery.idle

    def farewell(self, link: Link) -> None:
        """Say `offline`."""
        self._farewell_mid = link.publish(self._availability, OFFLINE, retain=True)
        self._farewell_heard = self._farewell_mid is None

    def heard(self) -> bool:
        """`offline` was acknowledged."""
        return self._farewell_heard

    # -- Listener: network thread -------------------------------------------------------------------------------

    def on_message(self, message: Message) -> None:
        """What came in, or our own availability as others see it."""
        if message.topic != self._availability:
            self._take(message)
        elif message.payload != ONLINE and self._farewell_mid is None:
            self._delivery.renew(self._availability)

    def on_acknowledged(self, mid: int, refusal: str) -> None:
        """The broker took a message, or did not."""
        if mid == self._farewell_mid:
            self._farewell_heard = True
            return
        if refusal in _TEMPORARY_REFUSALS:
            self._put_off = refusal
            return
        outgoing = self._delivery.acknowledged(mid, refused=bool(refusal))
        if refusal and outgoing is not None:
            # Some brokers close the connection over it: asking again with every message would never let us work.
            sentence = f"the broker refuses what is published on {outgoing.topic}: {refusal} (see its access list)"
            with self._guard:
                known = outgoing.topic in self._denials
                self._denials[outgoing.topic] = (time.monotonic() + DENIAL_SECONDS, sentence)
            if not known:
                log.warning("%s", sentence)

    def on_subscription_refused(self, topic_filter: str, reason: str) -> None:
        """The broker's access list keeps a subscription from us."""
        self._warn(f"the broker does not let us subscribe to {topic_filter}: {reason} (see its access list)")

    # -- inside -------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _take(self, message: Message) -> None:
        """Something came in. On the network thread; the broker has its acknowledgement when this returns."""

    def _denied(self, topic: str) -> bool:
        with self._guard:
            until, _ = self._denials.get(topic, (0.0, ""))
            if time.monotonic() < until:
                return True
            self._denials.pop(topic, None)
            return False

    def _make_link(self) -> Link:
        return Link(
            self._settings,
            self,
            client_id=self._settings.client_id or self._client_id,
            clean_start=False,
            session_expiry_seconds=self._settings.session_expiry_seconds,
            will=Will(self._availability, OFFLINE),
        )

    def _expiry(self, interval_seconds: float) -> float:
        """What is told so seldom may not expire between two tellings."""
        return max(float(self._settings.state_expiry_seconds), RENEWALS * interval_seconds)

    def _latest(self, topic: str, state: msgspec.Struct, expiry_seconds: float = math.inf) -> None:
        if self._delivery.latest(topic, msgspec.json.encode(state), expiry_seconds, time.monotonic()):
            self._connection.poke()

    def _warn(self, sentence: str) -> None:
        with self._guard:
            known = sentence in self._warnings
            self._warnings[sentence] = None
            while len(self._warnings) > 16:
                del self._warnings[next(iter(self._warnings))]
        if not known:
            log.warning("%s", sentence)

    def _more_events(self) -> None:
        self._delivery.more_events()
        self._connection.poke()

    def _connection_changed(self) -> None:
        if self.connected:
            host, port = self._settings.host, self._settings.port
            log.info("connected to the MQTT broker at %s:%d", host, port, extra=BROKER_BACK.extra())
        elif not self._connection.stopping:
            log.warning("no MQTT: %s; trying again", self.problem, extra=BROKER_LOST.extra())
        self._wake()

    def _wake(self) -> None:
        if not self._closed:
            os.eventfd_write(self._wake_fd, 1)
