"""What keeps the screen from being locked here, found out beside: whoever asks never waits for a bus that hangs."""

from __future__ import annotations

import os
import threading
import time

from edged.actuators.lock_screen.choosing import Target, lockable
from edged.actuators.lock_screen.logind import LOCK_RIGHT, SIGN_OUT_RIGHT, Logind
from edged.actuators.lock_screen.settings import LockScreenSettings
from edged.errors import ActionFailed, DBusError

# The answer is good for this long.
_FRESH_SECONDS = 5.0
# The first answer is waited for; a bus that works gives it in a few milliseconds.
_FIRST_SECONDS = 1.0


class Readiness:
    """Looks at logind now and then. Safe for any thread."""

    def __init__(self, settings: LockScreenSettings, target: Target, *, signs_out: bool) -> None:
        """target: whose screen it mostly is about. signs_out: the owner has enabled that."""
        self._settings = settings
        self._target = target
        self._signs_out = signs_out
        self._guard = threading.Lock()
        self._found: list[str] = []
        self._looked_steady = float("-inf")
        self._first = True
        self._thread: threading.Thread | None = None

    def problems(self) -> list[str]:
        """As of a moment ago."""
        with self._guard:
            first, self._first = self._first, False
            due = time.monotonic() - self._looked_steady >= _FRESH_SECONDS
            if due and (self._thread is None or not self._thread.is_alive()):
                self._looked_steady = time.monotonic()
                self._thread = threading.Thread(target=self._look, name="readiness", daemon=True)
                self._thread.start()
            thread = self._thread
        if first and thread is not None:
            thread.join(_FIRST_SECONDS)
        with self._guard:
            return list(self._found)

    def changed(self) -> None:
        """Something was done: what was found is out of date."""
        with self._guard:
            self._looked_steady = min(self._looked_steady, time.monotonic() - _FRESH_SECONDS)

    def _look(self) -> None:
        found = examine(self._settings, self._target, os.geteuid(), signs_out=self._signs_out)
        with self._guard:
            self._found = found


def examine(settings: LockScreenSettings, target: Target, uid: int, *, signs_out: bool) -> list[str]:
    """One sentence for each problem, with its cure. uid: as whom it runs."""
    found = []
    try:
        with Logind(settings.system_bus) as logind:
            there = logind.sessions()
            try:
                sessions = lockable(there, target, consoles=settings.consoles)
            except ActionFailed as error:
                sessions = []
                found.append(str(error))
            others = uid != 0 and (not sessions or any(each.uid != uid for each in sessions))
            # Whether it is about others is known only when somebody is there, or when it is a system user.
            if others and (sessions or uid < 1000):
                wanted = {"lock sessions": LOCK_RIGHT} | ({"sign out": SIGN_OUT_RIGHT} if signs_out else {})
                found += [
                    f"it has no right to {verb} of other users (docs/lock-screen.md has the polkit rule)"
                    for verb, right in wanted.items()
                    if not logind.may(right)
                ]
            if signs_out and uid != 0 and any(each.uid == uid for each in sessions) and not logind.lingers(uid):
                found.append(
                    "sign_out ends this actuator too, before it can tell how it went (loginctl enable-linger, or run it as a "
                    "system service)"
                )
    except DBusError as error:
        found.append(str(error))
    return found
