"""One camera's voice and ear on MQTT."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from edged.bus.commands import CommandDesk, Repetition, Reply, Request, may_reply_on
from edged.bus.inbox import Inbox
from edged.bus.message import Message
from edged.bus.outbox import Outbox, OutgoingEvent
from edged.bus.paho_link import Link
from edged.bus.speaker import Speaker
from edged.settings import MqttSettings
from edged.states import HealthState, Summary
from edged.topics import Response, camera_topic, command_filter

log = logging.getLogger(__name__)

_REQUESTS_LIMIT = 256
_STREAM_LIMIT = 8


class Bus(Speaker):
    """Publishes what a camera's daemon has to say, and collects what it is asked."""

    def __init__(self, settings: MqttSettings, camera: str, outbox: Outbox, listens: Iterable[str] = ()) -> None:
        """listens: topic filters beside the commands and `config/set`; what comes is handed out by `messages`."""
        self._camera = camera
        self._prefix = settings.prefix
        self._desk = CommandDesk(settings.prefix, camera)
        self._requests: deque[Request] = deque()
        self._commands = self._topic("command", name="")
        self._inbox = Inbox(frozenset({self._topic("config_set")}))
        self._stream: deque[tuple[str, bytes]] = deque(maxlen=_STREAM_LIMIT)
        super().__init__(
            settings, camera, f"edged-{camera}", self._topic("availability"),
            [command_filter(settings.prefix, camera), *listens], outbox,
            # An echo of our own could push somebody else's wish out of the inbox, or be taken for one.
            others=[self._topic("config_set")],
        )  # fmt: skip

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

    # -- in -----------------------------------------------------------------------------------------------------

    def messages(self) -> list[Message]:
        """What came since the last call on the filters beside the commands, in order; of `config/set` the newest.

        Announced by `wake_fd`, as `requests` is; call both.
        """
        return self._inbox.take()

    def requests(self) -> list[Request]:
        """The commands that came since the last call, each once and each known. Each wants a `respond`."""
        self.quiet()
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

    # -- network thread -----------------------------------------------------------------------------------------

    def pump(self, link: Link) -> None:
        """Send what the window allows, then what may be left out."""
        super().pump(link)
        while self._stream:
            topic, payload = self._stream.popleft()
            if not link.congested and link.fits(topic, payload):
                link.publish(topic, payload, qos=0)

    def lost(self) -> None:
        """The connection is gone."""
        self._stream.clear()
        super().lost()

    def _take(self, message: Message) -> None:
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

    # -- inside -------------------------------------------------------------------------------------------------

    def _topic(self, key: str, **levels: str) -> str:
        return camera_topic(self._prefix, self._camera, key, **levels)

    def _send_reply(self, reply: Reply) -> None:
        for topic, correlation in reply.topics:
            self._delivery.once(topic, reply.payload, correlation=correlation, content_type="application/json")
