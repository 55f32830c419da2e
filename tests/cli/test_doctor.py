"""`edged doctor`: each line ok, or the problem and its cure."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.configuration.loading import load
from edged.doctor import examination
from edged.doctor.examination import Finding, examine
from edged.settings import Settings
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox
from tests.brokers import broker_here
from tests.bus.outbox_suite import outgoing
from tests.cli.edged_command import edged


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of these tests have no broker and need not wait for one."""
    monkeypatch.setattr("edged.doctor.examination.BROKER_SECONDS", 0.3)


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    with broker_here() as running:
        yield running


def findings(settings: Settings, root: Path = Path("/")) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(settings, root)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_machine_where_all_is_well(broker: PrivateBroker, models_directory: Path) -> None:
    settings = {"mqtt.host": broker.host, "mqtt.port": str(broker.port)}
    arguments = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    done = edged("doctor", "--source", "sitter:", "--json", *arguments)
    found = {one["name"]: one for one in json.loads(done.stdout)}
    ours = ("python", "frame memory", "shared memory", "camera", "models", "runtime", "broker", "disk", "state")
    assert {name: found[name]["what"] for name in ours if not found[name]["ok"]} == {}
    assert "a picture of 640×480" in found["camera"]["what"]
    assert "runs in" in found["runtime"]["what"]
    assert "temperature" in found
    assert "throttling" in found
    assert done.returncode == (0 if all(one["ok"] for one in found.values()) else 1)
    assert done.stderr == ""


def test_every_problem_has_a_cure_and_the_status_is_1(tmp_path: Path) -> None:
    done = edged(
        "doctor",
        *("--source", "/dev/video97", "--set", f"mqtt.port={free_port()}", "--set", f"models.directory={tmp_path}"),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    problems = [line.split()[1] for line in lines if line.startswith("problem")]
    assert {"camera", "models", "broker"} <= set(problems)
    for number, line in enumerate(lines):
        if line.startswith("problem"):
            assert lines[number + 1].startswith("        cure ")
    assert "edged models pull" in done.stdout


def test_a_password_in_the_cameras_address_is_not_repeated() -> None:
    settings = load(
        None, {"capture.source": f"rtsp://user:geheim@127.0.0.1:{free_port()}/1", "mqtt.port": free_port()}, {}
    )
    found = findings(settings)["camera"]
    assert not found.ok
    assert "geheim" not in found.what + found.cure


def test_a_camera_driver_that_crashes_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr("edged.doctor.examination.sys.executable", str(crashing))
    found = findings(load(None, {"mqtt.port": free_port()}, {}))["camera"]
    assert found.what == "crashed with SIGSEGV"


def test_a_closed_device_names_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dev/shm").mkdir(parents=True)
    (tmp_path / "dev/video0").touch(mode=0o000)
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for anybody but root, who may run this
    settings = load(None, {"capture.source": "sitter:", "mqtt.port": free_port()}, {})
    found = findings(settings, tmp_path)["permissions"]
    assert not found.ok
    assert "may not open" in found.what
    assert found.cure.startswith("sudo ")


def test_heat_and_throttling_are_problems(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("85000\n")
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("5\n")
    (tmp_path / "dev/shm").mkdir(parents=True)
    found = findings(load(None, {"capture.source": "sitter:", "mqtt.port": free_port()}, {}), tmp_path)
    assert found["temperature"].what == "85 °C, above 80 °C"
    assert found["throttling"].what == "under-voltage, throttled"
    assert found["throttling"].cure == "use a better power supply, and a short, thick cable"


def test_the_state_directory_is_looked_at_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    settings = load(None, {"capture.source": "sitter:", "store.directory": str(folder)}, {})
    found = findings_of_state(settings)
    assert found.ok
    assert found.what == f"{folder} (made by the first run), 0 events waiting for the broker"
    assert not folder.exists()
    folder.mkdir()
    outbox = SqliteOutbox(Database(folder / "front.db"))
    for number in range(3):
        outbox.add(outgoing(number))
    assert findings_of_state(settings).what == f"{folder}, 3 events waiting for the broker"  # beside a daemon at work
    outbox.close()
    assert findings_of_state(settings).what == f"{folder}, 3 events waiting for the broker"
    assert sorted(path.name for path in folder.iterdir()) == ["front.db"]


def test_a_damaged_or_newer_database_and_little_room_are_problems(tmp_path: Path) -> None:
    settings = load(None, {"capture.source": "sitter:", "store.directory": str(tmp_path)}, {})
    file = tmp_path / "front.db"
    database = Database(file)
    database.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('edged', '9999', '')")
    database.close()
    found = findings_of_state(settings)
    assert (found.ok, found.cure) == (False, "install the newest edged again")
    file.write_bytes(b"nonsense" * 1000)
    found = findings_of_state(settings)
    assert not found.ok
    assert "not a database" in found.what
    assert file.read_bytes() == b"nonsense" * 1000
    huge = load(None, {"store.directory": str(tmp_path / "other"), "store.limit_megabytes": 10_000}, {})
    if shutil.disk_usage(tmp_path).free < 2 * 10_000 * 1_000_000:
        assert "store.limit_megabytes" in findings_of_state(huge).cure


def test_a_state_directory_that_cannot_be_written_has_a_cure(tmp_path: Path) -> None:
    settings = load(None, {"capture.source": "sitter:", "store.directory": "/proc/edged"}, {})
    found = findings_of_state(settings)
    assert not found.ok
    assert "store.directory" in found.cure


def findings_of_state(settings: Settings) -> Finding:
    [found] = examination._state(settings)
    return found


def test_a_system_that_forgets_is_a_problem(tmp_path: Path) -> None:
    table = tmp_path / "proc/self/mountinfo"
    table.parent.mkdir(parents=True)
    table.write_text("21 1 0:26 / / rw - tmpfs tmpfs rw\n", encoding="utf-8")
    found = findings(Settings(), tmp_path)["lasting"]
    assert not found.ok
    assert "lost at the next reboot" in found.what
    assert "store.directory" in found.cure


@pytest.mark.parametrize(
    ("controllers", "words"), [("cpuset cpu io memory pids\n", "are kept"), ("cpuset cpu pids\n", "cgroup_enable")]
)
def test_memory_limits_that_the_kernel_does_not_keep_are_told(controllers: str, words: str, tmp_path: Path) -> None:
    booted = tmp_path / "run/systemd/system"
    booted.mkdir(parents=True)
    assert list(examination._memory(tmp_path)) == []
    told = tmp_path / "sys/fs/cgroup/cgroup.controllers"
    told.parent.mkdir(parents=True)
    told.write_text(controllers, encoding="ascii")
    [found] = examination._memory(tmp_path)
    assert found.ok
    assert words in found.what
    booted.rmdir()
    assert list(examination._memory(tmp_path)) == []
