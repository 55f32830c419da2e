"""The guard of a USB gadget: a program of its own, run by `hid_gadget.py`, see `guards.py`.

A computer cannot see that the process behind a USB keyboard was killed; it would hold the key down and repeat it. All
keys and buttons go up as soon as the computer reads again, however long that is. Imports nothing of edged, so that it
starts quickly.

Usage: hid_guard.py DEVICE:REPORT_BYTES …
"""

from __future__ import annotations

import os
import select
import signal
import sys


def main() -> None:
    """Open the devices, say so, wait for the end of standard input, release."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    devices = []
    for argument in sys.argv[1:]:
        path, _, report_bytes = argument.rpartition(":")
        devices.append((os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY), int(report_bytes)))
    os.write(1, b"ready\n")
    if sys.stdin.buffer.read() != b"quit\n":
        for descriptor, length in devices:
            release(descriptor, length)


def release(descriptor: int, length: int) -> None:
    """One report of zeros, when the computer has read the one before it."""
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    while True:
        ready.poll()
        try:
            os.write(descriptor, bytes(length))
        except BlockingIOError:
            continue
        except OSError:
            pass  # unplugged: a computer releases the keys of a keyboard that is gone
        return


if __name__ == "__main__":
    main()
