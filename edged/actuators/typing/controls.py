"""Typing from Home Assistant."""

from __future__ import annotations

from edged.actuators.settings import ActuatorSettings
from edged.actuators.typing.settings import TypingSettings
from edged.discovery.actuator import Control


def controls(settings: ActuatorSettings) -> list[Control]:
    """A field to type in, a notification that is typed, and a button for each snippet."""
    own: TypingSettings = getattr(settings, "typing")  # noqa: B009 - the section of this kind
    return [
        Control("type_text", "text", "Type text", "type", icon="mdi:keyboard-outline"),
        Control("type_message", "notify", "Type", "type"),
        *(
            Control(f"snippet_{name}", "button", f"Type {name}", "snippet", {"name": name}, "mdi:text-short")
            for name in own.snippets
        ),
    ]
