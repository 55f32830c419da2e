"""A system that cannot be written at all but for one folder: a real daemon, with everything on, works as ever.

The whole machine is made read-only for the daemon and its children in a mount namespace of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.conftest import ROOT, Theatre
from tests.evidence.making import key_file

# Everything that can be written: the root with /tmp and the home, /dev/shm, and what else is mounted writable.
SEAL = r"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
for point in / /dev/shm /run /tmp /var; do
    mountpoint -q "$point" && mount -o remount,bind,ro "$point"
done
shift
for place in /var/lib /tmp /dev/shm "$HOME"; do
    if touch "$place/here" 2>/dev/null; then echo "$place can be written" >&2; exit 3; fi
done
exec "$@"
"""


def sealed(folder: Path) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", SEAL, "sh", str(folder)]


@pytest.fixture(autouse=True)
def _may_mount(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("a mount namespace needs root")
    tried = subprocess.run([*sealed(tmp_path), "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.decode().strip()}")


def test_a_daemon_on_a_read_only_system_writes_in_one_folder_only(
    stage: Theatre, tmp_path: Path, models_directory: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    settings = {
        "capture": {"source": "sitter:", "width": 320, "height": 240},
        "store": {"directory": str(state)},
        "models": {"directory": str(models_directory)},
        "mqtt": {"host": stage.broker.host, "port": stage.broker.port, "reconnect_max_seconds": 0.5},
        "health": {"interval_seconds": 1.0},
        "judgement": {"presence": {"arrive_seconds": 0.1}},
        "history": {"enabled": True, "batch_seconds": 0.1},
        "audit": {"enabled": True, "kinds": ["presence"]},
        "evidence": {
            "enabled": True, "key_file": str(key_file(tmp_path)), "kinds": ["presence"], "before_seconds": 1,
            "after_seconds": 1,
        },
    }  # fmt: skip
    overrides = [part for name, value in _flat(settings) for part in ("--set", f"{name}={value}")]
    command = [*sealed(state), sys.executable, "-m", "edged", "run", *overrides]
    with stage.log_file.open("ab") as log:
        stage.daemon = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)
    stage.until(lambda: stage.last("event/presence"), 60)
    stage.ask("pause")
    stage.until(lambda: stage.status() == "paused")
    stage.ask("resume")
    stage.until(lambda: stage.last("health")["status"] in ("ok", "degraded"), 30)
    stage.until(lambda: list(state.glob("evidence/front/*.evidence")), 30)
    health = stage.last("health")
    assert [reason for reason in health["reasons"] if "kept" in reason or "written" in reason] == []
    assert "Read-only file system" not in stage.log()
    assert "rror" not in stage.log()
    names = {path.name for path in state.iterdir()}
    assert {"front.db", "front.history.db", "front.kept.json", "audit.jsonl", "evidence"} <= names


def _flat(settings: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)))
    return found
