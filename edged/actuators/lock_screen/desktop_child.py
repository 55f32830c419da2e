"""Speaks to one desktop as its user: a program of its own, run by `desktop.py`.

A session bus lets in nobody but its user, not even root; and whatever hangs there hangs here, where it can be killed.
Reads questions as lines of JSON, answers each with a line, ends with its standard input.

Usage: python -m edged.actuators.lock_screen.desktop_child ADDRESS
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from edged.actuators.lock_screen.dbus import Connection
from edged.errors import DBusError

_PROGRAM_SECONDS = 10.0
# A screensaver may answer only when its animation is over.
_LOCK_SECONDS = 10.0
# Of the variables that a desktop tells its user's systemd: what xdg-screensaver looks at.
_OF_THE_DESKTOP = (
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_SESSION_TYPE",
    "DESKTOP_SESSION",
    "KDE_FULL_SESSION",
    "KDE_SESSION_VERSION",
    "GNOME_DESKTOP_SESSION_ID",
)


class Answer(msgspec.Struct, frozen=True):
    """why: it cannot be asked; else empty. by: who was asked. active, shows: of a screensaver, see Screensaver."""

    why: str = ""
    by: str = ""
    active: bool = False
    shows: bool = False


class Screensaver(NamedTuple):
    """service, path, interface on the session bus. words: `Lock` takes a text for those who come by.

    shows: active means locked. GNOME's is active when the screen is merely dark; it sets LockedHint instead.
    """

    service: str
    path: str
    interface: str
    words: bool = False
    shows: bool = True


# The desktops' own first: several of them have the last name as well, and do not lock by it.
SCREENSAVERS = (
    Screensaver("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver", shows=False),
    Screensaver("org.cinnamon.ScreenSaver", "/org/cinnamon/ScreenSaver", "org.cinnamon.ScreenSaver", words=True),
    Screensaver("org.mate.ScreenSaver", "/org/mate/ScreenSaver", "org.mate.ScreenSaver"),
    Screensaver("org.xfce.ScreenSaver", "/org/xfce/ScreenSaver", "org.xfce.ScreenSaver"),
    Screensaver("org.kde.screensaver", "/ScreenSaver", "org.freedesktop.ScreenSaver"),
    Screensaver("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver"),
)


def main() -> None:
    """Answer until nobody asks any more."""
    address = sys.argv[1]
    for line in sys.stdin:
        try:
            answer = _answer(line.strip(), address)
        except DBusError as error:
            answer = Answer(why=str(error))
        print(msgspec.json.encode(answer).decode(), flush=True)


def _answer(question: str, address: str) -> Answer:
    if question == "xdg_screensaver":
        return _xdg_screensaver(address)
    if question == "lock":
        return _lock(address)
    return _activity(address)


def _lock(address: str) -> Answer:
    with Connection(address, "session bus", starts=False, call_seconds=_LOCK_SECONDS) as bus:
        found = _screensaver(bus)
        arguments = ("s", "") if found.words else ()
        bus.call(found.service, found.path, found.interface, "Lock", *arguments)
        return Answer(by=found.service)


def _activity(address: str) -> Answer:
    try:
        with Connection(address, "session bus", starts=False) as bus:
            found = _screensaver(bus)
            (active,) = bus.call(found.service, found.path, found.interface, "GetActive")
            return Answer(by=found.service, active=bool(active), shows=found.shows)
    except DBusError:
        # xscreensaver has a name on the bus and no word for this.
        program = shutil.which("xscreensaver-command")
        if program is None:
            raise
        done = _run([program, "-time"], address)
        return Answer(by="xscreensaver", active=b"screen locked since" in done.stdout, shows=True)


def _screensaver(bus: Connection) -> Screensaver:
    for each in SCREENSAVERS:
        if bus.has_owner(each.service):
            return each
    raise DBusError("no screensaver is on the desktop's D-Bus")


def _xdg_screensaver(address: str) -> Answer:
    program = shutil.which("xdg-screensaver")
    if program is None:
        raise DBusError("xdg-screensaver is not installed", "package xdg-utils")
    done = _run([program, "lock"], address)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise DBusError(f"xdg-screensaver failed: {words[-1] if words else f'exit status {done.returncode}'}")
    return Answer(by="xdg-screensaver")


def _run(command: list[str], address: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **_desktops_environment(address)}
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROGRAM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DBusError(f"{Path(command[0]).name} did not end within {_PROGRAM_SECONDS:g} s") from None


def _desktops_environment(address: str) -> dict[str, str]:
    """What the desktop told the systemd of its user; nothing where there is none."""
    service, path = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
    try:
        with Connection(address, "session bus", starts=False) as bus:
            told = bus.properties(service, path, "org.freedesktop.systemd1.Manager").get("Environment", [])
    except DBusError:
        return {}
    pairs = dict(each.split("=", 1) for each in told if "=" in each)
    return {name: value for name, value in pairs.items() if name in _OF_THE_DESKTOP}


if __name__ == "__main__":
    main()
