"""One device in Home Assistant: its components, and the messages by which it is found.

Device discovery (one message) needs Home Assistant 2024.12 or newer; component discovery (one message an entity) is
for older ones. When the way is switched, Home Assistant moves the entities over if it is told to migrate first:
https://www.home-assistant.io/integrations/mqtt/#migration-from-single-component-to-device-based-discovery
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import edged
from edged.discovery.entities import Entity
from edged.settings import HomeAssistantSettings

MIGRATE = b'{"migrate_discovery": true}'
_DEFAULT_BIRTH = "homeassistant/status"


@dataclass(frozen=True)
class Device:
    """A camera or an actuator. node: its name in Home Assistant. components: by key; none: it is not to be found."""

    settings: HomeAssistantSettings
    node: str
    name: str
    model: str
    components: dict[str, dict[str, Any]]

    @property
    def topic(self) -> str:
        """Where the one message of device discovery is retained."""
        return f"{self.settings.prefix}/device/{self.node}/config"

    @property
    def birth_topics(self) -> list[str]:
        """Where Home Assistant says that it has come up, and wants to be told again.

        Its default stays `homeassistant/status` when somebody gives it another discovery prefix.
        """
        return list(dict.fromkeys([f"{self.settings.prefix}/status", _DEFAULT_BIRTH]))

    @property
    def platforms(self) -> dict[str, str]:
        """Key → platform of every component."""
        return {key: str(component["platform"]) for key, component in self.components.items()}

    def messages(self) -> dict[str, bytes]:
        """Topic → payload of everything to be retained."""
        if not self.components:
            return {}
        if self.settings.discovery == "device":
            return {self.topic: _encoded({**self._about(), "components": self.components})}
        return {
            self.component_topic(key, str(component["platform"])): _encoded(
                # The platform is in the topic.
                {**{name: value for name, value in component.items() if name != "platform"}, **self._about()}
            )
            for key, component in self.components.items()
        }

    def component_topic(self, key: str, platform: str) -> str:
        """Where one entity's message of component discovery is retained."""
        return f"{self.settings.prefix}/{platform}/{self.node}/{key}/config"

    def moves(self, topic: str) -> bool:
        """A message on this topic told the other way what is still there: Home Assistant takes it over, and must be
        told to migrate. What is gone, or had another name or prefix, is only cleared; a migration would leave it behind.
        """
        if self.settings.discovery == "components":
            return topic == self.topic
        return topic in {self.component_topic(key, platform) for key, platform in self.platforms.items()}

    def _about(self) -> dict[str, Any]:
        device: dict[str, Any] = {
            "identifiers": [self.node],
            "name": self.name,
            "manufacturer": "edged",
            "model": self.model,
            "sw_version": edged.__version__,
        }
        if self.settings.configuration_url:
            device["configuration_url"] = self.settings.configuration_url
        return {"device": device, "origin": {"name": "edged", "sw_version": edged.__version__}}


def with_removals(payload: bytes, former: dict[str, str]) -> bytes:
    """A device's message that takes components away. former: keys and the platforms they had; one that is now of
    another platform comes back with the next message.
    """
    document = json.loads(payload)
    for key, platform in former.items():
        document["components"][key] = {"platform": platform}
    return _encoded(document)


def node_id(*names: str) -> str:
    """The name in Home Assistant: `edged_front`; another prefix gives another, so that installations differ."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(names))


def component(node: str, entity: Entity, availability: list[dict[str, Any]]) -> dict[str, Any]:
    """What the components of all platforms have."""
    object_id = f"{node}_{entity.key}".lower().replace("-", "_")
    config: dict[str, Any] = {
        "platform": entity.platform,
        "unique_id": f"{node}_{entity.key}",
        # The wished entity id: from 2025.10 on, and as older releases call it. The newer do not mind both.
        "default_entity_id": f"{entity.platform}.{object_id}",
        "object_id": object_id,
        "name": entity.name,
        "availability": availability,
        "availability_mode": "all",
        "qos": 1,
    }
    if entity.icon:
        config["icon"] = entity.icon
    if entity.category:
        config["entity_category"] = entity.category
    if not entity.enabled:
        config["enabled_by_default"] = False
    return config


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
