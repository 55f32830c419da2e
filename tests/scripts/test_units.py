"""The systemd unit: what systemd itself says of it, and what it must not lose."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
UNIT = REPOSITORY / "systemd" / "edged@.service"


def lines(section: str) -> list[str]:
    """`Key=value` lines of a section of the unit."""
    text = UNIT.read_text(encoding="utf-8")
    body = text.split(f"[{section}]\n")[1].split("\n[")[0]
    return [line for line in body.splitlines() if re.match(r"[A-Z][A-Za-z]+=", line)]


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here (package systemd)")
    # The program is not installed here; any other will do for the rest.
    unit = tmp_path / "edged@front.service"
    unit.write_text(re.sub(r"(?m)^(Exec\w*=)\S+", r"\1/bin/true", UNIT.read_text(encoding="utf-8")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_comes_back_for_ever_and_is_fed_by_the_daemon() -> None:
    assert "StartLimitIntervalSec=0" in lines("Unit")
    service = lines("Service")
    assert "Type=notify" in service
    assert "Restart=always" in service
    assert any(line.startswith("WatchdogSec=") for line in service)
    assert any(line.startswith("NotifyAccess=") for line in service)


def test_an_instance_is_a_camera_with_its_own_file() -> None:
    (start,) = [line for line in lines("Service") if line.startswith("ExecStart=")]
    assert start.endswith("edged run --config /etc/edged/%i.toml")
    assert "Environment=EDGED_CAMERA=%i" in lines("Service")
