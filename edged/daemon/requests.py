"""What the daemon answers to each command: `restart`, `pause`, `resume`, `snapshot`, `reconnect`, `challenge`, and to
signed ones: `release`, `unlocked`, and those that concern people.

A `Desk` decides and answers; what happens to processes is done by the `Hands` it is given, and what happens to the seat
by the `Reporter`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edged.bus.bus import Bus
from edged.bus.commands import Request
from edged.daemon.people import PeopleDesk
from edged.daemon.recorder import Recorder
from edged.daemon.reporter import Reporter
from edged.daemon.trust import Trust
from edged.errors import CommandRejected, EdgedError, SettingsError
from edged.messages import Enrolled, Picture, TakePicture
from edged.settings import Settings, SnapshotSettings
from edged.topics import COMMANDS, SIGNED_COMMANDS, Response

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 5.0
_SNAPSHOTS_AT_ONCE = 4


class Hands(Protocol):
    """What a command may do to the processes."""

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
        self,
        bus: Bus,
        hands: Hands,
        reporter: Reporter,
        recorder: Recorder,
        snapshot: SnapshotSettings,
        trust: Trust,
        people: Callable[[Desk], PeopleDesk],
        reload: Callable[[], Settings] | None = None,
    ) -> None:
        """reporter: knows the seat. recorder: of the audit trail. people: makes the desk for what concerns people, which answers by this one."""
        self._bus = bus
        self._hands = hands
        self._reporter = reporter
        self._recorder = recorder
        self._settings = snapshot
        self._trust = trust
        self._people = people(self)
        self._reload = reload
        self._snapshots: dict[str, _Snapshot] = {}
        self._count = 0

    def answer_all(self) -> None:
        """Act on what has been asked since the last call."""
        for request in self._bus.requests():
            log.info("command %s", request.name)
            try:
                if request.name in SIGNED_COMMANDS:
                    self._signed(request)
                else:
                    self._plain(request)
            except EdgedError as error:
                self.refuse(request, str(error))

    def _plain(self, request: Request) -> None:
        if request.name == "pause":
            if request.command.paused:
                self._hands.pause()
            else:
                self._hands.resume()
            self.ok(request, self._unkept())
        elif request.name == "resume":
            self._hands.resume()
            self.ok(request, self._unkept())
        elif request.name == "restart":
            self._restart(request)
        elif request.name == "reconnect":
            self.ok(request)
            self._bus.reconnect()
        elif request.name == "snapshot":
            self._snapshot(request)
        elif request.name == "challenge":
            self.ok(request, self._reporter.challenge())
        else:
            there = ", ".join((*COMMANDS, *SIGNED_COMMANDS))
            raise CommandRejected(f"there is no command {request.name!r}; there are {there}")

    def _signed(self, request: Request) -> None:
        """What only whoever has the key may ask."""
        now = time.monotonic()
        command = self._trust.check(request.name, request.signed or {}, time.time(), time.monotonic())
        if request.name in ("release", "unlocked") and command.options:
            raise CommandRejected(f"{request.name} takes no options")
        if request.name == "release":
            self._reporter.release()
            self._recorder.action("released", {"by": "mqtt", "nonce": command.nonce})
            self.ok(request)
        elif request.name == "unlocked":
            self._reporter.unlocked()
            self._recorder.action("unlocked", {"by": "mqtt", "nonce": command.nonce})
            self.ok(request)
        elif request.name == "people":
            self._people.people(request, command.options)
        elif request.name == "forget":
            self._people.forget(request, command.options)
        elif request.name == "name":
            self._people.name(request, command.options)
        elif self._hands.paused:
            raise CommandRejected("paused, so nobody can be seen; publish command/resume first")
        else:
            self._people.enroll(request, command.options, now)

    def enrolled(self, outcome: Enrolled) -> None:
        """An enrolment has ended."""
        self._people.ended(outcome)

    def picture(self, picture: Picture) -> None:
        """A part of a picture that was asked for."""
        snapshot = self._snapshots.get(picture.request)
        if snapshot is None:
            return  # it came too late and was answered
        if not picture.data:
            del self._snapshots[picture.request]
            self.refuse(snapshot.request, picture.reason or "no picture could be taken")
            return
        snapshot.parts[picture.part] = picture.data
        if len(snapshot.parts) == picture.parts:
            del self._snapshots[picture.request]
            jpeg = b"".join(snapshot.parts[part] for part in sorted(snapshot.parts))
            self._bus.snapshot(jpeg)
            self.ok(snapshot.request, {"bytes": len(jpeg)})

    def tick(self, now: float) -> None:
        """Answer what has waited too long."""
        self._people.tick(now)
        for key in [key for key, snapshot in self._snapshots.items() if now >= snapshot.deadline]:
            self.refuse(self._snapshots.pop(key).request, "no picture came; is the camera there? (see health)")

    def _restart(self, request: Request) -> None:
        settings = None
        if self._reload is not None:
            try:
                settings = self._reload()
            except SettingsError as error:
                # Going on with what works beats ending for good over a typing error.
                self.refuse(request, f"not restarted, the settings are wrong: {error}")
                return
        self.ok(request)
        self._hands.restart(settings)

    def _snapshot(self, request: Request) -> None:
        if not self._settings.enabled:
            self.refuse(request, "snapshots are off; the owner can set snapshot.enabled = true in the settings file")
        elif self._hands.paused:
            self.refuse(request, "paused; publish command/resume first")
        elif len(self._snapshots) >= _SNAPSHOTS_AT_ONCE:
            self.refuse(request, "too many snapshots at once; wait for the answers")
        else:
            self._count += 1
            key = str(self._count)
            if self._hands.take_picture(TakePicture(key, self._settings.quality)):
                self._snapshots[key] = _Snapshot(request, time.monotonic() + SNAPSHOT_SECONDS)
            else:
                self.refuse(request, "the process that takes pictures is being replaced; ask again")

    def _unkept(self) -> dict[str, str]:
        """Paused or not, the asker must know if the next start will not."""
        return {"warning": self._hands.unkept} if self._hands.unkept else {}

    def ok(self, request: Request, data: Mapping[str, Any] | None = None) -> None:
        """It is done."""
        self._bus.respond(request, Response("ok", request.name, request.command.transaction, data=dict(data or {})))

    def refuse(self, request: Request, error: str) -> None:
        """It is not done, and why."""
        log.info("command %s refused: %s", request.name, error)
        self._bus.respond(request, Response("error", request.name, request.command.transaction, error=error))
