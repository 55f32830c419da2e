"""The camera's unit: is there one, does it run, start it now and at each boot."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edged.errors import EdgedError

_SECONDS = 90.0


def unit_of(camera: str) -> str:
    """The name of its unit."""
    return f"edged@{camera}.service"


def available() -> bool:
    """Systemd runs here and knows edged's unit."""
    return Path("/run/systemd/system").is_dir() and _systemctl("cat", "edged@.service").returncode == 0


def active(camera: str) -> bool:
    """Its daemon runs, or is about to."""
    return available() and _systemctl("is-active", unit_of(camera)).stdout.strip() in {"active", "activating"}


def start(camera: str) -> None:
    """Now, with the settings as they are now, and at each boot. Raises EdgedError with systemd's words."""
    # What is new in /etc/edged, such as a password, is handed to units when systemd reads them anew.
    for order in (("daemon-reload",), ("enable", unit_of(camera)), ("restart", unit_of(camera))):
        done = _systemctl(*order)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise EdgedError(f"{unit_of(camera)} does not start: {said} (journalctl -u {unit_of(camera)})")


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False, timeout=_SECONDS)
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 1, "", "there is no systemctl")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(arguments, 1, "", f"no answer within {_SECONDS:.0f} s")
