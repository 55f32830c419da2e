"""Alerts from Home Assistant."""

from __future__ import annotations

from edged.actuators.settings import ActuatorSettings
from edged.actuators.twilio.settings import Channel, TwilioSettings
from edged.discovery.actuator import Control
from edged.discovery.device import node_id

# Somebody must be told even if it takes a while.
_LIFE_SECONDS = 3600.0
_WAYS: tuple[tuple[Channel, str], ...] = (("sms", "SMS to"), ("call", "Call"), ("whatsapp", "WhatsApp to"))


def controls(settings: ActuatorSettings) -> list[Control]:
    """A notification for each escalation chain and each way to each person, and a button to acknowledge."""
    own: TwilioSettings = getattr(settings, "twilio")  # noqa: B009 - the section of this kind
    found = [
        Control(
            f"alert_{node_id(name)}", "notify", f"Alert {name}", "alert", {"chain": name}, "mdi:bell-alert",
            _LIFE_SECONDS,
        )
        for name in own.chains
    ]  # fmt: skip
    ways = [(each, words) for each, words in _WAYS if not own.missing_sender(each)]
    found += [
        Control(f"{way}_{node_id(name)}", "notify", f"{words} {name}", way, {"to": name}, "mdi:message", _LIFE_SECONDS)
        for name in own.recipients
        for way, words in ways
    ]
    return [*found, Control("acknowledge", "button", "Acknowledge", "acknowledge", icon="mdi:check-all")]
