"""Keeps Home Assistant informed of what there is: at the start, on change, when it has come up, and of what is gone."""

from __future__ import annotations

import logging
import random

from edged.bus.bus import Bus
from edged.bus.message import Message
from edged.discovery import payload
from edged.settings import Settings
from edged.store.kept import KeptFile

log = logging.getLogger(__name__)

# After its birth message a Home Assistant hears from everything in the house: not all at the same moment.
_JITTER_SECONDS = (0.5, 5.0)
# How long Home Assistant gets to take over what moves, and to hear what is gone, before the traces are cleared.
_SETTLE_SECONDS = 15.0
_MOVE_SECONDS = 5.0


class Announcer:
    """Publishes the discovery messages of one life."""

    def __init__(self, settings: Settings, kept: KeptFile, bus: Bus, chance: random.Random | None = None) -> None:
        self._kept = kept
        self._bus = bus
        self._chance = chance or random.Random()
        self._settings = settings
        self._birth = payload.birth_topic(settings)
        self._messages: dict[str, bytes] = {}
        self._gone: list[str] = []
        self._renew_at: float | None = None
        self._announce_at: float | None = None
        self._settle_at: float | None = None
        self._former: dict[str, str] = {}

    def start(self, now: float) -> None:
        """Announce what there is; take away what an earlier start announced and is no more."""
        kept = self._kept.now
        self._messages = payload.messages(self._settings)
        self._gone = [topic for topic in kept.announced if topic not in self._messages]
        components = payload.component_platforms(self._settings)
        self._former = {key: platform for key, platform in kept.announced_components.items() if key not in components}
        # Until all of it is settled, the next start must know of it too.
        self._kept.replace(
            announced=tuple(dict.fromkeys([*self._messages, *self._gone])),
            announced_components={**self._former, **components},
        )
        if self._gone or self._former:
            self._settle_at = now + _SETTLE_SECONDS
        if self._gone and self._messages:
            # The entities keep their history and names; Home Assistant needs a moment to let go of them.
            for topic in self._gone:
                self._bus.retained(topic, payload.MIGRATE)
            self._announce_at = now + _MOVE_SECONDS
        else:
            self._announce()

    def _announce(self) -> None:
        device = payload.device_topic(self._settings)
        for topic, message in self._messages.items():
            removing = topic == device and self._former and not self._gone
            self._bus.retained(topic, payload.with_removals(message, self._former) if removing else message)

    def adopt(self, settings: Settings) -> None:
        """Announce what other settings change."""
        self._settings = settings
        for topic, message in payload.messages(settings).items():
            if self._messages.get(topic) != message:
                self._messages[topic] = message
                if self._announce_at is None:
                    self._bus.retained(topic, message)

    def take(self, message: Message, now: float) -> None:
        """Home Assistant says that it has come up."""
        if message.topic == self._birth and message.payload == b"online" and not message.retain:
            self._renew_at = now + self._chance.uniform(*_JITTER_SECONDS)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            log.info("Home Assistant has come up: announcing again")
            for topic in self._messages:
                self._bus.renew(topic)
        if self._announce_at is not None and now >= self._announce_at and self._bus.connected:
            self._announce_at = None
            self._announce()
        if self._settle_at is not None and now >= self._settle_at and self._announce_at is None and self._bus.connected:
            self._settle_at = None
            for topic in self._gone:
                self._bus.retained(topic, b"")
            for topic, message in self._messages.items():
                self._bus.retained(topic, message)
            self._kept.replace(
                announced=tuple(self._messages), announced_components=payload.component_platforms(self._settings)
            )
