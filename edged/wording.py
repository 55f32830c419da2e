"""Events and zones in a few words, for screens and pictures."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.events import Blink, Drowsy, Dwell, EventBody, Gaze, Happening, Health, Presence

_GESTURES = {
    "single": "blink",
    "double": "double blink",
    "triple": "triple blink",
    "long": "long blink",
    "wink_left": "wink, left eye",
    "wink_right": "wink, right eye",
}


def counted(count: int, thing: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def body_text(body: EventBody) -> str:
    """One event in a few words."""
    if isinstance(body, Blink):
        return f"{_GESTURES[body.gesture]}, {body.duration_ms:.0f} ms"
    if isinstance(body, Gaze):
        return f"looks {body.zone.replace('_', ' ')}" if body.zone != "eyes_closed" else "eyes closed"
    if isinstance(body, Dwell):
        return f"dwells {body.zone.replace('_', ' ')}, {body.held_ms / 1000:.1f} s"
    if isinstance(body, Presence):
        if body.change == "count":
            return f"{body.people} people"
        return "somebody arrived" if body.change == "arrived" else "everybody left"
    if isinstance(body, Drowsy):
        return f"{'drowsy' if body.drowsy else 'awake again'}, PERCLOS {body.perclos_percent:.0f} %"
    assert isinstance(body, Health)
    return f"health {body.status}: {body.reason}"


def event_text(happening: Happening) -> str:
    """What happened, in a few words."""
    return body_text(happening.body)


def payload_text(payload: dict[str, Any]) -> str:
    """The same for an event as it comes off its topic."""
    return body_text(msgspec.convert(payload, EventBody))
