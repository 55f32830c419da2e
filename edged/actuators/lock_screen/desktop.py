"""What is asked of a desktop itself, through a child process that is its user."""

from __future__ import annotations

import os
import pwd
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

import edged
from edged.actuators.lock_screen import desktop_child
from edged.actuators.lock_screen.desktop_child import Answer
from edged.actuators.lock_screen.logind import Session
from edged.errors import Cancelled, DBusError

# A slow board starts Python in seconds; a screensaver may take some more.
_ANSWER_SECONDS = 20.0
_GONE_SECONDS = 1.0
_SLICE_SECONDS = 0.2
_LONGEST_LINE_BYTES = 64 * 1024
# Of our own environment: nothing that could be a secret of ours.
_KEPT = (
    "PATH",
    "LANG",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_SESSION_TYPE",
    "DESKTOP_SESSION",
)


class Desktop:
    """One user's desktop. The child is started with the first question and is gone with `close`. For one thread."""

    def __init__(self, session: Session, bus_address: str = "", stopping: Callable[[], bool] = lambda: False) -> None:
        """bus_address: of the session bus, with {uid} for the user's number; empty: where it usually is.

        stopping: asked while waiting; `lock` and `activity` raise Cancelled once it says so.
        """
        self._session = session
        self._address = _address(session.uid, bus_address)
        self._stopping = stopping
        self._child: subprocess.Popen[bytes] | None = None

    def lock(self, way: str) -> None:
        """way: screensaver or xdg_screensaver. Raises DBusError when it cannot be asked for."""
        self._ask("lock" if way == "screensaver" else way)

    def activity(self) -> Answer | None:
        """What its screensaver says; None when there is none, or it does not say."""
        try:
            return self._ask("active")
        except DBusError:
            return None

    def close(self) -> None:
        """Asked again it does nothing."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.close()
        except OSError:
            pass  # it died first
        child.stdout.close()
        try:
            child.wait(_GONE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def __enter__(self) -> Desktop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: str) -> Answer:
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._child = self._start()
        child = self._child
        assert child.stdin is not None
        try:
            child.stdin.write(f"{question}\n".encode())
            child.stdin.flush()
            answer = msgspec.json.decode(self._line(child), type=Answer)
        except Cancelled:
            child.kill()
            raise
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            child.kill()
            self.close()
            raise DBusError(f"the desktop of {self._session.user} cannot be asked: no answer") from None
        if answer.why:
            raise DBusError(answer.why)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        user: dict[str, Any] = {}
        if os.geteuid() != self._session.uid:
            if os.geteuid() != 0:
                raise DBusError(
                    f"only {self._session.user} or root can speak to the desktop of {self._session.user}",
                    f"run the actuator as {self._session.user}",
                )
            user = _as_user(self._session.uid)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", desktop_child.__name__, self._address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=self._environment(),
                **user,
            )
        except (OSError, subprocess.SubprocessError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            cure = f"{sys.executable} and all it loads must be readable for everybody: not in a home folder"
            raise DBusError(f"no program can be started as {self._session.user}: {words}", cure) from None

    def _line(self, child: subprocess.Popen[bytes]) -> bytes:
        """One line of its answers. Raises OSError when none comes in time, or one without an end."""
        assert child.stdout is not None
        fd = child.stdout.fileno()
        deadline = time.monotonic() + _ANSWER_SECONDS
        found = b""
        while not found.endswith(b"\n"):
            if self._stopping():
                raise Cancelled(f"stopped while waiting for the desktop of {self._session.user}")
            if not select.select([fd], [], [], _SLICE_SECONDS)[0]:
                if time.monotonic() >= deadline:
                    raise TimeoutError
                continue
            data = os.read(fd, 65536)
            # It is another user's process, who may have done what they like to it.
            if not data or len(found) > _LONGEST_LINE_BYTES:
                raise BrokenPipeError
            found += data
        return found

    def _environment(self) -> dict[str, str]:
        own = os.geteuid() == self._session.uid
        environment = {name: os.environ[name] for name in (_KEPT if own else ("PATH", "LANG")) if name in os.environ}
        if self._session.display:
            environment["DISPLAY"] = self._session.display
        try:
            environment["HOME"] = pwd.getpwuid(self._session.uid).pw_dir
        except KeyError:
            environment["HOME"] = "/"
        return environment | {
            "USER": self._session.user,
            "LOGNAME": self._session.user,
            "XDG_RUNTIME_DIR": f"/run/user/{self._session.uid}",
            "DBUS_SESSION_BUS_ADDRESS": self._address,
            # It runs the edged that we are.
            "PYTHONPATH": str(Path(edged.__file__).resolve().parents[1]),
        }


def _address(uid: int, chosen: str) -> str:
    if not chosen and os.geteuid() == uid:
        chosen = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    return (chosen or "unix:path=/run/user/{uid}/bus").replace("{uid}", str(uid))


def _as_user(uid: int) -> dict[str, Any]:
    try:
        group = pwd.getpwuid(uid).pw_gid
    except KeyError:
        raise DBusError(f"user {uid} is not known here") from None
    return {"user": uid, "group": group, "extra_groups": []}
