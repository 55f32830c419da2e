"""An actuator in Home Assistant.

Home Assistant cannot sign. Where requests must be signed it sees how the actuator is and how its jobs stand, and has the
emergency stop, which may come unsigned; only where signing is off (a broker on the loopback) can it ask for more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from edged import jobs
from edged.discovery.device import Device, component, node_id
from edged.discovery.entities import Entity
from edged.settings import HomeAssistantSettings
from edged.topics import actuator_topic

_STATES = list(get_args(jobs.State))


@dataclass(frozen=True)
class Control:
    """Something to press or to write into, which asks for an action. text and notify give their text to it.

    life_seconds: what is not begun within this time is not done any more.
    """

    key: str
    platform: Literal["button", "text", "notify"]
    name: str
    action: str
    options: dict[str, Any] = field(default_factory=dict)
    icon: str = ""
    life_seconds: float = 30.0


def device(
    home_assistant: HomeAssistantSettings,
    prefix: str,
    actuator: str,
    model: str,
    *,
    signed: bool,
    unsigned_stop: bool,
    controls: Iterable[Control] = (),
) -> Device:
    """All there is of it. signed: requests must be; unsigned_stop: but for the emergency stop."""
    node = node_id(prefix, actuator)
    found = {}
    if home_assistant.enabled:
        rows = [*_SEEN, *_stop(signed=signed, unsigned_stop=unsigned_stop)]
        found = {row.key: _component(node, prefix, actuator, row) for row in rows}
        if not signed:
            found |= {each.key: _control(node, prefix, actuator, each) for each in (*_ALWAYS, *controls)}
    return Device(home_assistant, node, f"{prefix.rsplit('/', 1)[-1]} {actuator}", model, found)


_ALWAYS = (
    Control("confirm", "button", "Confirm", "confirm", icon="mdi:check-circle-outline"),
    Control("cancel", "button", "Cancel", "cancel", icon="mdi:close-circle-outline"),
)
_SEEN: tuple[Entity, ...] = (
    Entity("job", "sensor", "Job", "job", "{{ value_json.state }}", icon="mdi:progress-check",
           more={"device_class": "enum", "options": _STATES, "attributes": True}),
    Entity("last_error", "sensor", "Last error", "health", "{{ value_json.last_error[:250] or 'none' }}",
           icon="mdi:alert-circle-outline", category="diagnostic"),
    Entity("problem", "binary_sensor", "Problem", "health", "{{ 'ON' if value_json.status == 'degraded' else 'OFF' }}",
           category="diagnostic", more={"device_class": "problem"}),
    Entity("reason", "sensor", "Problem reason", "health",
           "{{ (value_json.reasons | join('; '))[:250] if value_json.reasons else 'all is well' }}",
           icon="mdi:message-alert-outline", category="diagnostic"),
    Entity("status", "sensor", "Status", "health", "{{ value_json.status }}", icon="mdi:robot-outline",
           category="diagnostic", more={"device_class": "enum", "options": list(get_args(jobs.ActuatorStatus))}),
    Entity("waiting_jobs", "sensor", "Waiting jobs", "health", "{{ value_json.waiting_jobs }}", icon="mdi:tray-full",
           category="diagnostic", enabled=False, more={"state_class": "measurement"}),
    Entity("dry_run", "binary_sensor", "Dry run", "health", "{{ 'ON' if value_json.dry_run else 'OFF' }}",
           icon="mdi:test-tube", category="diagnostic", enabled=False),
)  # fmt: skip


def _stop(*, signed: bool, unsigned_stop: bool) -> list[Entity]:
    """The emergency stop: a switch where Home Assistant may reset it, else a button and a light."""
    value = "{{ 'ON' if value_json.stopped_since else 'OFF' }}"
    if not signed:
        more = {"payload_on": _encoded("stop"), "payload_off": _encoded("reset"), "state_on": "ON", "state_off": "OFF"}
        return [Entity("stop", "switch", "Emergency stop", "health", value, icon="mdi:stop-circle-outline", more=more)]
    found = [Entity("stopped", "binary_sensor", "Stopped", "health", value, icon="mdi:stop-circle-outline")]
    if unsigned_stop:
        found.append(Entity("stop", "button", "Emergency stop", "", icon="mdi:stop-circle-outline",
                            more={"payload_press": _encoded("stop")}))  # fmt: skip
    return found


def _encoded(action: str) -> str:
    return json.dumps({"action": action})


def _control(node: str, prefix: str, actuator: str, control: Control) -> dict[str, Any]:
    text = control.platform != "button"
    more: dict[str, Any] = {
        "command_template": _request(control.action, control.options, control.life_seconds, text=text)
    }
    if control.platform == "text":
        more["mode"] = "text"
    entity = Entity(control.key, control.platform, control.name, "", icon=control.icon, more=more)
    return _component(node, prefix, actuator, entity)


def _component(node: str, prefix: str, actuator: str, entity: Entity) -> dict[str, Any]:
    config = component(node, entity, [{"topic": actuator_topic(prefix, actuator, "availability")}])
    more = dict(entity.more)
    if entity.topic:
        config["state_topic"] = actuator_topic(prefix, actuator, entity.topic, id="+")
        config["value_template"] = entity.value
    if more.pop("attributes", False):
        config["json_attributes_topic"] = config["state_topic"]
    if entity.platform in ("button", "switch", "text", "notify"):
        config["command_topic"] = actuator_topic(prefix, actuator, "request")
    return {**config, **more}


def _request(
    action: str, options: dict[str, Any] | None = None, life_seconds: float = 30.0, *, text: bool = False
) -> str:
    """A template that Home Assistant makes a request of, when it is asked for."""
    moment = "as_timestamp(now())"
    fields = {
        "id": f'"ha-{{{{ ({moment} * 1000000) | int }}}}"',
        "action": json.dumps(action),
        "issued_at": f"{{{{ {moment} }}}}",
        "expires_at": f"{{{{ {moment} + {life_seconds:g} }}}}",
    }
    if text:
        fields["text"] = "{{ value | tojson }}"
    if options:
        fields["options"] = json.dumps(options)
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
