"""Sessions are locked, and it is made sure that they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from edged.actuators.lock_screen.choosing import Target, left_open, lockable
from edged.actuators.lock_screen.dbus import ACCESS_DENIED
from edged.actuators.lock_screen.desktop import Desktop
from edged.actuators.lock_screen.lockers import running_locker
from edged.actuators.lock_screen.logind import GONE, Logind, Session
from edged.actuators.lock_screen.settings import LockScreenSettings, Way
from edged.errors import ActionFailed, Cancelled, DBusError

_LOOK_SECONDS = 0.05
_WAYS = {"logind": "logind", "screensaver": "its screensaver", "xdg_screensaver": "xdg-screensaver"}


class Stopper(Protocol):
    """As `performer.Control`."""

    def stopping(self) -> bool:
        """Leave off."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep; true at once when it is to be left off."""
        ...


@dataclass
class Result:
    """By session id: what shows that it is locked, and why others are not. hopeless: to try again is of no use."""

    locked: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    hopeless: bool = False


class Locker:
    """One connection to logind and to the desktops, for as long as it takes. For one thread."""

    def __init__(self, settings: LockScreenSettings, stopper: Stopper) -> None:
        """stopper: all methods raise Cancelled once it says so. Raises DBusError when there is no system bus."""
        self._settings = settings
        self._stopper = stopper
        self.logind = Logind(settings.system_bus, stopper.stopping)
        self._desktops: dict[int, Desktop] = {}

    def close(self) -> None:
        """Asked again it does nothing."""
        for desktop in self._desktops.values():
            desktop.close()
        self._desktops.clear()
        self.logind.close()

    def __enter__(self) -> Locker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def evidence(self, session: Session, *, whole: bool = True) -> str:
        """What shows that a session is locked, or that it has ended; empty: nothing does. whole: also what takes longer to
        find out.
        """
        try:
            return self._evidence(session, whole=whole)
        except DBusError as error:
            if error.name not in GONE:
                raise
            return "it has ended"

    def _evidence(self, session: Session, *, whole: bool) -> str:
        verify = self._settings.verify
        if verify in ("any", "locked_hint") and self.logind.locked(session):
            return "LockedHint"
        if verify in ("any", "process") and (found := running_locker(session.uid, self._settings.lockers)):
            return f"{found} runs"
        if verify == "screensaver" or (verify == "any" and whole):
            activity = self._desktop(session).activity()
            if activity is not None and activity.active and (activity.shows or verify == "screensaver"):
                return f"{activity.by} is active"
        return ""

    def lock(self, sessions: Sequence[Session]) -> Result:
        """Try every way once on each session, all sessions together. Raises DBusError when logind is gone."""
        locked: dict[str, str] = {}
        why: dict[str, list[str]] = {session.id: [] for session in sessions}
        refused: set[str] = set()
        for way in self._settings.ways:
            asked = []
            for session in sessions:
                if self._stopper.stopping():
                    raise Cancelled(f"{len(locked)} of {len(sessions)} sessions are locked")
                if session.id in refused or (session.id in locked and self._settings.verify != "none"):
                    continue
                try:
                    self._ask(way, session)
                    asked.append(session)
                except DBusError as error:
                    if not error.name and way == "logind":
                        raise  # the bus itself
                    if error.name in GONE:
                        locked[session.id] = "it has ended"
                    elif error.name in ACCESS_DENIED:
                        refused.add(session.id)
                    why[session.id].append(str(error))
            if self._settings.verify == "none":
                locked |= {session.id: "not verified: lock_screen.verify is none" for session in asked}
                continue
            locked |= self._wait(asked)
            for session in asked:
                why[session.id].append(f"{_WAYS[way]} was asked and it did not lock")
            if len(locked) == len(sessions):
                break
        open_still = [session.id for session in sessions if session.id not in locked]
        return Result(
            locked, {each: "; ".join(why[each]) for each in open_still}, bool(open_still) and refused >= set(open_still)
        )

    def _ask(self, way: Way, session: Session) -> None:
        if way == "logind":
            self.logind.lock(session)
        else:
            self._desktop(session).lock(way)

    def _wait(self, sessions: Sequence[Session]) -> dict[str, str]:
        """Which of them are seen to be locked in time, and by what."""
        found: dict[str, str] = {}
        pending = list(sessions)
        began = time.monotonic()
        while pending:
            spent = time.monotonic() - began
            over = spent >= self._settings.verify_seconds
            for session in list(pending):
                # To ask a desktop a program must be started; most need not be asked.
                evidence = self.evidence(session, whole=spent >= self._settings.verify_seconds / 2)
                if evidence:
                    found[session.id] = evidence
                    pending.remove(session)
            if over or not pending:
                break
            if self._stopper.wait(_LOOK_SECONDS):
                raise Cancelled("it was asked to lock, and not looked at whether it did")
        return found

    def _desktop(self, session: Session) -> Desktop:
        if session.uid not in self._desktops:
            self._desktops[session.uid] = Desktop(session, self._settings.session_bus, self._stopper.stopping)
        return self._desktops[session.uid]


def lock(settings: LockScreenSettings, target: Target, stopper: Stopper) -> str:
    """Lock, look, and try again; one sentence on what was done.

    Raises ActionFailed when a session is not locked in the end, saying which and why, and Cancelled.
    """
    failed = ""
    for attempt in range(1, settings.attempts + 1):
        try:
            with Locker(settings, stopper) as locker:
                there = locker.logind.sessions()
                sessions = lockable(there, target, consoles=settings.consoles)
                result = locker.lock(sessions)
        except DBusError as error:
            failed = str(error)
        else:
            if not result.why:
                return _locked(sessions, result, left_open(there, target, sessions))
            failed = _not_locked(sessions, result)
            if result.hopeless:
                raise ActionFailed(failed)
        if attempt < settings.attempts and stopper.wait(settings.pause_seconds):
            raise Cancelled(failed)
    raise ActionFailed(failed + (f"; tried {settings.attempts} times" if settings.attempts > 1 else ""))


def _locked(sessions: Sequence[Session], result: Result, consoles: Sequence[Session]) -> str:
    words = ", ".join(f"{session} ({result.locked[session.id]})" for session in sessions)
    sentence = f"locked {words}" if words else "nobody is at a desktop: there was nothing to lock"
    if consoles:
        sentence += f"; open stays {', '.join(str(each) for each in consoles)}"
    return sentence


def _not_locked(sessions: Sequence[Session], result: Result) -> str:
    words = [f"{each} is not locked: {result.why[each.id]}" for each in sessions if each.id in result.why]
    words += [f"{each} is locked ({result.locked[each.id]})" for each in sessions if each.id in result.locked]
    return "; ".join(words)
