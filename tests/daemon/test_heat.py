"""A board gets hot and cools again under a real daemon: fewer frames are captured, health says so, and all come back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.daemon.conftest import ROOT, Theatre
from tests.daemon.test_board import put


def heat(root: Path, celsius: float) -> None:
    # Renamed into its place: the daemon must not read half a file.
    put(root / "new", str(int(celsius * 1000)))
    zone = root / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True, exist_ok=True)
    (root / "new").rename(zone)


def test_capture_slows_down_on_a_hot_board_and_comes_back(stage: Theatre, tmp_path: Path) -> None:
    root = tmp_path / "board"
    root.mkdir()
    heat(root, 50)
    source = {"source": "sitter:", "width": 160, "height": 120, "frames_per_second": 15}
    stage.configure(capture=source, cooling={"least_frames_per_second": 3})
    with stage.log_file.open("ab") as log:
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tests.daemon.board_daemon",
            str(stage.settings_file),
            str(root),
        ]
        stage.daemon = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)
    health = stage.wait_for("ok")
    assert (health["temperature_celsius"], health["frames_per_second_limit"]) == (50.0, None)
    heat(root, 81)
    stage.until(lambda: stage.last("health")["frames_per_second_limit"] == 3.0)
    health = stage.wait_for("degraded")
    assert any("nearly too hot" in reason and "cool it" in reason for reason in health["reasons"])
    # The frames of the last ten seconds are counted: those from before must have passed.
    stage.until(lambda: 0 < stage.last("health")["capture_frames_per_second"] < 4.5, 30)
    heat(root, 50)
    stage.until(lambda: stage.last("health")["frames_per_second_limit"] is None)
    stage.until(lambda: stage.last("health")["capture_frames_per_second"] > 8, 30)
    assert stage.status() == "ok"
    assert "the board has cooled" in stage.log()
