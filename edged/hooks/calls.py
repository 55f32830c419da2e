"""What a hook is called with, as a message."""

from __future__ import annotations

import msgspec

from edged import messages
from edged.hooks.pace import EventItem, Item
from edged.messages import HandEvent, HandObservation
from edged.observations import Observation


def request(number: int, item: Item) -> HandEvent | HandObservation:
    """The message, small enough for a packet."""
    if isinstance(item, EventItem):
        return HandEvent(number, msgspec.json.encode(item.payload))
    message = HandObservation(number, item)
    if item.landmarks is not None and len(messages.encode(message)) > messages.MAX_PACKET_BYTES:
        # Of very many faces; what was measured from them is there nevertheless.
        message = HandObservation(number, msgspec.structs.replace(item, landmarks=None))
    return message


def moment(item: Item) -> tuple[int, float]:
    """Frame and stream time (milliseconds) of what a hook was called with."""
    if isinstance(item, Observation):
        return item.frame, item.at_ms
    return int(item.payload["frame"]), float(item.payload["at_ms"])
