"""One MQTT message as it came in, free of any library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CAPTURED_PROPERTY = "captured-monotonic-ns"


@dataclass(frozen=True)
class Message:
    """A received message.

    retain: the broker says it is (or was published as) a retained one. duplicate: the broker sends it again since it
    got no acknowledgement. received_monotonic_ns: CLOCK_MONOTONIC when it was read from the socket.
    properties, of MQTT 5, each only if present: `response_topic` (str), `correlation` (bytes), `content_type` (str),
    `user` (dict of str to str).
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: dict[str, Any] = field(default_factory=dict)
    received_monotonic_ns: int = 0
    duplicate: bool = False

    @property
    def user(self) -> dict[str, str]:
        """The MQTT 5 user properties; of equal names the last."""
        user: dict[str, str] = self.properties.get("user", {})
        return user
