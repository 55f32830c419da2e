"""What the daemon answers to each command: `restart`, `pause`, `resume`, `snapshot`, `reconnect`.

A `Desk` decides and answers; what happens to processes is done by the `Hands` it is given.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edged.bus.bus import Bus
from edged.bus.commands import Request
from edged.errors import SettingsError
from edged.messages import Picture, TakePicture
from edged.settings import Settings, SnapshotSettings
from edged.topics import COMMANDS, Response

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 5.0
_SNAPSHOTS_AT_ONCE = 4


class Hands(Protocol):
    """What a command may do to the daemon."""

    def pause(self) -> None:
        """Give the camera back."""

    def resume(self) -> None:
        """Take it again."""

    def restart(self, settings: Settings | None) -> None:
        """End this life and begin another, with these settings if given."""

    def take_picture(self, message: TakePicture) -> bool:
        """Ask for the newest frame; False: nobody is there to take it."""

    @property
    def paused(self) -> bool:
        """Paused by command."""

    @property
    def unkept(self) -> str:
        """Why a pause would not outlive this process; empty if it does."""


@dataclass
class _Snapshot:
    request: Request
    deadline: float
    parts: dict[int, bytes] = field(default_factory=dict)


class Desk:
    """Answers the commands of one camera. `reload` reads the settings anew for a restart; it may raise SettingsError."""

    def __init__(
        self, bus: Bus, hands: Hands, snapshot: SnapshotSettings, reload: Callable[[], Settings] | None = None
    ) -> None:
        self._bus = bus
        self._hands = hands
        self._settings = snapshot
        self._reload = reload
        self._snapshots: dict[str, _Snapshot] = {}
        self._count = 0

    def answer_all(self) -> None:
        """Act on what has been asked since the last call."""
        for request in self._bus.requests():
            log.info("command %s", request.name)
            if request.name == "pause":
                if request.command.paused:
                    self._hands.pause()
                else:
                    self._hands.resume()
                self._ok(request, **self._unkept())
            elif request.name == "resume":
                self._hands.resume()
                self._ok(request, **self._unkept())
            elif request.name == "restart":
                self._restart(request)
            elif request.name == "reconnect":
                self._ok(request)
                self._bus.reconnect()
            elif request.name == "snapshot":
                self._snapshot(request)
            else:
                self._refuse(request, f"there is no command {request.name!r}; there are {', '.join(COMMANDS)}")

    def picture(self, picture: Picture) -> None:
        """A part of a picture that was asked for."""
        snapshot = self._snapshots.get(picture.request)
        if snapshot is None:
            return  # it came too late and was answered
        if not picture.data:
            del self._snapshots[picture.request]
            self._refuse(snapshot.request, picture.reason or "no picture could be taken")
            return
        snapshot.parts[picture.part] = picture.data
        if len(snapshot.parts) == picture.parts:
            del self._snapshots[picture.request]
            jpeg = b"".join(snapshot.parts[part] for part in sorted(snapshot.parts))
            self._bus.snapshot(jpeg)
            self._ok(snapshot.request, bytes=len(jpeg))

    def tick(self, now: float) -> None:
        """Answer what has waited too long."""
        for key in [key for key, snapshot in self._snapshots.items() if now >= snapshot.deadline]:
            self._refuse(self._snapshots.pop(key).request, "no picture came; is the camera there? (see health)")

    def _restart(self, request: Request) -> None:
        settings = None
        if self._reload is not None:
            try:
                settings = self._reload()
            except SettingsError as error:
                # Going on with what works beats ending for good over a typing error.
                self._refuse(request, f"not restarted, the settings are wrong: {error}")
                return
        self._ok(request)
        self._hands.restart(settings)

    def _snapshot(self, request: Request) -> None:
        if not self._settings.enabled:
            self._refuse(request, "snapshots are off; the owner can set snapshot.enabled = true in the settings file")
        elif self._hands.paused:
            self._refuse(request, "paused; publish command/resume first")
        elif len(self._snapshots) >= _SNAPSHOTS_AT_ONCE:
            self._refuse(request, "too many snapshots at once; wait for the answers")
        else:
            self._count += 1
            key = str(self._count)
            if self._hands.take_picture(TakePicture(key, self._settings.quality)):
                self._snapshots[key] = _Snapshot(request, time.monotonic() + SNAPSHOT_SECONDS)
            else:
                self._refuse(request, "the process that takes pictures is being replaced; ask again")

    def _unkept(self) -> dict[str, str]:
        """Paused or not, the asker must know if the next start will not."""
        return {"warning": self._hands.unkept} if self._hands.unkept else {}

    def _ok(self, request: Request, **data: int | str) -> None:
        self._bus.respond(request, Response("ok", request.name, request.command.transaction, data=dict(data)))

    def _refuse(self, request: Request, error: str) -> None:
        log.info("command %s refused: %s", request.name, error)
        self._bus.respond(request, Response("error", request.name, request.command.transaction, error=error))
