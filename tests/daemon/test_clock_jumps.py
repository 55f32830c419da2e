"""A real daemon and its children on a board whose clock jumps: by decades when the network comes up, by a day either way.

libfaketime gives all of these processes another clock on the wall, which follows a file; CLOCK_MONOTONIC stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edged.events import iso_utc
from edged.store.history import History, Question, ask
from tests.daemon.conftest import ROOT, Theatre
from tests.evidence.making import an_id

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
DAY = 86400


class Jumping:
    """A daemon whose clock is off by what a file says."""

    def __init__(self, stage: Theatre, folder: Path, state: Path) -> None:
        self.stage = stage
        self.offset = folder / "offset"
        stage.configure(
            store={"directory": str(state)}, history={"enabled": True, "batch_seconds": 0.1, "keep_days": 30},
            capture={"source": str(stage.strings), "width": 64, "height": 64},
        )  # fmt: skip

    def set(self, days: float) -> None:
        """By so many days: all at once, so that nobody reads half a number."""
        partial = self.offset.with_suffix(".new")
        partial.write_text(f"{days * DAY:+.0f}\n", encoding="ascii")
        partial.rename(self.offset)

    def start(self) -> None:
        environment = {
            **os.environ, "LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        with self.stage.log_file.open("ab") as log:
            command = [sys.executable, "-m", "tests.daemon.puppet_daemon", str(self.stage.settings_file)]
            self.stage.daemon = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log, stdout=log)

    def somebody(self, people: int) -> dict[str, Any]:
        """They come or go, and the event of it is heard."""
        before = len(self.stage.all("event/presence"))
        self.stage.pull("faces", str(people))
        self.stage.until(lambda: len(self.stage.all("event/presence")) > before)
        event: dict[str, Any] = self.stage.all("event/presence")[-1]
        return event


@pytest.fixture
def jumping(stage: Theatre, tmp_path: Path) -> Jumping:
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed (sudo apt-get install faketime)")
    state = tmp_path / "state"
    state.mkdir()
    made = Jumping(stage, tmp_path, state)
    made.set(0)
    return made


def year(event: dict[str, Any]) -> int:
    return int(event["at"][:4])


def test_jumps_reorder_nothing_and_fire_no_timeout(jumping: Jumping) -> None:
    stage = jumping.stage
    jumping.set(-19_700)  # the 1970s, as without a battery
    jumping.start()
    stage.wait_for("ok")
    children = stage.children()
    began = len(stage.heard)
    events = [jumping.somebody(1)]
    for days, people in ((0, 0), (1, 1), (-1, 0), (3650, 1), (0, 0)):
        jumping.set(days)
        time.sleep(1.0)  # longer than a daemon looks away, and than it takes a camera to be called frozen wrongly
        events.append(jumping.somebody(people))
    assert year(events[0]) < 1980
    assert year(events[1]) >= 2025
    told = [payload for topic, payload in stage.heard[began:] if topic.startswith("event/")]
    assert [event["seq"] for event in told] == sorted(event["seq"] for event in told)
    assert len({event["id"] for event in told}) == len(told)
    assert [event["change"] for event in events] == ["arrived", "left"] * 3
    assert stage.children() == children
    health = [payload for topic, payload in stage.heard[began:] if topic == "health"]
    assert {each["status"] for each in health} == {"ok"}
    assert set(stage.last("health")["restarts"].values()) == {0}
    assert all(0 <= each["latency_ms"]["p95"] < 10_000 for each in health)


def test_events_that_wait_while_the_clock_jumps_arrive_in_the_order_in_which_they_happened(
    jumping: Jumping, tmp_path: Path
) -> None:
    stage = jumping.stage
    jumping.set(-19_700)
    jumping.start()
    stage.wait_for("ok")
    stage.broker.kill()
    for number, days in enumerate((-19_700, 0, 1, -1, 0), 1):
        jumping.set(days)
        stage.pull("faces", str(number % 2))
        stage.until(lambda number=number: kinds(tmp_path).count("presence") == number)  # type: ignore[misc]
    stage.bring_the_broker_back()
    stage.until(lambda: len(stage.all("event/presence")) >= 5, 40)
    events = stage.all("event/presence")
    assert [event["change"] for event in events] == ["arrived", "left", "arrived", "left", "arrived"]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    stage.until(lambda: stage.last("health")["waiting_events"] == 0)
    assert stage.last("health")["lost_events"] == 0


def test_a_daemon_that_begins_years_ahead_keeps_the_past(jumping: Jumping, tmp_path: Path) -> None:
    past = History(tmp_path / "state", "front", keep_seconds=30 * DAY, limit_bytes=10**9)
    past.add([{"id": an_id(), "at": iso_utc(time.time_ns()), "kind": "blink"}])
    past.close()
    jumping.set(3650)
    jumping.start()
    jumping.stage.wait_for("ok")
    event = jumping.somebody(1)
    # What prunes runs once at the start, before anything is added.
    jumping.stage.until(lambda: "presence" in kinds(tmp_path))
    assert "blink" in kinds(tmp_path)
    assert year(event) >= 2034


def kinds(folder: Path) -> list[str]:
    """Of all that is in the past."""
    return [each["kind"] for each in ask(folder / "state", Question())]
