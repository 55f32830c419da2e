"""What the broker said last, before it hung up on us.

A broker that dislikes a message answers it and closes the connection. If more of ours are on the way, writing fails
before the answer is read, and paho drops the socket with the answer in it. Without that answer the same message would
be sent, and the connection lost, for ever. mosquitto 2.0.11 (Debian 12, Raspberry Pi OS bookworm) does so when its
access list refuses a QoS 1 message: its log says `Sending PUBACK (m4, rc135)`, `Bad socket read/write: Unknown error`.
"""

from __future__ import annotations

from typing import NamedTuple

_PUBACK = 4
_DISCONNECT = 14


class Leftovers(NamedTuple):
    """answers: message id and MQTT 5 reason code of each PUBACK. disconnect: reason code of a DISCONNECT, if any."""

    answers: list[tuple[int, int]]
    disconnect: int | None


def parse(data: bytes) -> Leftovers:
    """Read whole packets off the front of `data`; other packets and a torn last one are passed over."""
    answers: list[tuple[int, int]] = []
    disconnect: int | None = None
    at = 0
    while (packet := _packet(data, at)) is not None:
        kind, start, end = packet
        body = data[start:end]
        if kind == _PUBACK and len(body) >= 2:
            answers.append((int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0))
        elif kind == _DISCONNECT:
            disconnect = body[0] if body else 0
        at = end
    return Leftovers(answers, disconnect)


def _packet(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Kind, start and end of the body of the packet at `at`; None if it is not all there."""
    if at >= len(data):
        return None
    length = 0
    for index in range(4):
        where = at + 1 + index
        if where >= len(data):
            return None
        length |= (data[where] & 0x7F) << (7 * index)
        if not data[where] & 0x80:
            start = where + 1
            return (data[at] >> 4, start, start + length) if start + length <= len(data) else None
    return None
