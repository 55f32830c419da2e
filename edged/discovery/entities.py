"""The table of what a camera shows in Home Assistant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from edged import events
from edged.judgement.gaze import NO_DWELL

Platform = Literal[
    "binary_sensor", "sensor", "event", "switch", "button", "image", "number", "select", "text", "notify"
]
# camera: only while pictures are fresh. daemon: as long as the daemon is there.
Needs = Literal["camera", "daemon"]


@dataclass(frozen=True)
class Entity:
    """One row. topic: key of the topic table; level: what is filled into it. value: a template over the payload.

    expires: the value disappears when nobody confirms it. more: whatever else the platform takes.
    """

    key: str
    platform: Platform
    name: str
    topic: str
    value: str = ""
    level: str = ""
    icon: str = ""
    needs: Needs = "camera"
    category: Literal["", "config", "diagnostic"] = ""
    enabled: bool = True
    expires: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def _is(expression: str) -> str:
    """ON, OFF, or None, which Home Assistant takes for unknown."""
    return f"{{% set v = {expression} %}}{{{{ none if v is none else ('ON' if v else 'OFF') }}}}"


def _of(path: str) -> str:
    return f"{{{{ value_json.{path} }}}}"


def _event(field_name: str) -> str:
    """An event entity wants its type under the name event_type; the other fields become attributes."""
    return f"{{{{ dict(value_json, event_type=value_json.{field_name}) | tojson }}}}"


_ZONES = list(get_args(events.Zone))
_DWELL_ZONES = [zone for zone in _ZONES if zone not in NO_DWELL]
# A word of its own: an enum sensor that becomes unknown is an error in 2024.3, which goes on showing the last zone.
_NO_ZONE = "none"
_PERCENT = {"unit_of_measurement": "%", "state_class": "measurement", "suggested_display_precision": 0}

ENTITIES: tuple[Entity, ...] = (
    # What the sitter does.
    Entity("someone", "binary_sensor", "Someone there", "state", _is("value_json.someone"), "presence",
           expires=True, more={"device_class": "occupancy"}),
    Entity("looking_at_screen", "binary_sensor", "Looking at screen", "state",
           _is("none if value_json.zone is none else value_json.zone == 'at_screen'"), "gaze",
           icon="mdi:monitor-eye", expires=True),
    Entity("eyes_closed", "binary_sensor", "Eyes closed", "state", _is("value_json.closed"), "eyes",
           icon="mdi:eye-off-outline", expires=True),
    Entity("drowsy", "binary_sensor", "Drowsy", "state", _is("value_json.drowsy"), "eyes",
           icon="mdi:sleep", expires=True),
    Entity("faces", "sensor", "Faces", "state", _of("people"), "presence", icon="mdi:account-multiple",
           expires=True, more={"state_class": "measurement"}),
    Entity("gaze_zone", "sensor", "Gaze zone", "state", f"{{{{ value_json.zone or '{_NO_ZONE}' }}}}", "gaze",
           icon="mdi:eye-arrow-right-outline", expires=True,
           more={"device_class": "enum", "options": [*_ZONES, _NO_ZONE]}),
    Entity("attention", "sensor", "Attention", "summary", _of("attention_percent"), icon="mdi:eye-check-outline",
           expires=True, more=_PERCENT),
    Entity("blink_rate", "sensor", "Blink rate", "summary", _of("blinks_per_minute"), icon="mdi:eye-refresh-outline",
           expires=True, more={"unit_of_measurement": "1/min", "state_class": "measurement",
                               "suggested_display_precision": 1}),
    Entity("perclos", "sensor", "PERCLOS", "summary", _of("perclos_percent"), icon="mdi:sleep",
           expires=True, more={**_PERCENT, "suggested_display_precision": 1}),
    Entity("head_yaw", "sensor", "Head yaw", "summary", _of("yaw_degrees"), icon="mdi:axis-z-rotate-clockwise",
           enabled=False, expires=True, more={"unit_of_measurement": "°", "state_class": "measurement"}),
    Entity("head_pitch", "sensor", "Head pitch", "summary", _of("pitch_degrees"), icon="mdi:axis-x-rotate-clockwise",
           enabled=False, expires=True, more={"unit_of_measurement": "°", "state_class": "measurement"}),
    # What happened.
    Entity("blink", "event", "Blink", "event", _event("gesture"), "blink", icon="mdi:eye-outline",
           more={"event_types": list(get_args(events.Gesture))}),
    Entity("gaze", "event", "Gaze", "event", _event("zone"), "gaze", icon="mdi:eye-arrow-right-outline",
           more={"event_types": _ZONES}),
    Entity("dwell", "event", "Dwell", "event", _event("zone"), "dwell", icon="mdi:timer-outline",
           more={"event_types": _DWELL_ZONES}),
    Entity("presence", "event", "Presence", "event", _event("change"), "presence", icon="mdi:account-arrow-right-outline",
           more={"event_types": ["arrived", "left", "count"]}),
    # How the camera is.
    Entity("problem", "binary_sensor", "Problem", "health",
           "{{ 'OFF' if value_json.status in ['ok', 'paused', 'starting'] else 'ON' }}", needs="daemon",
           category="diagnostic", more={"device_class": "problem"}),
    Entity("status", "sensor", "Status", "health", _of("status"), icon="mdi:camera-iris", needs="daemon",
           category="diagnostic", more={"device_class": "enum", "options": list(get_args(events.HealthStatus))}),
    Entity("reason", "sensor", "Problem reason", "health",
           "{{ (value_json.reasons | join('; '))[:250] if value_json.reasons else 'all is well' }}",
           icon="mdi:message-alert-outline", needs="daemon", category="diagnostic"),
    Entity("frame_rate", "sensor", "Frame rate", "health", _of("frames_per_second"), icon="mdi:filmstrip",
           needs="daemon", category="diagnostic", enabled=False,
           more={"unit_of_measurement": "fps", "state_class": "measurement", "suggested_display_precision": 1}),
    Entity("latency", "sensor", "Latency", "health", "{{ value_json.latency_ms.p95 | default(none) }}",
           icon="mdi:timer-sand", needs="daemon", category="diagnostic", enabled=False,
           more={"unit_of_measurement": "ms", "state_class": "measurement", "device_class": "duration",
                 "suggested_display_precision": 0}),
    Entity("temperature", "sensor", "Temperature", "health", _of("temperature_celsius"), needs="daemon",
           category="diagnostic",
           more={"device_class": "temperature", "unit_of_measurement": "°C", "state_class": "measurement",
                 "suggested_display_precision": 0}),
    Entity("throttled", "binary_sensor", "Throttled", "health", _is("value_json.throttled"), icon="mdi:speedometer-slow",
           needs="daemon", category="diagnostic", enabled=False),
    Entity("waiting_events", "sensor", "Waiting events", "health", _of("waiting_events"), icon="mdi:tray-full",
           needs="daemon", category="diagnostic", enabled=False, more={"state_class": "measurement"}),
    Entity("lost_events", "sensor", "Lost events", "health", _of("lost_events"), icon="mdi:tray-remove",
           needs="daemon", category="diagnostic", enabled=False, more={"state_class": "total_increasing"}),
    Entity("pending_restart", "binary_sensor", "Settings await restart", "config_state",
           "{{ 'ON' if value_json.pending_restart else 'OFF' }}", icon="mdi:restart-alert", needs="daemon",
           category="diagnostic"),
)  # fmt: skip

# The words of device triggers: type and the field of the event that tells it.
TRIGGERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("blink", "gesture", get_args(events.Gesture)),
    ("dwell", "zone", tuple(_DWELL_ZONES)),
)
