"""MQTT 5 PUBLISH properties, written by hand.

paho's own class compares each name with every name there is: with one user property that costs as much as sending
the message. Encoding: MQTT 5, section 2.2.2.
"""

from __future__ import annotations

_MESSAGE_EXPIRY = 0x02
_CONTENT_TYPE = 0x03
_RESPONSE_TOPIC = 0x08
_CORRELATION_DATA = 0x09
_USER_PROPERTY = 0x26


def pack(
    *,
    user: tuple[str, str] | None = None,
    response_topic: str | None = None,
    correlation: bytes | None = None,
    content_type: str | None = None,
    expiry_seconds: int | None = None,
) -> bytes:
    """The properties with their length in front, ready for a PUBLISH packet. Raises ValueError for too long a value."""
    body = bytearray()
    if expiry_seconds is not None:
        body.append(_MESSAGE_EXPIRY)
        body += expiry_seconds.to_bytes(4, "big")
    if content_type is not None:
        body.append(_CONTENT_TYPE)
        body += _counted(content_type.encode())
    if response_topic is not None:
        body.append(_RESPONSE_TOPIC)
        body += _counted(response_topic.encode())
    if correlation is not None:
        body.append(_CORRELATION_DATA)
        body += _counted(correlation)
    if user is not None:
        body.append(_USER_PROPERTY)
        body += _counted(user[0].encode()) + _counted(user[1].encode())
    return _variable_length(len(body)) + bytes(body)


def _counted(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise ValueError(f"an MQTT property of {len(value)} bytes is too long")
    return len(value).to_bytes(2, "big") + value


def _variable_length(length: int) -> bytes:
    encoded = bytearray()
    while True:
        length, low = divmod(length, 128)
        encoded.append(low | 0x80 if length else low)
        if not length:
            return bytes(encoded)
