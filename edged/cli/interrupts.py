"""Ctrl-C while libraries are being loaded."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 130


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Within it, until `command_begins`, Ctrl-C ends the process at once with status 130.

    KeyboardInterrupt will not do there: raised inside a callback of the import machinery or a native module it is
    printed or even lost, and the command would go on. Nothing is open yet that had to be closed.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where a caller ignores or handles it
    if not ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        command_begins()


def command_begins() -> None:
    """From here on Ctrl-C is KeyboardInterrupt, as the command expects."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
