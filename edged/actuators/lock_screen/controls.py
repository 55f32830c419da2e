"""The lock screen from Home Assistant."""

from __future__ import annotations

from edged.actuators.settings import ActuatorSettings
from edged.discovery.actuator import Control

_BUTTONS = (
    Control("lock", "button", "Lock screen", "lock", icon="mdi:lock"),
    Control("block", "button", "Keep locked", "block", icon="mdi:lock-alert"),
    Control("release", "button", "Let unlock", "release", icon="mdi:lock-clock"),
    Control("sign_out", "button", "Sign out", "sign_out", icon="mdi:logout"),
)
# Off unless the owner has switched them on; without `block` there is nothing to release.
_TO_BE_ENABLED = {"block": "block", "release": "block", "sign_out": "sign_out"}


def controls(settings: ActuatorSettings) -> list[Control]:
    """A button for each thing that it does. None unlocks: that is done at the screen."""
    return [
        each for each in _BUTTONS
        if each.action not in _TO_BE_ENABLED
        or ((policy := settings.policy.get(_TO_BE_ENABLED[each.action])) is not None and policy.enabled)
    ]  # fmt: skip
