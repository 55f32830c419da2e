"""Tells systemd how things are: ready, status line, watchdog. The only file that imports systemd.daemon.

All of it does nothing where systemd did not start us. Without the library, which has to be built on the device, the
same words go out as plain datagrams: a unit of Type=notify that never hears READY=1 would be restarted for ever.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
from typing import Any


def _find() -> Any:
    """The `systemd.daemon` module, if systemd started us and the library is installed."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    try:
        return importlib.import_module("systemd.daemon")
    except ImportError:
        return None


class SystemdNotifier:
    """One service's line to systemd (sd_notify(3))."""

    def __init__(self) -> None:
        self._daemon = _find()
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """The start is complete."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def status(self, sentence: str) -> None:
        """What `systemctl status` shows."""
        self._tell("STATUS=" + sentence.replace("\n", " "))

    def progress(self) -> None:
        """Feed the watchdog. Call it when something got done, never because time passed."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        state = state.encode(errors="replace").decode()  # the name of a file may be anything
        # Whether systemd hears it is no reason to end: it restarts us if it misses something.
        with contextlib.suppress(OSError):
            if self._daemon is not None:
                self._daemon.notify(state)
            elif self._address:
                self._send(state)

    def _send(self, state: str) -> None:
        # An abstract socket is written with @ and addressed with a zero byte (sd_notify(3)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.sendto(state.encode(), address)
