"""One camera's voice and ear on MQTT."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from edged.bus.commands import CommandDesk, Repetition, Reply, Request, may_reply_on
from edged.bus.connection import Connection
from edged.bus.delivery import RENEWALS, Delivery
from edged.bus.inbox import Inbox
from edged.bus.message import Message
from edged.bus.outbox import Outbox, OutgoingEvent
from edged.bus.paho_link import Link, Welcome, Will
from edged.errors import BrokerError
from edged.events import HealthState, Summary
from edged.settings import MqttSettings
from edged.topics import Response, camera_topic, command_filter

log = logging.getLogger(__name__)

ONLINE = b"online"
OFFLINE = b"offline"
# A topic the broker does not let us publish on is left alone for this long.
DENIAL_SECONDS = 300.0
_REQUESTS_LIMIT = 256
_STREAM_LIMIT = 8
# The broker may take some messages back later (quota, resources): these are kept and sent again, the others never.
_TEMPORARY_REFUSALS = ("quota exceeded", "implementation specific error")


class Bus:
    """Publishes what a camera's daemon has to say, and collects what it is asked.

    Every method is safe to call from any thread, none blocks on the network except `stop`, none raises for want of a
    broker. A thread of its own connects, for ever.
    """

    def __init__(self, settings: MqttSettings, camera: str, outbox: Outbox, listens: Iterable[str] = ()) -> None:
        """listens: topic filters beside the commands and `config/set`; what comes is handed out by `messages`."""
        self._settings = settings
        self._listens = list(listens)
        self._camera = camera
        self._availability = self._topic("availability")
        self._delivery = Delivery(outbox, final_topic=self._availability)
        self._desk = CommandDesk(settings.prefix, camera)
        self._guard = threading.Lock()
        self._requests: deque[Request] = deque()
        self._commands = self._topic("command", name="")
        self._inbox = Inbox(frozenset({self._topic("config_set")}))
        self._connects = 0
        self._reconnect_asked = False
        self._stream: deque[tuple[str, bytes]] = deque(maxlen=_STREAM_LIMIT)
        self._warnings: dict[str, None] = {}
        self._put_off = ""
        self._denials: dict[str, tuple[float, str]] = {}
        self._farewell_mid: int | None = None
        self._farewell_heard = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self._connection = Connection(
            f"mqtt {camera}",
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
        """An eventfd, readable when `requests()` has something or the connection changed; `requests()` resets it."""
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

    def event(self, payload: dict[str, Any], captured_ns: int) -> None:
        """Put an event (from `events.envelope`) in the outbox; it goes out at QoS 1 and stays until acknowledged.

        captured_ns: CLOCK_MONOTONIC of the deciding frame, sent as the user property `captured-monotonic-ns`.
        """
        kind = str(payload["kind"])
        self._delivery.event(
            OutgoingEvent(self._topic("event", kind=kind), kind, msgspec.json.encode(payload), captured_ns)
        )
        self._connection.poke()

    def state(self, aspect: str, state: msgspec.Struct) -> None:
        """Set or confirm `state/{aspect}`: retained, the latest wins, sent again as it is now after every connect.

        What is not confirmed for `mqtt.state_expiry_seconds` disappears, here and from the broker.
        """
        self._latest(self._topic("state", aspect=aspect), state, self._settings.state_expiry_seconds)

    def health(self, state: HealthState, interval_seconds: float = 0.0) -> None:
        """Set `health`, which is told again after interval_seconds at the latest."""
        self._latest(self._topic("health"), state, self._expiry(interval_seconds))

    def summary(self, summary: Summary) -> None:
        """Set `summary`."""
        self._latest(self._topic("summary"), summary, self._expiry(summary.window_seconds))

    def stream(self, payload: bytes) -> None:
        """Publish one frame's landmarks at QoS 0; dropped when nobody is there or the broker is slow."""
        if self.connected:
            self._stream.append((self._topic("stream"), payload))
            self._connection.poke()

    def snapshot(self, jpeg: bytes) -> None:
        """Publish a picture."""
        self._delivery.once(self._topic("snapshot"), jpeg, content_type="image/jpeg")
        self._connection.poke()

    def tell(self, key: str, state: msgspec.Struct) -> None:
        """Set a retained row of the topic table: the latest wins, sent again as it is now after every connect."""
        self._latest(self._topic(key), state)

    def retained(self, topic: str, payload: bytes) -> None:
        """As `tell`, for a topic outside our branch (discovery). An empty payload clears it, once."""
        if self._delivery.latest(topic, payload):
            self._connection.poke()

    def renew(self, topic: str) -> None:
        """Send what was set with `retained` once more, though it did not change."""
        self._delivery.renew(topic)
        self._connection.poke()

    def say(self, key: str, answer: msgspec.Struct, asked: Message | None = None) -> None:
        """Publish once on a row of the topic table; also on the response topic of the message that asked, if any."""
        payload = msgspec.json.encode(answer)
        own = self._topic(key)
        correlation = asked.properties.get("correlation") if asked is not None else None
        self._delivery.once(own, payload, correlation=correlation, content_type="application/json")
        reply_topic = asked.properties.get("response_topic") if asked is not None else None
        if reply_topic and reply_topic != own and may_reply_on(reply_topic, self._settings.prefix, self._camera):
            self._delivery.once(reply_topic, payload, correlation=correlation, content_type="application/json")
        self._connection.poke()

    def desire(self, overlay: bytes) -> None:
        """Replace what is retained on `config/set`, once: a later wish of somebody else must not be overwritten by
        ours with the next connect. Empty clears it.
        """
        self._delivery.once(self._topic("config_set"), overlay, retain=True)
        self._connection.poke()

    def reconnect(self) -> None:
        """Drop the connection once all that waits is answered, and connect anew."""
        self._reconnect_asked = True
        self._connection.poke()

    # -- in -----------------------------------------------------------------------------------------------------

    def messages(self) -> list[Message]:
        """What came since the last call on the filters beside the commands, in order; of `config/set` the newest.

        Announced by `wake_fd`, as `requests` is; call both.
        """
        return self._inbox.take()

    def requests(self) -> list[Request]:
        """The commands that came since the last call, each once and each known. Each wants a `respond`."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.eventfd_read(self._wake_fd)
        with self._guard:
            found = list(self._requests)
            self._requests.clear()
        return found

    def respond(self, request: Request, response: Response) -> None:
        """Answer a request on `response/{name}`, and on the asker's own response topic."""
        with self._guard:
            reply = self._desk.answer(request, response)
        self._send_reply(reply)
        self._connection.poke()

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
        link.subscribe([command_filter(self._settings.prefix, self._camera), *self._listens])
        # Not our own: an echo could push somebody else's wish out of the inbox, or be taken for one.
        link.subscribe([self._topic("config_set")], own=False)
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
        while self._stream:
            topic, payload = self._stream.popleft()
            if not link.congested and link.fits(topic, payload):
                link.publish(topic, payload, qos=0)

    def unanswered_since(self) -> float | None:
        """The age of the oldest unacknowledged message."""
        return self._delivery.oldest_flight_seconds()

    def lost(self) -> None:
        """The connection is gone."""
        self._stream.clear()
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
        """A command, or our own availability as others see it."""
        if message.topic == self._availability:
            if message.payload != ONLINE and self._farewell_mid is None:
                self._delivery.renew(self._availability)
            return
        if not message.topic.startswith(self._commands):
            if self._inbox.put(message):
                self._wake()
            return
        with self._guard:
            taken: Request | Reply | Repetition | None = self._desk.take(message, time.monotonic())
            if isinstance(taken, Request):
                if len(self._requests) < _REQUESTS_LIMIT:
                    self._requests.append(taken)
                else:
                    taken = self._desk.answer(
                        taken, Response("error", taken.name, taken.command.transaction, "too many commands wait")
                    )
        if isinstance(taken, Request):
            self._wake()
        elif isinstance(taken, Reply):
            self._send_reply(taken)
        elif isinstance(taken, Repetition) and taken.reply is not None:
            self._send_reply(taken.reply)

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
            client_id=self._settings.client_id or f"edged-{self._camera}",
            clean_start=False,
            session_expiry_seconds=self._settings.session_expiry_seconds,
            will=Will(self._availability, OFFLINE),
        )

    def _topic(self, key: str, **levels: str) -> str:
        return camera_topic(self._settings.prefix, self._camera, key, **levels)

    def _expiry(self, interval_seconds: float) -> float:
        """What is told so seldom may not expire between two tellings."""
        return max(float(self._settings.state_expiry_seconds), RENEWALS * interval_seconds)

    def _latest(self, topic: str, state: msgspec.Struct, expiry_seconds: float = math.inf) -> None:
        if self._delivery.latest(topic, msgspec.json.encode(state), expiry_seconds, time.monotonic()):
            self._connection.poke()

    def _send_reply(self, reply: Reply) -> None:
        for topic, correlation in reply.topics:
            self._delivery.once(topic, reply.payload, correlation=correlation, content_type="application/json")

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
            log.info("connected to the MQTT broker at %s:%d", self._settings.host, self._settings.port)
        elif not self._connection.stopping:
            log.warning("no MQTT: %s; trying again", self.problem)
        self._wake()

    def _wake(self) -> None:
        if not self._closed:
            os.eventfd_write(self._wake_fd, 1)
