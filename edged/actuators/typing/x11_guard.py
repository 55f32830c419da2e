"""The guard of an X11 session: a program of its own, run by `x11.py`, see `guards.py`.

Each line says which keys or buttons are down, as `key 50` or `button 1`, in the order to release them; an empty line
that none is. It has a connection of its own, for the server releases nothing when the one that pressed is gone.

Usage: x11_guard.py DISPLAY
"""

from __future__ import annotations

import os
import signal
import sys
import time

from Xlib import X
from Xlib.display import Display

# The server reads its connections in no certain order: what was pressed last must have arrived before it is released.
_AFTER_SECONDS = 0.1
_RELEASES = {"key": X.KeyRelease, "button": X.ButtonRelease}


def main() -> None:
    """Connect, say so, listen until standard input ends, release what is down."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    display = Display(sys.argv[1])
    os.write(1, b"ready\n")
    down = ""
    for line in sys.stdin:
        down = line.strip()
    if down in {"quit", ""}:
        return
    time.sleep(_AFTER_SECONDS)
    words = down.split()
    for kind, detail in zip(words[::2], words[1::2], strict=True):
        display.xtest_fake_input(_RELEASES[kind], int(detail))
    display.sync()


if __name__ == "__main__":
    main()
