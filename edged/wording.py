"""Events and zones in a few words, for screens and pictures."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.events import (
    Alive,
    Blink,
    Challenge,
    Config,
    Drowsy,
    Dwell,
    EventBody,
    Gaze,
    Happening,
    Health,
    HookSaid,
    Object,
    Presence,
    Seat,
    Who,
)

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
    if isinstance(body, Health):
        return f"health {body.status}: {body.reason}"
    if isinstance(body, Config):
        return f"settings {body.change.replace('_', ' ')}: {', '.join(body.paths)}"
    if isinstance(body, HookSaid):
        return f"{body.hook} says {msgspec.json.encode(body.data).decode()}"
    return _guard_text(body)


def _guard_text(body: Who | Alive | Challenge | Object | Seat) -> str:
    """Who is there, whether they are real, and what follows."""
    if isinstance(body, Who):
        if body.verdict == "known":
            return f"it is {body.person}"
        return f"a stranger, {body.stranger or 'not seen before'}" if body.verdict == "unknown" else "nobody knows who"
    if isinstance(body, Alive):
        found = {"live": "a live face", "undecided": "live or not, nobody knows"}
        return found.get(body.verdict) or f"a spoof{f' ({body.attack})' if body.attack else ''}"
    if isinstance(body, Challenge):
        step = f", {body.step.replace('_', ' ')}" if body.step else ""
        return f"challenge {body.status.replace('_', ' ')}{step}{f': {body.reason}' if body.reason else ''}"
    if isinstance(body, Object):
        return f"{body.thing} {body.change}" if body.change != "count" else counted(body.count, body.thing)
    told = f", advice: {', '.join(body.actions)}" if body.actions else ""
    return f"seat: {body.verdict.replace('_', ' ')}{told}"


def event_text(happening: Happening) -> str:
    """What happened, in a few words."""
    return body_text(happening.body)


def payload_text(payload: dict[str, Any]) -> str:
    """The same for an event as it comes off its topic."""
    return body_text(msgspec.convert(payload, EventBody))
