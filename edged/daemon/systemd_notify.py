"""Tells systemd how things are: ready, status line, watchdog. The only file that imports systemd-python.

All of it does nothing where systemd or its Python library is not there.
"""

from __future__ import annotations

import importlib
import os
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
        self.problem = ""
        if self._daemon is None and os.environ.get("NOTIFY_SOCKET"):
            self.problem = "systemd waits for our word, but systemd-python is missing (pip install edged[systemd])"

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
        if self._daemon is not None:
            self._daemon.notify(state)
