"""The discovery messages of one camera.

Device discovery (one message) needs Home Assistant 2024.12 or newer; component discovery (one message an entity) is
for older ones. When the way is switched, Home Assistant moves the entities over if it is told to migrate first:
https://www.home-assistant.io/integrations/mqtt/#migration-from-single-component-to-device-based-discovery
"""

from __future__ import annotations

import json
import re
from typing import Any

import edged
from edged.discovery.controls import controls
from edged.discovery.entities import ENTITIES, TRIGGERS, Entity
from edged.settings import Settings
from edged.topics import camera_topic

MIGRATE = b'{"migrate_discovery": true}'
_DEFAULT_BIRTH = "homeassistant/status"
# Statuses with which states are as they are now.
_FRESH = "{{ 'online' if value_json.status in ['ok', 'degraded'] else 'offline' }}"


def node_id(settings: Settings) -> str:
    """The camera's name in Home Assistant: `edged_front`; another prefix gives another, so that installations differ."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{settings.mqtt.prefix}_{settings.camera}")


def device_topic(settings: Settings) -> str:
    """Where the one message of device discovery is retained."""
    return f"{settings.home_assistant.prefix}/device/{node_id(settings)}/config"


def birth_topics(settings: Settings) -> list[str]:
    """Where Home Assistant says that it has come up, and wants to be told again.

    Its default stays `homeassistant/status` when somebody gives it another discovery prefix.
    """
    return list(dict.fromkeys([f"{settings.home_assistant.prefix}/status", _DEFAULT_BIRTH]))


def messages(settings: Settings) -> dict[str, bytes]:
    """Topic → payload of everything to be retained. Empty when discovery is switched off."""
    if not settings.home_assistant.enabled:
        return {}
    components = _components(settings)
    if settings.home_assistant.discovery == "device":
        document = {**_about(settings), "components": components}
        return {device_topic(settings): _encoded(document)}
    return {
        component_topic(settings, key, str(component["platform"])): _encoded(_alone(settings, component))
        for key, component in components.items()
    }


def component_topic(settings: Settings, key: str, platform: str) -> str:
    """Where one entity's message of component discovery is retained."""
    return f"{settings.home_assistant.prefix}/{platform}/{node_id(settings)}/{key}/config"


def moves(settings: Settings, topic: str) -> bool:
    """A message on this topic told the other way what is still there: Home Assistant takes it over, and must be told
    to migrate. What is gone, or had another name or prefix, is only cleared; a migration would leave it behind.
    """
    if settings.home_assistant.discovery == "components":
        return topic == device_topic(settings)
    platforms = component_platforms(settings)
    return topic in {component_topic(settings, key, platform) for key, platform in platforms.items()}


def with_removals(payload: bytes, former: dict[str, str]) -> bytes:
    """A device's message that takes components away. former: keys and the platforms they had; one that is now of
    another platform comes back with the next message.
    """
    document = json.loads(payload)
    for key, platform in former.items():
        document["components"][key] = {"platform": platform}
    return _encoded(document)


def component_platforms(settings: Settings) -> dict[str, str]:
    """Key → platform of every component there is now."""
    if not settings.home_assistant.enabled:
        return {}
    return {key: str(component["platform"]) for key, component in _components(settings).items()}


def _components(settings: Settings) -> dict[str, dict[str, Any]]:
    found = {entity.key: _entity(settings, entity) for entity in _entities(settings)}
    for kind, field, subtypes in TRIGGERS:
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
        found += controls()
    return found


def _button(command: str, name: str, *, icon: str = "", **more: Any) -> Entity:
    return Entity(command, "button", name, "", icon=icon, needs="daemon", category="config",
                  more={"command": command, **more})  # fmt: skip


def _entity(settings: Settings, entity: Entity) -> dict[str, Any]:
    more = dict(entity.more)
    object_id = f"{node_id(settings)}_{entity.key}".lower().replace("-", "_")
    config: dict[str, Any] = {
        "platform": entity.platform,
        "unique_id": f"{node_id(settings)}_{entity.key}",
        # The wished entity id: from 2025.10 on, and as older releases call it. The newer do not mind both.
        "default_entity_id": f"{entity.platform}.{object_id}",
        "object_id": object_id,
        "name": entity.name,
        "availability": _availability(settings, entity),
        "availability_mode": "all",
        "qos": 1,
    }
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
    if entity.icon:
        config["icon"] = entity.icon
    if entity.category:
        config["entity_category"] = entity.category
    if not entity.enabled:
        config["enabled_by_default"] = False
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


def _about(settings: Settings) -> dict[str, Any]:
    device: dict[str, Any] = {
        "identifiers": [node_id(settings)],
        "name": f"{settings.mqtt.prefix.rsplit('/', 1)[-1]} {settings.camera}",
        "manufacturer": "edged",
        "model": "Camera sensor",
        "sw_version": edged.__version__,
    }
    if settings.home_assistant.configuration_url:
        device["configuration_url"] = settings.home_assistant.configuration_url
    return {"device": device, "origin": {"name": "edged", "sw_version": edged.__version__}}


def _alone(settings: Settings, component: dict[str, Any]) -> dict[str, Any]:
    """One component as a message of its own: the platform is in its topic."""
    return {**{key: value for key, value in component.items() if key != "platform"}, **_about(settings)}


def _topic(settings: Settings, key: str, level: str = "") -> str:
    return camera_topic(settings.mqtt.prefix, settings.camera, key, kind=level, aspect=level)


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
