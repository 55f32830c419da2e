"""One connection to a broker over paho-mqtt: the only file that imports it.

A `Link` lives for one connection, is used by one thread and is then thrown away. That avoids paho's own queue (which
sends unacknowledged messages again after a reconnect, beside ours), its own thread (which an exception in a callback
kills while `is_connected()` stays true, and whose `loop_stop()` can block for two keepalives), and its own reconnect
(which has no jitter).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import time
from dataclasses import dataclass
from typing import Any, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edged.bus import leftovers
from edged.bus.credentials import password
from edged.bus.message import CAPTURED_PROPERTY, Message
from edged.bus.problems import connect_problem, refusal
from edged.bus.properties import pack
from edged.bus.tls import TlsContext, tls_context
from edged.errors import BrokerError
from edged.settings import MqttSettings

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
WELCOME_SECONDS = 5.0
# What we let a broker send us in one packet: far above any command, far below what would hurt a small board.
MAX_INCOMING_BYTES = 1024 * 1024
_PROPERTY_BYTES = 256
_LEFTOVER_BYTES = 64 * 1024
_DEFAULT_RECEIVE_MAXIMUM = 65_535


@dataclass(frozen=True)
class Will:
    """What the broker says, retained, when we vanish."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Welcome:
    """What the broker told us when it let us in. max_packet_bytes: None if unlimited."""

    session_present: bool
    receive_maximum: int
    max_packet_bytes: int | None
    max_qos: int
    retain_available: bool


class Listener(Protocol):
    """Hears what a link reads. Called on the thread that turns the link; must not publish from within."""

    def on_message(self, message: Message) -> None:
        """Something arrived on a subscription."""

    def on_acknowledged(self, mid: int, refusal: str) -> None:
        """The broker answered a publication: took it (empty refusal), or why not."""

    def on_subscription_refused(self, topic_filter: str, reason: str) -> None:
        """The broker does not grant one of our subscriptions."""


