"""Starts one child process: a fresh interpreter with one socket, the frame slot where it needs it, and a clean environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NO_SLOT = "-"


def spawn(name: str, target: str, slot_fd: int | None) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    """A new process, our end of its link (which never blocks), and a descriptor that is readable once it has ended.

    slot_fd: None for a process that has no business with pictures.
    Raises OSError, with nothing left behind.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    process: subprocess.Popen[bytes] | None = None
    with theirs:
        try:
            process = subprocess.Popen(
                [
                    *_interpreter(), "-m", "edged.processes.child",
                    name, target, str(theirs.fileno()), NO_SLOT if slot_fd is None else str(slot_fd), str(os.getpid()),
                ],
                pass_fds=(theirs.fileno(),) if slot_fd is None else (theirs.fileno(), slot_fd),
                env=child_environment(os.environ),
                stdin=subprocess.DEVNULL,
                # Ctrl-C in a terminal is for the daemon, which ends its children in order.
                start_new_session=True,
            )  # fmt: skip
            return process, ours, os.pidfd_open(process.pid)
        except OSError:
            ours.close()
            if process is not None:
                process.kill()
                process.wait()
            raise


def _interpreter() -> list[str]:
    # -P: the working directory is no place to import from; Python 3.10 has no such option.
    return [sys.executable, "-P"] if sys.version_info >= (3, 11) else [sys.executable]


_DAEMONS_OWN = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY", "LISTEN_FDS", "LISTEN_PID")
# The broker's password, and what a hook is told: neither the camera nor another hook need know.
_SECTIONS_OF_OTHERS = ("EDGED_MQTT", "EDGED_HOOKS")


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child gets of the daemon's environment: not the broker's secrets, nor systemd's ear."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _DAEMONS_OWN and not name.upper().startswith(_SECTIONS_OF_OTHERS)
    }
    # Pools of threads and allocator arenas that nobody uses cost tens of megabytes on a small board.
    for name, value in (("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("MALLOC_ARENA_MAX", "2")):
        kept.setdefault(name, value)
    root = str(Path(__file__).resolve().parents[2])
    if Path(root).name not in ("site-packages", "dist-packages"):  # run from a checkout
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH", ""))))
    return kept
