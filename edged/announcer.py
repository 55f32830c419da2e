"""Keeps Home Assistant informed of what there is: at the start, on change, when it has come up, and of what is gone."""

from __future__ import annotations

import logging
import random

from edged.bus.message import Message
from edged.bus.speaker import Speaker
from edged.discovery.device import MIGRATE, Device, with_removals
from edged.store.kept import KeptFile

log = logging.getLogger(__name__)

# After its birth message a Home Assistant hears from everything in the house: not all at the same moment.
_JITTER_SECONDS = (0.5, 5.0)
# How long Home Assistant gets, once the broker is there, to let go of what moves; and to take in all of it.
_MOVE_SECONDS = 5.0
_SETTLE_SECONDS = 15.0


class Announcer:
    """Publishes one device's discovery messages. kept: where it is noted what was announced."""

    def __init__(self, device: Device, kept: KeptFile, bus: Speaker, chance: random.Random | None = None) -> None:
        self._kept = kept
        self._bus = bus
        self._chance = chance or random.Random()
        self._device = device
        self._messages: dict[str, bytes] = {}
        self._moving: list[str] = []
        self._renew_at: float | None = None
        self._announce_at: float | None = None
        self._settle_at: float | None = None
        self._former: dict[str, str] = {}

    def start(self, now: float) -> None:
        """Announce what there is; take away what an earlier start announced and is no more."""
        kept = self._kept.now
        self._messages = self._device.messages()
        gone = [topic for topic in kept.announced if topic not in self._messages]
        self._moving = [topic for topic in gone if self._messages and self._device.moves(topic)]
        components = self._device.platforms
        self._former = {
            key: platform for key, platform in kept.announced_components.items() if components.get(key) != platform
        }
        # Until all of it is settled, the next start must know of it too.
        self._kept.replace(
            announced=tuple(dict.fromkeys([*self._messages, *gone])),
            announced_components={**components, **self._former},
        )
        if gone or self._former:
            self._settle_at = now + _SETTLE_SECONDS
        for topic in gone:
            # Entities that move keep their history and names.
            self._bus.retained(topic, MIGRATE if topic in self._moving else b"")
        if self._moving:
            self._announce_at = now + _MOVE_SECONDS
        else:
            self._announce()

    def _announce(self) -> None:
        # First: once the new messages are there, Home Assistant takes each that is cleared for a conflict with them.
        for topic in self._moving:
            self._bus.retained(topic, b"")
        for topic, message in self._messages.items():
            removing = topic == self._device.topic and self._former
            self._bus.retained(topic, with_removals(message, self._former) if removing else message)

    def adopt(self, device: Device) -> None:
        """Announce what is different now."""
        self._device = device
        for topic, message in device.messages().items():
            if self._messages.get(topic) != message:
                self._messages[topic] = message
                if self._announce_at is None:
                    self._bus.retained(topic, message)

    def take(self, message: Message, now: float) -> None:
        """Home Assistant says that it has come up."""
        if message.topic in self._device.birth_topics and message.payload == b"online" and not message.retain:
            self._renew_at = now + self._chance.uniform(*_JITTER_SECONDS)

    def next_seconds(self, now: float) -> float | None:
        """After which time something is due; None: nothing is."""
        due = [each for each in (self._renew_at, self._announce_at, self._settle_at) if each is not None]
        return max(0.0, min(due) - now) if due else None

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            log.info("Home Assistant has come up: announcing again")
            for topic in self._messages:
                self._bus.renew(topic)
        if not self._bus.connected:
            # Nobody has heard anything yet: the waiting begins when they can.
            self._announce_at = now + _MOVE_SECONDS if self._announce_at is not None else None
            self._settle_at = now + _SETTLE_SECONDS if self._settle_at is not None else None
        if self._announce_at is not None and now >= self._announce_at:
            self._announce_at = None
            self._announce()
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            # Again: of a device that was still busy with an earlier message Home Assistant forgets all but the first part.
            for topic, message in self._messages.items():
                self._bus.retained(topic, message)
                self._bus.renew(topic)
            self._kept.replace(announced=tuple(self._messages), announced_components=self._device.platforms)
