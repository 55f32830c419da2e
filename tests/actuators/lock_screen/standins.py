"""Our own logind and screensavers: they speak the real interfaces on a real bus, and can be told to misbehave."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.actuators.lock_screen.buses import BusDaemon, Refuses, Service

_ROOT = "/org/freedesktop/login1"
_SESSION = "org.freedesktop.login1.Session"
_PROPERTIES = "org.freedesktop.DBus.Properties"
ME = os.geteuid()
UNKNOWN = "org.freedesktop.DBus.Error.UnknownMethod"


@dataclass
class Seated:
    """One session. obeys: its desktop locks when logind says so. tells: and sets LockedHint. lock_seconds: after so
    long. ends: when it is terminated.
    """

    id: str
    user: str = "anna"
    uid: int = ME
    kind: str = "wayland"
    role: str = "user"
    seat: str = "seat0"
    state: str = "active"
    remote: bool = False
    tty: str = ""
    obeys: bool = True
    tells: bool = True
    lock_seconds: float = 0.0
    ends: bool = True
    locked_hint: bool = False
    behind_lock: bool = False
    refuses_first: int = 0
    path: str = field(init=False)

    def __post_init__(self) -> None:
        self.path = f"{_ROOT}/session/_3{self.id}"

    def properties(self) -> dict[str, tuple[str, Any]]:
        return {
            "Id": ("s", self.id),
            "Name": ("s", self.user),
            "User": ("(uo)", (self.uid, f"{_ROOT}/user/_{self.uid}")),
            "Seat": ("(so)", (self.seat, f"{_ROOT}/seat/{self.seat or 'none'}")),
            "Type": ("s", self.kind),
            "Class": ("s", self.role),
            "State": ("s", self.state),
            "Active": ("b", self.state == "active"),
            "Remote": ("b", self.remote),
            "TTY": ("s", self.tty),
            "Display": ("s", ""),
            "LockedHint": ("b", self.locked_hint),
        }


class FakeLogind(Service):
    """org.freedesktop.login1, and the rights of polkit beside it.

    denied: LockSession and TerminateSession are refused. vanish: the next session that is to be locked ends before.
    """

    names = ("org.freedesktop.login1", "org.freedesktop.PolicyKit1")

    def __init__(self, bus: BusDaemon, *sessions: Seated) -> None:
        self.sessions = {each.id: each for each in sessions}
        self.denied = False
        self.vanish = False
        self.rights: set[str] = set()
        self.lingers = False
        super().__init__(bus)

    def hint(self, session_id: str, locked: bool) -> None:
        """The desktop's locker tells."""
        with self.guard:
            seated = self.sessions[session_id]
            seated.locked_hint = seated.behind_lock = locked
            changed = {"LockedHint": ("b", locked)}
            self.emit(seated.path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", _SESSION, changed, [])

    def unlock_by_password(self, session_id: str) -> None:
        self.hint(session_id, locked=False)

    def add(self, seated: Seated) -> None:
        with self.guard:
            self.sessions[seated.id] = seated
            self.emit(_ROOT, "org.freedesktop.login1.Manager", "SessionNew", "so", seated.id, seated.path)

    def answer(self, path: str, interface: str, member: str, arguments: tuple[Any, ...]) -> tuple[str | None, Any]:
        if interface == _PROPERTIES:
            return self._property(path, member, arguments)
        if member == "ListSessions":
            rows = [(each.id, each.uid, each.user, each.seat, each.path) for each in self.sessions.values()]
            return "a(susso)", rows
        if member in ("LockSession", "TerminateSession"):
            return self._manage(member, arguments[0])
        if member == "GetUser":
            return "o", f"{_ROOT}/user/_{arguments[0]}"
        if member == "CheckAuthorization":
            return "(bba{ss})", (arguments[1] in self.rights, False, {})
        raise Refuses(UNKNOWN, f"no method {interface}.{member}")

    def _property(self, path: str, member: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
        if "/user/" in path:
            return "a{sv}", {"Linger": ("b", self.lingers)}
        seated = next((each for each in self.sessions.values() if each.path == path), None)
        if seated is None:
            raise Refuses("org.freedesktop.DBus.Error.UnknownObject", f"Unknown object '{path}'.")
        if member == "Get":
            return "v", seated.properties()[arguments[1]]
        return "a{sv}", seated.properties()

    def _manage(self, member: str, session_id: str) -> tuple[None, None]:
        if self.denied:
            raise Refuses(
                "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "Interactive authentication required."
            )
        if self.vanish:
            self.vanish = False
            self.sessions.pop(session_id, None)
        seated = self.sessions.get(session_id)
        if seated is None:
            raise Refuses("org.freedesktop.login1.NoSuchSession", f"No session '{session_id}' known")
        if member == "LockSession":
            self._lock(seated)
        elif seated.ends:
            del self.sessions[session_id]
        else:
            seated.state = "closing"
        return None, None

    def _lock(self, seated: Seated) -> None:
        if seated.refuses_first:
            seated.refuses_first -= 1
        elif seated.obeys:
            seated.behind_lock = True
            if seated.tells:
                timer = threading.Timer(seated.lock_seconds, self._tell_late, [seated.id])
                timer.daemon = True
                timer.start()

    def _tell_late(self, session_id: str) -> None:
        try:
            self.hint(session_id, locked=True)
        except (KeyError, OSError):
            pass  # the session or the bus is gone


class FakeScreensaver(Service):
    """A desktop's own, under any of the names."""

    def __init__(self, bus: BusDaemon, name: str, *, obeys: bool = True) -> None:
        self.names = (name,)
        self.obeys = obeys
        self.active = False
        super().__init__(bus)

    def answer(self, path: str, interface: str, member: str, arguments: tuple[Any, ...]) -> tuple[str | None, Any]:
        if member == "Lock":
            if self.names[0] == "org.cinnamon.ScreenSaver" and len(arguments) != 1:
                raise Refuses("org.freedesktop.DBus.Error.InvalidArgs", "Lock takes a text")
            self.active = self.active or self.obeys
            return None, None
        if member == "GetActive":
            return "b", self.active
        raise Refuses(UNKNOWN, f"no method {interface}.{member}")


class FakeUserManager(Service):
    """The systemd of a user: what the desktop told it of its environment."""

    names = ("org.freedesktop.systemd1",)

    def __init__(self, bus: BusDaemon, *environment: str) -> None:
        self.environment = list(environment)
        super().__init__(bus)

    def answer(self, path: str, interface: str, member: str, arguments: tuple[Any, ...]) -> tuple[str | None, Any]:
        return "a{sv}", {"Environment": ("as", self.environment)}
