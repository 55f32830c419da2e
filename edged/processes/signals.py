"""Signals become bytes in a pipe, which a loop sleeps on; nothing happens in a handler."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

WORDS = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C", signal.SIGHUP: "the terminal was closed"}


@contextlib.contextmanager
def signals_into(write_fd: int) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP write their number there. Outside of the main thread it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [signal.SIGTERM, signal.SIGINT]
    # Under nohup it stays ignored. Otherwise a closed terminal ends us: nothing goes on unseen.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, _nothing) for number in wanted}
    old_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old_fd)
        for number, handler in before.items():
            signal.signal(number, handler)


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler must exist for the number to be written in the pipe."""
