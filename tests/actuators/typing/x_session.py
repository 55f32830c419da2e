"""A real X11 session without a screen: Xvfb, an xterm that writes what it is typed to a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pseudo_terminal import need_terminals

PROGRAMS = {"Xvfb": "xvfb", "xterm": "xterm", "setxkbmap": "x11-xkb-utils"}


def wait_until(what: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@dataclass
class XSession:
    """`display` is its DISPLAY."""

    display: str
    folder: Path

    def run(self, *command: str) -> None:
        subprocess.run(command, env={**os.environ, "DISPLAY": self.display}, check=True, capture_output=True)

    def layout(self, *arguments: str) -> None:
        """As `setxkbmap` takes them."""
        self.run("setxkbmap", *arguments)

    @contextmanager
    def window(self) -> Iterator[TextWindow]:
        """A text window that has the keyboard. Skips where a terminal cannot start."""
        need_terminals()
        written = self.folder / "written"
        written.write_bytes(b"")
        (self.folder / "ready").unlink(missing_ok=True)
        command = f"stty raw -echo; touch {self.folder}/ready; exec cat >{written}"
        environment = {**os.environ, "DISPLAY": self.display, "LC_ALL": "C.UTF-8"}
        process = subprocess.Popen(
            ["xterm", "-u8", "-geometry", "200x80+0+0", "-e", "sh", "-c", command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until((self.folder / "ready").exists)
            time.sleep(0.2)
            yield TextWindow(written)
        finally:
            process.terminate()
            process.wait()


@dataclass
class TextWindow:
    """What was typed into it."""

    written: Path

    def text(self, quiet_seconds: float = 1.0) -> str:
        """Everything, once nothing more comes for a while."""
        before, since = -1, time.monotonic()
        while time.monotonic() - since < quiet_seconds:
            size = self.written.stat().st_size
            if size != before:
                before, since = size, time.monotonic()
            time.sleep(0.02)
        return self.written.read_bytes().decode().replace("\r", "\n")


@contextmanager
def x_session(folder: Path) -> Iterator[XSession]:
    """Skips where a program is missing, naming its package."""
    if missing := [package for program, package in PROGRAMS.items() if shutil.which(program) is None]:
        pytest.skip(f"packages {', '.join(missing)} are not installed")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        # -noreset: without it the server forgets its layout with the last client
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb does not start"
        yield XSession(f":{number}", folder)
    finally:
        process.terminate()
        process.wait()
