"""A camera in Home Assistant."""

from __future__ import annotations

from typing import Any

from edged.discovery.controls import controls
from edged.discovery.device import Device, component, node_id
from edged.discovery.entities import ENTITIES, TRIGGERS, Entity
from edged.discovery.seat import seat_entities, seat_triggers
from edged.settings import Settings
from edged.topics import camera_topic

# Statuses with which states are as they are now.
_FRESH = "{{ 'online' if value_json.status in ['ok', 'degraded'] else 'offline' }}"


def device(settings: Settings) -> Device:
    """All there is of it; without components when discovery is switched off."""
    return Device(
        settings.home_assistant,
        _node(settings),
        f"{settings.mqtt.prefix.rsplit('/', 1)[-1]} {settings.camera}",
        "Camera sensor",
        _components(settings) if settings.home_assistant.enabled else {},
    )


def _node(settings: Settings) -> str:
    return node_id(settings.mqtt.prefix, settings.camera)


def _components(settings: Settings) -> dict[str, dict[str, Any]]:
    found = {entity.key: _entity(settings, entity) for entity in _entities(settings)}
    for kind, field, subtypes in (*TRIGGERS, *seat_triggers(settings)):
        for subtype in subtypes:
            found[f"trigger_{kind}_{subtype}"] = {
                "platform": "device_automation",
                "automation_type": "trigger",
                "topic": _topic(settings, "event", kind),
                "value_template": f"{{{{ value_json.{field} }}}}",
                "payload": subtype,
                "type": kind,
                "subtype": subtype,
                "qos": 1,
            }
    return found


def _entities(settings: Settings) -> list[Entity]:
    found = [
        *ENTITIES,
        *seat_entities(settings),
        Entity("pause", "switch", "Pause", "health", "{{ 'ON' if value_json.status == 'paused' else 'OFF' }}",
               icon="mdi:eye-off-outline", needs="daemon",
               more={"command": "pause", "payload_on": '{"paused": true}', "payload_off": '{"paused": false}',
                     "state_on": "ON", "state_off": "OFF"}),
        _button("restart", "Restart", device_class="restart"),
        _button("reconnect", "Reconnect", icon="mdi:lan-connect"),
    ]  # fmt: skip
    if settings.snapshot.enabled:
        found += [
            _button("snapshot", "Take snapshot", icon="mdi:camera"),
            Entity("last_snapshot", "image", "Last snapshot", "snapshot", more={"content_type": "image/jpeg"}),
        ]
    if settings.remote.enabled:
        found += controls(settings)
    return found


def _button(command: str, name: str, *, icon: str = "", **more: Any) -> Entity:
    return Entity(command, "button", name, "", icon=icon, needs="daemon", category="config",
                  more={"command": command, **more})  # fmt: skip


def _entity(settings: Settings, entity: Entity) -> dict[str, Any]:
    more = dict(entity.more)
    config = component(_node(settings), entity, _availability(settings, entity))
    command = more.pop("command", None)
    if command == "config_change":
        config["command_topic"] = _topic(settings, command)
    elif command is not None:
        config["command_topic"] = camera_topic(settings.mqtt.prefix, settings.camera, "command", name=command)
    if entity.platform == "image":
        config["image_topic"] = _topic(settings, entity.topic)
        del config["qos"]  # an image takes none
    elif entity.topic:
        config["state_topic"] = _topic(settings, entity.topic, entity.level)
        config["value_template"] = entity.value
    if entity.platform == "button":
        config.setdefault("payload_press", "{}")
    if entity.expires:
        config["expire_after"] = max(settings.mqtt.state_expiry_seconds, _longest_silence(settings, entity.topic))
    return {**config, **more}


def _longest_silence(settings: Settings, topic: str) -> int:
    """A summary comes once in its window; it must not be called stale in between."""
    return round(3 * settings.judgement.summary.window_seconds) if topic == "summary" else 0


def _availability(settings: Settings, entity: Entity) -> list[dict[str, Any]]:
    daemon = {"topic": _topic(settings, "availability")}
    if entity.needs == "daemon":
        return [daemon]
    return [daemon, {"topic": _topic(settings, "health"), "value_template": _FRESH}]


def _topic(settings: Settings, key: str, level: str = "") -> str:
    return camera_topic(settings.mqtt.prefix, settings.camera, key, kind=level, aspect=level)
