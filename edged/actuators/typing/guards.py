"""Small programs that release keys when the process that pressed them is gone: how they are started and let go.

A guard waits at the other end of a pipe. It is told what it must know in lines; `quit` says that all is well. A pipe
that ends without one says that the process died, by whatever signal, and the guard does its work.
"""

from __future__ import annotations

import select
import subprocess
import sys

from edged.errors import KeyboardUnavailable

# A slow board starts Python in seconds.
_READY_SECONDS = 30.0
_GONE_SECONDS = 2.0
_READY = b"ready\n"
# Guards that still release keys; kept here so that they are reaped, and not warned of as forgotten.
_leaving: list[subprocess.Popen[bytes]] = []


class Guard:
    """One running guard. Raises KeyboardUnavailable when it does not start."""

    def __init__(self, backend: str, *arguments: str) -> None:
        _leaving[:] = [process for process in _leaving if process.poll() is None]
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # Not of our group: what the terminal or systemd sends to all of it is not for the guard.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _READY_SECONDS)
        if not ready or self._process.stdout.read(len(_READY)) != _READY:
            self._process.kill()
            self.dismiss(released=True)
            raise KeyboardUnavailable(backend, "the program that releases keys after a crash does not start")

    @property
    def alive(self) -> bool:
        """Is it still there?"""
        return self._process.poll() is None

    def tell(self, line: str) -> None:
        """One line; it is in the guard's pipe when this returns, whatever becomes of us."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except OSError:
            pass  # it was killed; the next text starts another

    def dismiss(self, *, released: bool) -> None:
        """`released` says that all keys are up: the guard just ends. Else it does its work, however long that takes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if released:
            self.tell("quit")
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(_GONE_SECONDS if released else 0)
        except subprocess.TimeoutExpired:
            _leaving.append(self._process)
