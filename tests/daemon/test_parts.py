"""The daemon's small parts: figures, stream time, the board, the log, systemd."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.daemon import board
from edged.daemon.vitals import WINDOW_SECONDS, StreamClock, Vitals
from edged.observations import Observation
from edged.processes import costs
from edged.systemd_notify import SystemdNotifier
from tests.daemon.conftest import ROOT


def seen(sequence: int) -> Observation:
    return Observation(0, sequence, 0.0, 0, 0, 64, 64, stage_ms={"detection": float(sequence)})


def test_rates_latencies_and_drops() -> None:
    vitals = Vitals(0.0)
    for number in range(1, 41):
        now = number / 10
        vitals.captured(now, 3 * number)
        vitals.observed(now, seen(2 * number), latency_ms=float(number))
    assert vitals.frames_per_second(4.0) == pytest.approx(10)
    assert vitals.capture_frames_per_second(4.0) == pytest.approx(30)
    assert vitals.latency_ms(4.0) == {"p50": 20.0, "p95": 38.0}
    assert vitals.stage_ms(4.0) == {"detection": 41.0}
    assert vitals.dropped_frames == 39
    assert vitals.frames_per_second(4.0 + WINDOW_SECONDS + 1) == 0
    assert vitals.latency_ms(4.0 + WINDOW_SECONDS + 1) == {}


def test_a_slot_that_begins_anew_drops_nothing() -> None:
    vitals = Vitals(0.0)
    vitals.observed(0.1, seen(100), 1.0)
    vitals.observed(0.2, seen(1), 1.0)
    assert vitals.dropped_frames == 0


def test_stream_time_is_the_sources_own_until_that_goes_back() -> None:
    clock = StreamClock()
    assert clock.observed(500.0, 1_000_000_000) == 500.0
    assert clock.observed(533.0, 1_033_000_000) == 533.0
    # The process was replaced and the file begins anew, two seconds later.
    assert clock.observed(0.0, 3_033_000_000) == pytest.approx(2533.0)
    assert clock.observed(33.0, 3_066_000_000) == pytest.approx(2566.0)


def test_stream_time_goes_on_while_nothing_comes() -> None:
    clock = StreamClock()
    clock.observed(500.0, 1_000_000_000)
    assert clock.begun
    assert clock.elapsed(1_600_000_000) == pytest.approx(1100.0)
    assert clock.observed(1090.0, 1_590_000_000) == pytest.approx(1100.0)  # it was on its way: no step back
    assert clock.observed(1190.0, 1_690_000_000) == pytest.approx(1190.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e5), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_stream_time_never_runs_backwards(steps: list[tuple[bool, float, int]]) -> None:
    clock = StreamClock()
    now_ns = 10**12
    last = None
    for is_observation, at_ms, passed_ns in steps:
        now_ns += passed_ns
        if not is_observation and not clock.begun:
            continue
        told = clock.observed(at_ms, now_ns) if is_observation else clock.elapsed(now_ns)
        assert last is None or told >= last
        last = told


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_temperature_is_the_hottest_zone_that_makes_sense(tmp_path: Path) -> None:
    assert board.temperature_celsius(tmp_path) is None
    for zone, text in enumerate(["48312\n", "61250\n", "0\n", "-274000\n", "nonsense\n"]):
        put(tmp_path / f"sys/class/thermal/thermal_zone{zone}/temp", text)
    assert board.temperature_celsius(tmp_path) == 61.25


def test_costs_of_this_very_process() -> None:
    assert 1_000_000 < (costs.pss_bytes(os.getpid()) or 0) < 4_000_000_000
    assert (costs.cpu_seconds(os.getpid()) or 0) > 0
    assert costs.pss_bytes(2**22 + 1) is None
    assert costs.cpu_seconds(2**22 + 1) is None


# A stand-in for systemd-python that speaks the real protocol (sd_notify(3)): datagrams to NOTIFY_SOCKET.
SYSTEMD_PYTHON = """
import os, socket
def notify(state, *args):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(state.encode(), os.environ["NOTIFY_SOCKET"])
    return True
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """The service manager's end of the notification socket, and the environment of a service."""
    put(tmp_path / "library/systemd/daemon.py", SYSTEMD_PYTHON)
    put(tmp_path / "library/systemd/__init__.py", "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        path = os.pathsep.join((str(tmp_path / "library"), str(ROOT)))
        yield listener, {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "PYTHONPATH": path}


def test_systemd_hears_ready_progress_and_stopping(
    tmp_path: Path, manager: tuple[socket.socket, dict[str, str]]
) -> None:
    listener, environment = manager
    strings = tmp_path / "strings"
    strings.mkdir()
    settings = {"capture": {"source": str(strings), "width": 64, "height": 64}, "mqtt": {"port": 1}}
    put(tmp_path / "settings.json", json.dumps(settings))
    daemon = subprocess.Popen(
        [sys.executable, "-m", "tests.daemon.puppet_daemon", str(tmp_path / "settings.json")],
        cwd=ROOT, env=environment, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        heard: list[str] = []
        while "WATCHDOG=1" not in heard or not any(" fps, " in state for state in heard):
            heard.append(listener.recv(4096).decode())
        assert "READY=1" in heard
        assert any("no broker (" in state for state in heard)
        daemon.terminate()
        while heard[-1] != "STOPPING=1":
            heard.append(listener.recv(4096).decode())
        assert daemon.wait(10) == 0
    finally:
        daemon.kill()
        daemon.wait()


def test_without_progress_the_watchdog_goes_hungry(
    tmp_path: Path, manager: tuple[socket.socket, dict[str, str]]
) -> None:
    """Capture works, inference lives and turns, but no observation comes."""
    listener, environment = manager
    strings = tmp_path / "strings"
    strings.mkdir()
    put(strings / "inference", "idles")
    settings = {"capture": {"source": str(strings), "width": 64, "height": 64}, "mqtt": {"port": 1}}
    put(tmp_path / "settings.json", json.dumps(settings))
    daemon = subprocess.Popen(
        [sys.executable, "-m", "tests.daemon.puppet_daemon", str(tmp_path / "settings.json")],
        cwd=ROOT, env=environment, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        state = ""
        while not state.startswith("STATUS=front: stalled") and "the first frame" not in state:
            state = listener.recv(4096).decode()
        deadline = time.monotonic() + 1.5
        listener.settimeout(0.1)
        while time.monotonic() < deadline:
            try:
                assert listener.recv(4096).decode() != "WATCHDOG=1"
            except TimeoutError:
                continue
    finally:
        daemon.kill()
        daemon.wait()


def test_with_the_library_a_systemd_that_does_not_listen_is_no_reason_to_end(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    listener, environment = manager
    listener.close()
    code = (
        "from edged.systemd_notify import SystemdNotifier\nimport systemd.daemon\n"
        "SystemdNotifier().progress(); SystemdNotifier().status('\\udcff is lost')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("abstract", [False, True])
def test_without_the_library_systemd_hears_us_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"edged-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    monkeypatch.setitem(sys.modules, "systemd.daemon", None)
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}" if abstract else name)
        listener.settimeout(5)
        notifier = SystemdNotifier()
        notifier.ready()
        notifier.status("ok\n2 people")
        assert [listener.recv(100), listener.recv(100)] == [b"READY=1", b"STATUS=ok 2 people"]
    notifier.progress()  # nobody listens any more: no reason to end
    monkeypatch.delenv("NOTIFY_SOCKET")
    SystemdNotifier().ready()
