"""A short life of a daemon with toy children, whose standard error is the journal: `python -m … FOLDER`.

Its capture is killed and replaced; then its inference gives up, and says so itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


def main(folder: Path) -> int:
    strings = folder / "strings"
    strings.mkdir()
    settings = {
        "capture": {"source": str(strings), "width": 64, "height": 64},
        "mqtt": {"port": 1}, "store": {"directory": str(folder / "state")},
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "tests.daemon.puppet_daemon", str(folder / "settings.json")]
    with subprocess.Popen(command) as daemon:
        try:
            os.kill(until(lambda: child(daemon.pid, "capture")), signal.SIGKILL)
            until(lambda: written("EDGED_NOTICE=child_replaced"))
            (strings / "inference").write_text("hopeless", encoding="utf-8")
            os.kill(until(lambda: child(daemon.pid, "inference")), signal.SIGKILL)
            until(lambda: written("EDGED_PROCESS=inference"))
            until(lambda: written("EDGED_NOTICE=child_failed"))
            daemon.terminate()
            return daemon.wait(10)
        finally:
            daemon.kill()


def until(ask: Callable[[], Found]) -> Found:
    deadline = time.monotonic() + 20
    while not (found := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.05)
    return found


def written(field: str) -> bool:
    """The journal has such a line."""
    command = ["journalctl", "--quiet", "--directory", "/run/log/journal", "--output", "cat", field]
    return bool(subprocess.run(command, capture_output=True, check=False, timeout=30).stdout)


def child(parent: int, name: str) -> int:
    """The process of this daemon's child; 0: there is none."""
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ").decode()
        except OSError:
            continue
        if title == f"edged[front] {name}":
            return int(pid)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
