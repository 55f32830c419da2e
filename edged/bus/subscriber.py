"""The other side of the topic contract: hear what cameras say, and ask them."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from edged.bus.connection import Connection
from edged.bus.message import Message
from edged.bus.paho_link import Link, Welcome
from edged.errors import BrokerError
from edged.settings import MqttSettings

log = logging.getLogger(__name__)


class _Ask(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool
    response_topic: str | None
    correlation: bytes | None


class Subscriber:
    """Subscribes to topic filters and queues what arrives, over as many reconnects as it takes.

    Use it as a context manager (which waits for the subscription and raises BrokerError if the broker is absent or
    refuses), or call `start`, `wait_ready` and `stop`.
    """

    def __init__(
        self,
        settings: MqttSettings,
        filters: list[str],
        *,
        client_id: str = "",
        session_expiry_seconds: int = 0,
        patience_seconds: float = 5.0,
        replay: bool = True,
    ) -> None:
        """client_id: empty draws a random one. session_expiry_seconds: above 0 the broker keeps what we miss while
        away, for this long. patience_seconds: for how long entering the context tries again after a failure.
        replay: also hear what was retained before.
        """
        self._settings = settings
        self._filters = filters
        # Never settings.client_id: that is the daemon's, and the broker would throw it out for us.
        self._client_id = client_id or f"edged-{secrets.token_hex(6)}"
        self._session_expiry_seconds = session_expiry_seconds
        self._patience_seconds = patience_seconds
        self._replay = replay
        self._messages: queue.SimpleQueue[Message | BrokerError] = queue.SimpleQueue()
        self._asks: queue.SimpleQueue[_Ask] = queue.SimpleQueue()
        self._change = threading.Condition()
        self._refusals: list[str] = []
        self._refusal = ""
        self._unanswered: dict[int, tuple[float, str]] = {}
        self._connection = Connection(
            "mqtt subscriber",
            self._make_link,
            self,
            reconnect_max_seconds=settings.reconnect_max_seconds,
            answer_seconds=float(settings.keepalive_seconds),
            changed=self._note,
        )

    @property
    def connected(self) -> bool:
        """The broker has let us in."""
        return self._connection.connected

    @property
    def problem(self) -> str:
        """Why not, as one plain sentence; empty when connected."""
        return self._connection.problem

    @property
    def refusal(self) -> str:
        """Why the broker did not take what was published last, in its words; empty: nothing was refused."""
        return self._refusal

    @property
    def failures(self) -> int:
        """Connections that broke and attempts that failed: a new number means that something may have been missed."""
        return self._connection.failures

    def start(self) -> None:
        """Begin to connect in the background."""
        self._connection.start()

    def stop(self, timeout_seconds: float = 1.0) -> None:
        """Send what was published, disconnect."""
        self._connection.stop(timeout_seconds)

    def wait_ready(self, patience_seconds: float) -> None:
        """Wait until connected and subscribed; an attempt that is under way may always end (about ten seconds).

        Raises BrokerError with the reason of the last failure once the patience is at its end; with none the first
        failure is final.
        """
        deadline = time.monotonic() + patience_seconds
        with self._change:
            while not self.connected:
                if self._connection.failures and time.monotonic() >= deadline:
                    raise BrokerError(self.problem or "the broker closed the connection")
                self._change.wait(0.1)
            if self._refusals:
                raise BrokerError(self._refusals[0])

    def receive(self, timeout_seconds: float) -> Message | None:
        """The next message; None if none came in time.

        Raises BrokerError, in its turn, for what the broker refused to take from us.
        """
        try:
            received = self._messages.get(timeout=max(0.0, timeout_seconds))
        except queue.Empty:
            return None
        if isinstance(received, BrokerError):
            raise received
        return received

    def messages(self, idle_seconds: float) -> Iterator[Message]:
        """Messages as they come; ends when none came for so long."""
        while (message := self.receive(idle_seconds)) is not None:
            yield message

    def publish(
        self,
        topic: str,
        payload: bytes = b"",
        *,
        qos: int = 1,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish as soon as connected; not repeated should the connection break on the way."""
        self._asks.put(_Ask(topic, payload, qos, retain, response_topic, correlation))
        self._connection.poke()

    def __enter__(self) -> Subscriber:
        self.start()
        try:
            self.wait_ready(self._patience_seconds)
        except BaseException:
            self.stop(0.5)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- Traffic and Listener: network thread -------------------------------------------------------------------

    def opened(self, link: Link, welcome: Welcome) -> None:
        """Subscribe and wait for the broker's word on it, so that nothing published afterwards is missed."""
        self._unanswered.clear()
        link.subscribe(self._filters, replay=self._replay)
        link.settle_subscriptions()

    def pump(self, link: Link) -> None:
        """Send what was published."""
        while not self._asks.empty():
            ask = self._asks.get()
            mid = link.publish(
                ask.topic,
                ask.payload,
                qos=ask.qos,
                retain=ask.retain,
                response_topic=ask.response_topic,
                correlation=ask.correlation,
            )
            if mid is not None:
                self._unanswered[mid] = (time.monotonic(), ask.topic)

    def unanswered_since(self) -> float | None:
        """The age of the oldest unacknowledged message."""
        return next((since for since, _ in self._unanswered.values()), None)

    def lost(self) -> None:
        """The connection is gone."""
        self._unanswered.clear()

    def flushed(self) -> bool:
        """All is acknowledged."""
        return self._asks.empty() and not self._unanswered

    def farewell(self, link: Link) -> None:
        """Nothing to say."""

    def heard(self) -> bool:
        """Nothing to wait for."""
        return True

    def on_message(self, message: Message) -> None:
        """Queue it."""
        self._messages.put(message)

    def on_acknowledged(self, mid: int, refusal: str) -> None:
        """A publication was answered."""
        _, topic = self._unanswered.pop(mid, (0.0, "?"))
        if refusal:
            self._messages.put(BrokerError(f"the broker does not let us publish on {topic}: {refusal}"))

    def on_subscription_refused(self, topic_filter: str, reason: str) -> None:
        """The broker's access list keeps a subscription from us."""
        self._refusals.append(f"the broker does not let us subscribe to {topic_filter}: {reason}")

    def _make_link(self) -> Link:
        return Link(
            self._settings,
            self,
            client_id=self._client_id,
            clean_start=self._session_expiry_seconds == 0,
            session_expiry_seconds=self._session_expiry_seconds,
        )

    def _note(self) -> None:
        with self._change:
            self._change.notify_all()
