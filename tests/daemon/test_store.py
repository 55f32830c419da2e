"""What the daemon keeps: events over its own death, one daemon per camera, and a disk that does not play along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon.conftest import ROOT, Theatre

STATE = "EDGED_STATE_DIR"


def presence(theatre: Theatre) -> list[tuple[str, str]]:
    """Change and id of the presence events, doubles dropped."""
    return list(dict.fromkeys((event["change"], event["id"]) for event in theatre.all("event/presence")))


def waiting(theatre: Theatre) -> int:
    """Events in the daemon's database, as anybody may count them."""
    database = Path(os.environ[STATE]) / "front.db"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from pathlib import Path; from edged.store.database import inspect; print(inspect(Path({str(database)!r}))[0])",
        ],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return int(done.stdout)


def test_what_happened_while_the_broker_was_away_survives_the_death_of_the_daemon(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    theatre.pull("faces", "1")
    theatre.until(lambda: [change for change, _ in presence(theatre)] == ["arrived"])
    theatre.broker.kill()
    before = waiting(theatre)
    theatre.pull("faces", "0")
    theatre.until(lambda: waiting(theatre) > before)
    theatre.daemon.send_signal(signal.SIGKILL)
    theatre.daemon.wait()
    theatre.broker.start()
    theatre.until(theatre.listening)
    theatre.start()
    theatre.until(lambda: [change for change, _ in presence(theatre)] == ["arrived", "left"])
    theatre.pull("faces", "1")
    theatre.until(lambda: [change for change, _ in presence(theatre)] == ["arrived", "left", "arrived"])
    ended = [event for event in theatre.all("event/presence") if event["change"] == "left"]
    assert ended[0]["at"] < theatre.all("event/presence")[-1]["at"]
    health = theatre.until(
        lambda: (found := theatre.last("health")) and found["waiting_events"] == 0 and found["status"] == "ok" and found
    )
    assert (health["lost_events"], health["oldest_event_seconds"]) == (0, None)


def test_a_second_daemon_of_the_camera_ends_and_names_the_first(theatre: Theatre) -> None:
    assert theatre.daemon is not None
    second = subprocess.run(
        [sys.executable, "-m", "tests.daemon.puppet_daemon", str(theatre.settings_file)],
        cwd=ROOT, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert second.returncode != 0
    assert f"another edged already runs as 'front': process {theatre.daemon.pid} holds" in second.stderr
    theatre.hear(0.5)
    assert theatre.daemon.poll() is None
    assert theatre.status() == "ok"


def test_without_a_disk_it_runs_in_memory_and_says_so(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE, "/proc/edged")
    stage.start()
    health = stage.wait_for("degraded")
    assert any("/proc/edged cannot be made" in reason for reason in health["reasons"])
    stage.pull("faces", "1")
    stage.until(lambda: [change for change, _ in presence(stage)] == ["arrived"])


def test_a_damaged_database_is_set_aside_and_told(stage: Theatre) -> None:
    folder = Path(os.environ[STATE])
    (folder / "front.db").write_bytes(b"rubbish" * 5000)
    stage.start()
    health = stage.wait_for("degraded")
    (aside,) = folder.glob("front.db.corrupt-*")
    assert any(str(aside) in reason for reason in health["reasons"])
    assert aside.read_bytes() == b"rubbish" * 5000
    stage.pull("faces", "1")
    stage.until(lambda: [change for change, _ in presence(stage)] == ["arrived"])


def test_health_tells_how_many_events_wait_and_for_how_long(theatre: Theatre) -> None:
    theatre.pull("faces", "1")
    theatre.until(lambda: [change for change, _ in presence(theatre)] == ["arrived"])
    theatre.until(lambda: waiting(theatre) == 0)  # what was acknowledged is deleted a little later
    theatre.broker.freeze()
    theatre.pull("faces", "0")
    theatre.until(lambda: waiting(theatre) > 0)
    time.sleep(1.0)
    theatre.broker.thaw()
    theatre.until(lambda: [change for change, _ in presence(theatre)] == ["arrived", "left"])
    # The states that waited behind the freeze tell of it, and the next ones that it is over.
    theatre.until(lambda: theatre.last("health")["waiting_events"] == 0)
    assert any(health["waiting_events"] > 0 for health in theatre.all("health"))
