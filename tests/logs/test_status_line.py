"""One line that says what is going on."""

from __future__ import annotations

import pytest

from edged.events import HealthStatus
from edged.jobs import ActuatorHealth, ActuatorStatus
from edged.status_line import actuator_status, camera_status


def camera(status: HealthStatus = "ok", *reasons: str, people: int = 1, problem: str = "", waiting: int = 0) -> str:
    return camera_status(
        "front", status, reasons, frames_per_second=14.84, people=people, broker_problem=problem, waiting_events=waiting
    )


def test_all_is_well() -> None:
    assert camera() == "front: 14.8 fps, 1 person, broker connected"


@pytest.mark.parametrize(("people", "words"), [(0, "nobody"), (2, "2 people")])
def test_people_are_counted(people: int, words: str) -> None:
    assert camera(people=people) == f"front: 14.8 fps, {words}, broker connected"


def test_without_a_broker_one_sees_why_and_what_waits() -> None:
    assert camera(problem="Connection refused", waiting=3) == (
        "front: 14.8 fps, 1 person, no broker (Connection refused), 3 events waiting"
    )
    assert camera(problem="x", waiting=1).endswith("no broker (x), 1 event waiting")
    assert camera(problem="x").endswith("no broker (x)")
    # Events on their way are nobody's worry.
    assert camera(waiting=3) == camera()


def test_where_nothing_is_seen_there_is_no_rate() -> None:
    assert camera("no_camera", "/dev/video0 is gone") == "front: no camera, broker connected; /dev/video0 is gone"
    assert camera("paused", "by command") == "front: paused, broker connected; by command"


def test_what_is_wrong_follows_within_limits() -> None:
    line = camera("degraded", "one", "two", "three", "four")
    assert line == "front: degraded, 14.8 fps, 1 person, broker connected; one; two; and 2 more"


def actuator(
    status: ActuatorStatus = "ok", *reasons: str, waiting: int = 0, job: str | None = None, dry_run: bool = False,
    problem: str = "", messages: int = 0,
) -> str:  # fmt: skip
    health = ActuatorHealth(
        status=status, reasons=list(reasons), at="", actuator="typing", kind="typing", actions=[], stopped_since=None,
        dry_run=dry_run, waiting_jobs=waiting, current_job=job, jobs={}, refused={}, last_error="",
        clock_offset_seconds=None, waiting_messages=messages, version="1",
    )  # fmt: skip
    return actuator_status(health, problem)


def test_an_actuator_says_what_it_is_at() -> None:
    assert actuator() == "typing: ready, broker connected"
    assert actuator(waiting=3, job="7") == "typing: at work, 2 jobs waiting, broker connected"
    assert actuator(waiting=1, job="7") == "typing: at work, broker connected"
    assert actuator(dry_run=True) == "typing: ready, dry run, broker connected"
    assert actuator("stopped", "emergency stop since noon") == (
        "typing: stopped, broker connected; emergency stop since noon"
    )
    assert actuator("degraded", "no keyboard", problem="timed out", messages=2) == (
        "typing: ready, degraded, no broker (timed out), 2 messages waiting; no keyboard"
    )
