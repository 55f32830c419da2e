"""Sessions are ended, and it is made sure that they are gone."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edged.actuators.lock_screen.choosing import Target, endable
from edged.actuators.lock_screen.locking import Stopper
from edged.actuators.lock_screen.logind import GONE, Logind, Session
from edged.actuators.lock_screen.settings import LockScreenSettings
from edged.errors import ActionFailed, Cancelled, DBusError

_LOOK_SECONDS = 0.2


def sign_out(settings: LockScreenSettings, target: Target, stopper: Stopper) -> str:
    """End the sessions and wait until they are gone; one sentence on what was done.

    Raises ActionFailed when one is still there in the end, and Cancelled. What was asked of logind once is not taken back
    by either.
    """
    try:
        with Logind(settings.system_bus, stopper.stopping) as logind:
            sessions = endable(logind.sessions(), target, consoles=settings.consoles)
            for session in sessions:
                try:
                    logind.terminate(session)
                except DBusError as error:
                    if error.name not in GONE:
                        raise
            return _wait(settings, logind, sessions, stopper)
    except DBusError as error:
        raise ActionFailed(str(error)) from None


def _wait(settings: LockScreenSettings, logind: Logind, sessions: Sequence[Session], stopper: Stopper) -> str:
    began = time.monotonic()
    while True:
        there = {each.id: each for each in logind.sessions()}
        left = [there[each.id] for each in sessions if each.id in there]
        if not left:
            return f"signed out {', '.join(str(each) for each in sessions)}" if sessions else "nobody was at a desktop"
        if time.monotonic() - began >= settings.sign_out_seconds:
            words = "; ".join(f"{each} is still there ({each.state})" for each in left)
            raise ActionFailed(f"{words} after {settings.sign_out_seconds:g} s: some of its processes do not end")
        if stopper.wait(_LOOK_SECONDS):
            raise Cancelled("logind was asked to end the sessions, and not looked at whether they did")
