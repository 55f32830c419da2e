"""The sitter cancels: a long blink, or a look away, while something is about to be done in their name. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.actuators.bindings import unix_seconds
from edged.actuators.settings import ActuatorSettings
from edged.bus.message import Message
from edged.topics import camera_topic


def cancels_by(settings: ActuatorSettings) -> list[str]:
    """What to listen to."""
    cancel = settings.cancel
    if not cancel.camera:
        return []
    kinds = [*(["blink"] if cancel.gestures else []), *(["gaze"] if cancel.zones else [])]
    return [camera_topic(settings.mqtt.prefix, cancel.camera, "event", kind=kind) for kind in kinds]


def cancels(settings: ActuatorSettings, message: Message, now: float) -> str:
    """Why this message cancels the job at hand, empty if it does not. now: Unix seconds."""
    if message.topic not in cancels_by(settings) or message.retain:
        return ""
    try:
        event = msgspec.json.decode(message.payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    at = event.get("at")
    seconds = unix_seconds(at) if isinstance(at, str) else None
    if seconds is None or now - seconds > settings.cancel.event_age_seconds:
        return ""
    if event.get("gesture") in settings.cancel.gestures:
        return f"{event['gesture']} blink"
    if event.get("zone") in settings.cancel.zones:
        return f"looked {event['zone']}"
    return ""
