"""What a camera shows in Home Assistant of who sits there, where the stages and the policy for it are on."""

from __future__ import annotations

from typing import get_args

from edged import events
from edged.discovery.entities import Entity
from edged.settings import Settings

_NOTHING = "none"
_LIVENESS = [*get_args(events.LivenessVerdict), _NOTHING]
_SEAT = list(get_args(events.SeatVerdict))
_STEPS = [*get_args(events.ChallengeStep), _NOTHING]


def seat_entities(settings: Settings) -> list[Entity]:
    """Those of the stages that are on."""
    found: list[Entity] = []
    if settings.inference.recognition.enabled:
        found += [
            Entity("person", "sensor", "Person", "state",
                   f"{{{{ value_json.person or value_json.stranger or value_json.verdict or '{_NOTHING}' }}}}", "identity",
                   icon="mdi:account-badge-outline", expires=True),
            Entity("recognised", "event", "Recognised", "event",
                   "{{ dict(value_json, event_type=value_json.verdict) | tojson }}", "identity",
                   icon="mdi:account-check-outline", more={"event_types": list(get_args(events.WhoVerdict))}),
        ]  # fmt: skip
    if settings.inference.liveness.enabled:
        found += [
            Entity("liveness", "sensor", "Liveness", "state",
                   f"{{{{ value_json.verdict or '{_NOTHING}' }}}}", "liveness", icon="mdi:face-recognition",
                   expires=True, more={"device_class": "enum", "options": _LIVENESS}),
            Entity("challenge_step", "sensor", "Challenge", "state",
                   f"{{{{ value_json.challenge or '{_NOTHING}' }}}}", "liveness", icon="mdi:head-question-outline",
                   expires=True, more={"device_class": "enum", "options": _STEPS}),
            Entity("challenge", "button", "Ask for a sign of life", "", icon="mdi:head-question-outline",
                   more={"command": "challenge"}),
        ]  # fmt: skip
    if settings.inference.objects.enabled:
        found += [
            Entity("phone", "binary_sensor", "Phone", "state", "{{ 'ON' if value_json.phone else 'OFF' }}", "objects",
                   icon="mdi:cellphone", expires=True),
            Entity("persons", "sensor", "Persons", "state", "{{ value_json.persons }}", "objects",
                   icon="mdi:human-male-female", expires=True, more={"state_class": "measurement"}),
        ]  # fmt: skip
    if settings.judgement.security.enabled:
        # They are true, and matter most, while the camera is not.
        found += [
            Entity("seat", "sensor", "Seat", "state", "{{ value_json.verdict }}", "security", icon="mdi:seat-outline",
                   needs="daemon", more={"device_class": "enum", "options": _SEAT}),
            Entity("seat_unsafe", "binary_sensor", "Seat unsafe", "state",
                   "{{ 'OFF' if value_json.safe else 'ON' }}", "security", needs="daemon",
                   more={"device_class": "safety"}),
            Entity("seat_blocked", "binary_sensor", "Seat blocked", "state",
                   "{{ 'ON' if value_json.blocked else 'OFF' }}", "security", icon="mdi:seat-passenger", needs="daemon"),
            Entity("security", "event", "Security", "event",
                   "{{ dict(value_json, event_type=value_json.verdict) | tojson }}", "security",
                   icon="mdi:shield-account-outline", needs="daemon", more={"event_types": _SEAT}),
        ]  # fmt: skip
    return found


def seat_triggers(settings: Settings) -> list[tuple[str, str, tuple[str, ...]]]:
    """Device triggers: kind of the event, its field, and the field's values."""
    found = []
    if settings.judgement.security.enabled:
        found.append(("security", "verdict", tuple(get_args(events.SeatVerdict))))
    return found
