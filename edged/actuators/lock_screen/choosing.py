"""Which sessions are meant. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from edged.actuators.lock_screen.logind import Session
from edged.errors import ActionFailed, RequestRefused


class Target(msgspec.Struct, frozen=True):
    """Whose sessions: those of a user, one by its id, all, or that of whoever sits at the machine. name: user or id."""

    kind: Literal["user", "session", "all", "seated"]
    name: str = ""

    def __str__(self) -> str:
        return {
            "user": f"the sessions of {self.name}",
            "session": f"session {self.name}",
            "all": "all sessions",
            "seated": "the session of whoever sits here",
        }[self.kind]


def default_target(chosen_user: str, own_user: str, own_uid: int) -> Target:
    """chosen_user: of the settings. own_user, own_uid: as whom we run."""
    if chosen_user:
        return Target("user", chosen_user)
    # Users below 1000 are no people (UID_MIN of Debian's login.defs), and never sit at a desktop.
    return Target("user", own_user) if own_uid >= 1000 else Target("seated")


def target_of(options: dict[str, Any], default: Target) -> Target:
    """What a request means. Raises RequestRefused when it means two things."""
    given = [name for name in ("user", "session", "all") if options.get(name)]
    if len(given) > 1:
        raise RequestRefused(f"{' and '.join(given)} are not given together: say whose session is meant in one way")
    if not given:
        return default
    return Target("all") if given == ["all"] else Target(given[0], options[given[0]])  # type: ignore[arg-type]


def lockable(sessions: Sequence[Session], target: Target, *, consoles: bool) -> list[Session]:
    """What is to be locked: desktops, and text consoles of this machine if that is wished. May be empty for `all`.

    Raises ActionFailed with the reason when there is none of those that are meant.
    """
    people = [each for each in sessions if _is_somebody(each)]
    meant = [each for each in people if _is_meant(each, target)]
    fit = [each for each in meant if each.graphical or (consoles and _is_console(each))]
    if fit or target.kind == "all":
        return fit
    if not meant:
        raise ActionFailed(_nobody(target, sessions, people))
    shown = ", ".join(str(each) for each in meant)
    raise ActionFailed(
        f"{shown}: nothing there listens to a lock; only desktops do (a desktop begun with startx is a text console to "
        "logind: set lock_screen.consoles = true for it; on a real console run vlock)"
    )


def endable(sessions: Sequence[Session], target: Target, *, consoles: bool) -> list[Session]:
    """What is to be signed out: as for a lock, but a session that is named by its id is taken whatever it is.

    Raises ActionFailed with the reason when there is none.
    """
    if target.kind != "session":
        return lockable(sessions, target, consoles=consoles)
    found = [each for each in sessions if each.id == target.name and each.state != "closing"]
    if not found:
        raise ActionFailed(_nobody(target, sessions, [each for each in sessions if _is_somebody(each)]))
    return found


def left_open(sessions: Sequence[Session], target: Target, taken: Sequence[Session]) -> list[Session]:
    """Text consoles of this machine that are meant and stay open."""
    meant = [each for each in sessions if _is_somebody(each) and _is_meant(each, target)]
    return [each for each in meant if _is_console(each) and each not in taken]


def _is_somebody(session: Session) -> bool:
    return session.role.startswith("user") and session.state != "closing"


def _is_console(session: Session) -> bool:
    return session.kind == "tty" and not session.remote and bool(session.seat)


def _is_meant(session: Session, target: Target) -> bool:
    if target.kind == "user":
        return session.user == target.name
    if target.kind == "session":
        return session.id == target.name
    return target.kind == "all" or (session.active and bool(session.seat))


def _nobody(target: Target, sessions: Sequence[Session], people: Sequence[Session]) -> str:
    there = ", ".join(str(each) for each in people) or "nobody is logged in"
    if target.kind == "session":
        known = next((each for each in sessions if each.id == target.name), None)
        if known is not None:
            return f"session {known.id} is not somebody's ({known.role}, {known.state}); there are: {there}"
        return f"there is no session {target.name}; there are: {there}"
    if target.kind == "user":
        return f"{target.name} is not logged in; there are: {there}"
    return f"nobody sits at this machine (no active session at a seat); there are: {there}"
