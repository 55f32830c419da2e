"""How far each unit is walled in, and that the walls are those of what runs in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
UNITS = REPOSITORY / "systemd"
KINDS = ("typing", "lock_screen", "twilio")


def said(*files: Path) -> list[str]:
    """The `Key=value` lines, in order."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return [line for line in text.splitlines() if re.match(r"[A-Z]\w+=", line)]


def kind(name: str) -> Path:
    return UNITS / f"edged-actuator@{name}.service.d" / "kind.conf"


def test_no_unit_is_wrong_or_more_exposed_than_it_may_be() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here (package systemd)")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "unit-figures")],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for name in ("edged@front", *(f"edged-actuator@{each}" for each in KINDS)):
        assert f"{name}.service" in done.stdout


def test_a_unit_that_opens_its_walls_is_found(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here (package systemd)")
    shutil.copytree(UNITS, tmp_path / "systemd")
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(REPOSITORY / "scripts" / "unit-figures", tmp_path / "scripts")
    unit = tmp_path / "systemd" / "edged@.service"
    open_wide = re.sub(r"(?m)^(Protect|Private|Restrict|SystemCall|Capab|NoNew|Device).*\n", "", unit.read_text())
    unit.write_text(open_wide, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=240)
    if "too old" in done.stdout:
        pytest.skip("this systemd cannot tell exposure offline")
    assert done.returncode == 1
    assert "too exposed" in done.stdout


@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.service")), ids=lambda unit: str(unit.name))
def test_every_unit_comes_back_for_ever_and_goes_with_the_target(unit: Path) -> None:
    lines = said(unit)
    assert {"StartLimitIntervalSec=0", "Restart=always", "PartOf=edged.target"} <= set(lines)
    # All of them have pictures, keys or texts in their memory.
    assert "LimitCORE=0" in lines
    assert "WantedBy=multi-user.target edged.target" in lines
    assert not [line for line in lines if "network-online" in line]
    assert {"MemoryHigh", "MemoryMax", "TasksMax", "CPUWeight", "CPUQuota"} <= {
        line.partition("=")[0] for line in lines
    }


def test_each_kind_opens_what_it_needs_and_nothing_else() -> None:
    assert {line.partition("=")[0] for line in said(kind("typing"))} == {"PrivateDevices", "DeviceAllow"}
    assert said(kind("twilio")) == ["IPAddressDeny=", "IPAddressAllow="]
    assert said(kind("lock_screen")) == ["InaccessiblePaths=", "InaccessiblePaths=-/run/user"]
    base = said(UNITS / "edged-actuator@.service")
    assert {"PrivateDevices=yes", "IPAddressDeny=any", "InaccessiblePaths=-/run/dbus -/run/user"} <= set(base)
    assert not [line for line in base if line.startswith("DeviceAllow=")]


def test_no_unit_says_what_an_older_systemd_does_not_know() -> None:
    """Of those, edged.generator writes drop-ins where they are known."""
    for unit in UNITS.glob("*.service"):
        assert not [
            line for line in said(unit) if line.startswith(("RestartSteps", "RestartMaxDelay", "ImportCredential"))
        ]


def test_there_is_a_drop_in_for_every_kind_of_actuator() -> None:
    from edged.actuators.table import KINDS as KNOWN

    assert sorted(KNOWN) == sorted(KINDS)
    assert all(kind(name).is_file() for name in KNOWN)
    generator = UNITS / "edged.generator"
    assert os.access(generator, os.X_OK)
    for name in KNOWN:
        assert name in generator.read_text(encoding="utf-8")
