"""systemd-logind, or elogind: who is logged in, and how a session is locked and ended. It has no word for unlocking.

The interface is described in org.freedesktop.login1(5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from edged.actuators.lock_screen.dbus import ACCESS_DENIED, NOBODY_THERE, Connection, system_bus_address
from edged.errors import DBusError

_SERVICE = "org.freedesktop.login1"
_ROOT = "/org/freedesktop/login1"
_MANAGER = "org.freedesktop.login1.Manager"
_SESSION = "org.freedesktop.login1.Session"
_USER = "org.freedesktop.login1.User"
# What logind says when a session has ended between two questions.
GONE = frozenset({"org.freedesktop.login1.NoSuchSession", "org.freedesktop.DBus.Error.UnknownObject"})
_RIGHTS_CURE = "run it as the user whose screen it locks, or give it rights: docs/lock-screen.md has the polkit rule"
LOCK_RIGHT = "org.freedesktop.login1.lock-sessions"
SIGN_OUT_RIGHT = "org.freedesktop.login1.manage"
GRAPHICAL = frozenset({"x11", "wayland", "mir"})


@dataclass(frozen=True)
class Session:
    """One session. kind: x11, wayland, tty, …; role: user, greeter, background, …; seat: empty for remote ones.

    locked: logind's LockedHint, which the desktop's locker sets and unsets.
    """

    id: str
    path: str
    user: str
    uid: int
    seat: str
    kind: str
    role: str
    state: str
    active: bool
    remote: bool
    locked: bool
    display: str
    tty: str

    @property
    def graphical(self) -> bool:
        """A desktop."""
        return self.kind in GRAPHICAL

    def __str__(self) -> str:
        what = self.kind if self.graphical else f"text console {self.tty}".rstrip()
        return f"session {self.id} of {self.user} ({what})"


class Logind:
    """One connection to it, for one thread. Every method raises DBusError."""

    def __init__(self, address: str = "", stopping: Callable[[], bool] = lambda: False) -> None:
        """address: of the system bus; empty: the usual one. stopping: every method raises Cancelled once it says so."""
        self._bus = Connection(system_bus_address(address), "system bus", starts=True, stopping=stopping)

    @property
    def bus(self) -> Connection:
        """The system bus."""
        return self._bus

    def sessions(self) -> list[Session]:
        """All sessions that are there, in logind's order."""
        try:
            (listed,) = self._bus.call(_SERVICE, _ROOT, _MANAGER, "ListSessions")
        except DBusError as error:
            if error.name in NOBODY_THERE:
                raise DBusError(
                    "logind is not there", "it comes with systemd; elsewhere install elogind", error.name
                ) from None
            raise
        return [session for row in listed if (session := self._session(row)) is not None]

    def locked(self, session: Session) -> bool:
        """LockedHint. Raises DBusError with a name in GONE when the session has ended."""
        (found,) = self._bus.call(
            _SERVICE, session.path, "org.freedesktop.DBus.Properties", "Get", "ss", _SESSION, "LockedHint"
        )
        return bool(found[1])

    def lock(self, session: Session) -> None:
        """Ask the desktop to lock. That logind says yes means no more than that it passed it on."""
        self._as_allowed("lock", session, lambda: self._manage("LockSession", session))

    def terminate(self, session: Session) -> None:
        """End a session: all its processes are ended."""
        self._as_allowed("end", session, lambda: self._manage("TerminateSession", session))

    def lingers(self, uid: int) -> bool:
        """Do a user's services go on when the user has signed out? False for who is not logged in."""
        try:
            (path,) = self._bus.call(_SERVICE, _ROOT, _MANAGER, "GetUser", "u", uid)
            return bool(self._bus.properties(_SERVICE, path, _USER).get("Linger"))
        except DBusError as error:
            if error.name.startswith("org.freedesktop.login1.") or error.name in GONE:
                return False
            raise

    def may(self, right: str) -> bool:
        """Do we have this right over other users' sessions, without anybody being asked for a password?"""
        subject = ("system-bus-name", {"name": ("s", self._bus.name)})
        try:
            (found,) = self._bus.call(
                "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization", "(sa{sv})sa{ss}us",
                subject, right, {}, 0, "",
            )  # fmt: skip
        except DBusError as error:
            if error.name:
                return False  # without polkit only root may
            raise
        return bool(found[0])

    def listen(self) -> None:
        """From now on `bus.wait` wakes when a session begins, ends, is locked or unlocked."""
        for interface in ("org.freedesktop.DBus.Properties", _SESSION, _MANAGER):
            self._bus.listen(f"type='signal',sender='{_SERVICE}',interface='{interface}',path_namespace='{_ROOT}'")

    def close(self) -> None:
        """Asked again it does nothing."""
        self._bus.close()

    def __enter__(self) -> Logind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _session(self, row: tuple[Any, ...]) -> Session | None:
        session_id, uid, user, seat, path = row
        try:
            found = self._bus.properties(_SERVICE, path, _SESSION)
        except DBusError as error:
            if error.name in GONE:
                return None
            raise
        return Session(
            id=session_id,
            path=path,
            user=user,
            uid=uid,
            seat=seat,
            kind=str(found.get("Type", "unspecified")),
            role=str(found.get("Class", "user")),
            state=str(found.get("State", "online")),
            active=bool(found.get("Active")),
            remote=bool(found.get("Remote")),
            locked=bool(found.get("LockedHint")),
            display=str(found.get("Display", "")),
            tty=str(found.get("TTY", "")),
        )

    def _manage(self, method: str, session: Session) -> None:
        self._bus.call(_SERVICE, _ROOT, _MANAGER, method, "s", session.id)

    @staticmethod
    def _as_allowed(verb: str, session: Session, ask: Callable[[], None]) -> None:
        try:
            ask()
        except DBusError as error:
            if error.name in ACCESS_DENIED:
                raise DBusError(f"logind does not let this user {verb} {session}", _RIGHTS_CURE, error.name) from None
            raise
