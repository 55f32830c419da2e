"""One at a time on this machine: two actuators that type together would mix their letters."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.actuators.performer import Control
from edged.errors import ActionFailed, Cancelled

# World-writable with the sticky bit on every Debian, and gone with the power.
_FOLDERS = (Path("/run/lock"), Path("/tmp"))
_NAME = "edged-typing.lock"
_LOOK_SECONDS = 0.05


@contextmanager
def turn(control: Control, path: Path | None = None) -> Iterator[None]:
    """Wait for the keyboard of this machine, and have it. Raises Cancelled when told to stop while waiting."""
    fd = _open(path)
    try:
        while not _taken(fd):
            if control.wait(_LOOK_SECONDS):
                raise Cancelled("another actuator was typing, nothing was typed")
        yield
    finally:
        os.close(fd)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path | None) -> int:
    places = [path] if path is not None else [folder / _NAME for folder in _FOLDERS if folder.is_dir()]
    problem = "there is no folder for it"
    for place in places:
        for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT):
            try:
                # First without O_CREAT: in a sticky folder the kernel refuses that for a file of another user's
                # (sysctl fs.protected_regular).
                fd = os.open(place, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            except OSError as error:
                problem = f"{place}: {error.strerror}"
                continue
            if flags & os.O_CREAT:
                os.fchmod(fd, 0o666)  # whatever the umask: another user's actuator takes it too
            return fd
    raise ActionFailed(f"the lock that keeps two typing actuators apart cannot be had: {problem}")
