"""`edged demo` as a person or a script runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "edged", "demo"]


def run(*options: str, timeout_seconds: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options],
        capture_output=True, text=True, check=False, timeout=timeout_seconds, env={**os.environ, **environment},
    )  # fmt: skip


def daemons() -> set[str]:
    """Process ids of demo daemons and their children, ours or another's on this machine."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes().startswith(b"edged[sitter]"):
                found.add(file.parent.name)
    return found


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Every process the test made is gone soon after it."""
    before = daemons()
    yield
    deadline = time.monotonic() + 5
    while ours := daemons() - before:
        # A demo of somebody else may run beside us; one of ours would be without its parent by now.
        if not any(_orphan(pid) for pid in ours):
            return
        assert time.monotonic() < deadline, ours
        time.sleep(0.1)


def _orphan(pid: str) -> bool:
    try:
        parent = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
        return parent == "1" or not Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_everything_the_sitter_does_is_told_and_nothing_else(models_directory: Path, nothing_left: None) -> None:
    done = run("--seconds", "31", "--json")
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["truth"]["missed"] == 0, report
    assert report["truth"]["false"] == 0, report
    assert report["truth"]["matched"] >= 20, report
    assert done.returncode == 0
    assert set(report["events"]) >= {"blink", "gaze", "presence", "dwell"}
    assert report["restarts"] == 0
    assert report["latency_ms"]["capture_to_subscriber"]["p95"] is not None
    assert {"motion", "landmarks", "iris"} <= set(report["latency_ms"]["stages"])


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_it_is_ended_nothing_goes_on(
    number: signal.Signals, models_directory: Path, nothing_left: None
) -> None:
    demo = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    with demo:
        assert demo.stdout.readline()  # it hears the daemon
        demo.send_signal(number)
        rest = demo.stdout.read()
        assert demo.wait(20) == (-number if number == signal.SIGKILL else 0)
    assert number == signal.SIGKILL or "of what the sitter did" in rest


@pytest.mark.timeout(90)
def test_without_a_broker_the_events_are_printed_all_the_same(
    tmp_path: Path, models_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide = tmp_path / "sitecustomize.py"
    hide.write_text("import edged.bus.private_broker as b\nb._MORE_PATHS = ()\n", encoding="utf-8")
    done = run("--seconds", "5", PATH=str(tmp_path), PYTHONPATH=f"{tmp_path}:{Path.cwd()}")
    assert "apt-get install mosquitto" in done.stderr
    assert "somebody arrived" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(90)
def test_ctrl_c_ends_it_in_good_order(models_directory: Path, nothing_left: None) -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline(), "the first event"
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=20)
    assert "Traceback" not in err
    assert "frames at" in out


def test_a_wrong_setting_is_one_clear_sentence() -> None:
    done = run("--seconds", "2", "--set", "capture.frames_per_secnd=30")
    assert done.returncode == 2
    assert "capture.frames_per_second" in done.stderr
    assert "Traceback" not in done.stderr