class Link:
    """One connection. Every method raises BrokerError, one plain sentence, once the connection is gone."""

    def __init__(
        self,
        settings: MqttSettings,
        listener: Listener,
        *,
        client_id: str,
        clean_start: bool,
        session_expiry_seconds: int,
        will: Will | None = None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._clean_start = clean_start
        self._session_expiry_seconds = session_expiry_seconds
        self._where = f"{settings.host}:{settings.port}"
        self._lost = ""
        self._abandoned = False
        self._tls: TlsContext | None = None
        self._welcome: Welcome | None = None
        self._asked: dict[int, list[str]] = {}
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5, reconnect_on_failure=False
        )
        self._client.connect_timeout = CONNECT_SECONDS
        # We keep the inflight window ourselves; paho must never queue.
        self._client.max_inflight_messages_set(_DEFAULT_RECEIVE_MAXIMUM)
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._client.on_socket_open = self._on_socket_open
        self._client.on_socket_close = self._on_socket_close
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._poll = select.poll()

    # -- life ---------------------------------------------------------------------------------------------------

    def open(self) -> Welcome:
        """Connect and wait for the broker's welcome; blocks for at most about ten seconds."""
        self._log_in()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_expiry_seconds
        properties.MaximumPacketSize = MAX_INCOMING_BYTES
        try:
            self._client.connect(
                self._settings.host,
                self._settings.port,
                keepalive=self._settings.keepalive_seconds,
                clean_start=self._clean_start,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            if self._tls is not None:
                self._tls.drop()
            raise BrokerError(connect_problem(self._settings, error)) from None
        deadline = time.monotonic() + WELCOME_SECONDS
        while self._welcome is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise BrokerError(f"the broker at {self._where} accepts the connection but does not answer")
            self.turn(remaining, None)
        return self._welcome

    def abandon(self) -> None:
        """From another thread: should `open` ever get as far as a connection, it raises instead of saying who we are.

        The broker would else throw out the link that has taken this one's place.
        """
        self._abandoned = True

    def close(self) -> None:
        """Drop the connection as it is. Without `disconnect` before, the broker publishes the will."""
        # A callback after this is of no interest, and breaking the reference cycle frees the socket now.
        self._client.on_disconnect = None
        with contextlib.suppress(Exception):
            connection = self._client.socket()
            if connection is not None:
                connection.close()
        for name in ("on_connect", "on_message", "on_publish", "on_subscribe", "on_socket_open", "on_socket_close"):
            setattr(self._client, name, None)

    def disconnect(self) -> None:
        """Leave in good order: the broker drops the will."""
        self._lost = "we left"
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()

    # -- work ---------------------------------------------------------------------------------------------------

    def turn(self, timeout_seconds: float, wake_fd: int | None) -> None:
        """Read, write and keep alive; returns after something happened, `wake_fd` became readable, or the timeout."""
        connection = self._socket()
        descriptor = connection.fileno()
        pending = getattr(connection, "pending", None)  # only TLS has bytes that poll() does not see
        if pending is not None and pending():
            timeout_seconds = 0.0
        self._poll.register(descriptor, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        if wake_fd is not None:
            self._poll.register(wake_fd, select.POLLIN)
        try:
            # Rounded up: rounding down would spin through the last millisecond.
            ready = dict(self._poll.poll(max(0, int(timeout_seconds * 1000 + 0.999))))
        finally:
            self._poll.unregister(descriptor)
            if wake_fd is not None:
                self._poll.unregister(wake_fd)
        if wake_fd is not None and wake_fd in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(wake_fd)
        if ready.get(descriptor, 0) & ~select.POLLOUT or (pending is not None and pending()):
            self._check(self._client.loop_read())
        if self._client.want_write():
            self._check(self._client.loop_write())
        self._check(self._client.loop_misc())
        self._socket()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        captured_ns: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
        content_type: str | None = None,
        expiry_seconds: int | None = None,
    ) -> int | None:
        """Send a message; the id its acknowledgement will carry, None if none will come."""
        welcome = self._welcome
        if welcome is None:
            raise BrokerError(f"not connected to the broker at {self._where}")
        packed = pack(
            user=None if captured_ns is None else (CAPTURED_PROPERTY, str(captured_ns)),
            response_topic=response_topic,
            correlation=correlation,
            content_type=content_type,
            expiry_seconds=expiry_seconds,
        )
        qos = min(qos, welcome.max_qos)
        info = self._client.publish(
            topic, payload, qos=qos, retain=retain and welcome.retain_available, properties=_Packed(packed)
        )
        # Connection errors show on the next turn; the message is then repeated by whoever keeps it.
        return info.mid if qos else None

    def subscribe(
        self, filters: list[str], *, qos: int = 1, replay: bool = True, as_published: bool = True, own: bool = True
    ) -> None:
        """Subscribe at most at this QoS. replay: also hear what was retained before. as_published: what is to be
        retained keeps its flag even when it is fresh; else the flag says that the broker repeats it. own: also hear what
        we publish.
        """
        handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if replay else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=qos, noLocal=not own, retainAsPublished=as_published, retainHandling=handling)
        code, mid = self._client.subscribe([(each, options) for each in filters])
        if mid is not None:
            self._asked[mid] = filters
        self._check(code)

    def settle_subscriptions(self) -> None:
        """Wait, at most about five seconds, until the broker has answered every subscription."""
        deadline = time.monotonic() + WELCOME_SECONDS
        while self._asked:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise BrokerError(f"the broker at {self._where} does not answer a subscription")
            self.turn(remaining, None)

    def fits(self, topic: str, payload: bytes) -> bool:
        """Would the broker take a message of this size."""
        limit = self._welcome.max_packet_bytes if self._welcome else None
        return limit is None or len(topic.encode()) + len(payload) + _PROPERTY_BYTES <= limit

    @property
    def congested(self) -> bool:
        """Bytes wait for the socket: what may be left out should be."""
        return self._client.want_write()

    # -- inside -------------------------------------------------------------------------------------------------

    def _log_in(self) -> None:
        secret = password(self._settings)
        if self._settings.username:
            self._client.username_pw_set(self._settings.username, secret)
        if self._settings.tls.enabled:
            self._tls = tls_context(self._settings.tls)
            self._client.tls_set_context(self._tls)

    def _socket(self) -> Any:
        connection = self._client.socket()
        if connection is None:
            raise BrokerError(self._lost or self._hung_up())
        return connection

    def _check(self, code: MQTTErrorCode) -> None:
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL and not self._lost:
            self._lost = f"the broker at {self._where} sent something that is not MQTT 5"
        raise BrokerError(self._lost or self._hung_up())

    def _hung_up(self) -> str:
        sentence = f"the broker at {self._where} closed the connection"
        if self._welcome is not None:
            return sentence
        hint = "does it ask for a client certificate?" if self._settings.tls.enabled else "does it want TLS?"
        return f"{sentence} before it let us in ({hint})"

    def _on_socket_open(self, _client: Client, _userdata: Any, connection: Any) -> None:
        if self._abandoned:
            raise BrokerError("connecting took too long and was given up")
        # Without it, Nagle's algorithm holds a second small packet back until the first is acknowledged (40 ms).
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_socket_close(self, _client: Client, _userdata: Any, connection: Any) -> None:
        if self._lost:
            return
        try:
            found = leftovers.parse(connection.recv(_LEFTOVER_BYTES))
            for mid, code in found.answers:
                reason = ReasonCode(PacketTypes.PUBACK, identifier=code)
                self._listener.on_acknowledged(mid, str(reason).lower() if reason.is_failure else "")
            if found.disconnect is not None:
                self._lost = self._refusal(ReasonCode(PacketTypes.DISCONNECT, identifier=found.disconnect))
        except (OSError, ValueError, KeyError):
            pass  # nothing was left, which is usual
        except Exception:
            log.exception("what the broker said last was passed over")

    def _on_connect(
        self, _client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._lost = self._refusal(reason)
            return
        self._welcome = Welcome(
            session_present=flags.session_present,
            receive_maximum=getattr(properties, "ReceiveMaximum", _DEFAULT_RECEIVE_MAXIMUM),
            max_packet_bytes=getattr(properties, "MaximumPacketSize", None),
            max_qos=getattr(properties, "MaximumQoS", 2),
            retain_available=bool(getattr(properties, "RetainAvailable", 1)),
        )

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if self._lost:
            return
        if flags.is_disconnect_packet_from_server:
            self._lost = self._refusal(reason)
        elif str(reason) == "Keep alive timeout":
            self._lost = f"the broker at {self._where} no longer answers"
        else:
            self._lost = self._hung_up()

    def _refusal(self, reason: ReasonCode) -> str:
        return refusal(self._where, str(reason))

    def _on_message(self, _client: Client, _userdata: Any, received: MQTTMessage) -> None:
        # A message that breaks us must still be acknowledged, or the broker sends it again with every connection.
        try:
            self._listener.on_message(_message(received))
        except Exception:
            log.exception("a received MQTT message was passed over")

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        try:
            self._listener.on_acknowledged(mid, str(reason).lower() if reason.is_failure else "")
        except Exception:
            log.exception("an MQTT acknowledgement was passed over")

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        try:
            for topic_filter, reason in zip(self._asked.pop(mid, []), reasons, strict=False):
                if reason.is_failure:
                    self._listener.on_subscription_refused(topic_filter, str(reason).lower())
        except Exception:
            log.exception("an MQTT subscription answer was passed over")


class _Packed(Properties):
    """Properties that are packed already: all that paho's `publish` asks of them."""

    def __init__(self, packed: bytes) -> None:
        # Past the checks that make the original slow.
        object.__setattr__(self, "_packed", packed)

    def pack(self) -> bytes:
        packed: bytes = self.__dict__["_packed"]
        return packed

    def __str__(self) -> str:
        return f"{len(self.pack())} bytes"


def _message(received: MQTTMessage) -> Message:
    properties: dict[str, Any] = {}
    given = received.properties
    for ours, theirs in (
        ("response_topic", "ResponseTopic"),
        ("correlation", "CorrelationData"),
        ("content_type", "ContentType"),
    ):
        value = getattr(given, theirs, None)
        if value is not None:
            properties[ours] = value
    user = getattr(given, "UserProperty", None)
    if user:
        properties["user"] = dict(user)
    return Message(
        topic=received.topic,
        payload=bytes(received.payload),
        qos=received.qos,
        retain=bool(received.retain),
        properties=properties,
        received_monotonic_ns=time.monotonic_ns(),
        duplicate=bool(received.dup),
    )
