"""A real Wayland session without a screen: sway with its headless back end, a foot terminal that writes to a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.actuators.typing.x_session import TextWindow, wait_until
from tests.pseudo_terminal import need_terminals

_CONFIG = """
output * resolution 1280x1024
default_border none
focus_follows_mouse no
seat seat0 fallback true
input * repeat_delay 600
"""


@dataclass
class WaylandSession:
    """`display` is its WAYLAND_DISPLAY, a whole path."""

    display: str
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    @contextmanager
    def window(self, before: str = "true") -> Iterator[TextWindow]:
        """A text window that has the keyboard; `before` is a command that the terminal runs first. Skips without terminals."""
        need_terminals()
        written, ready = self.folder / "written", self.folder / "ready"
        written.write_bytes(b"")
        ready.unlink(missing_ok=True)
        command = f"{before}; stty raw -echo; touch {ready}; exec cat >{written}"
        process = subprocess.Popen(
            ["foot", "sh", "-c", command],
            env={**self.environment, "WAYLAND_DISPLAY": self.display, "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(ready.exists)
            wait_until(lambda: '"focused": true' in self._tree())
            yield TextWindow(written)
        finally:
            process.terminate()
            process.wait()

    def _tree(self) -> str:
        asked = ["swaymsg", "-t", "get_tree", "-r"]
        shown = subprocess.run(asked, env=self.environment, capture_output=True, text=True, check=True).stdout
        return shown[shown.find('"app_id": "foot"') - 3000 :] if '"app_id": "foot"' in shown else ""


@contextmanager
def wayland_session(folder: Path) -> Iterator[WaylandSession]:
    """Skips where a program is missing, naming it."""
    if missing := [program for program in ("sway", "swaymsg", "foot") if shutil.which(program) is None]:
        pytest.skip(f"{', '.join(missing)} not installed (packages sway, foot)")
    # sway does not run as root; what it needs must then be where another user can go
    other_user: Any = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    runtime = Path(tempfile.mkdtemp(prefix="edged-wayland-"))
    config = runtime / "sway.conf"
    config.write_text(_CONFIG)
    if other_user:
        shutil.chown(runtime, "nobody", "nogroup")
    environment = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    environment |= {
        "XDG_RUNTIME_DIR": str(runtime),
        "SWAYSOCK": str(runtime / "sway.sock"),
        "WLR_BACKENDS": "headless",
        "WLR_LIBINPUT_NO_DEVICES": "1",
        "WLR_RENDERER": "pixman",
    }
    process = subprocess.Popen(
        ["sway", "-c", str(config)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **other_user,
    )
    try:
        wait_until(lambda: _sockets(runtime))
        wait_until((runtime / "sway.sock").exists)
        [display] = _sockets(runtime)
        yield WaylandSession(str(display), folder, environment, process)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(runtime)


def _sockets(runtime: Path) -> list[Path]:
    return [path for path in runtime.glob("wayland-*") if path.suffix != ".lock"]
