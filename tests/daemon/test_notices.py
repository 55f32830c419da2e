"""The messages that matter carry their numbers, and what they are about: of a real daemon at a real broker."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from edged import notices
from tests.daemon.conftest import Theatre

RULES = {"nobody": {"after_seconds": 0.2}, "right_user": {"after_seconds": 0.2}, "phone": {"after_seconds": 0.2}}


def told(theatre: Theatre, notice: notices.Notice) -> list[dict[str, Any]]:
    """The lines of the log that carry this notice."""
    # The last line may be half written.
    lines = [json.loads(line) for line in theatre.log().splitlines() if line.startswith("{") and line.endswith("}")]
    found = [line for line in lines if line.get("notice") == notice.name]
    assert all(line["message_id"] == notice.id for line in found)
    return found


def test_what_happens_to_a_daemon_is_told_with_its_number(stage: Theatre) -> None:
    stage.configure(log={"format": "json"})
    stage.start()
    stage.wait_for("ok")
    assert [line["process"] for line in told(stage, notices.STARTED)] == ["daemon"]
    assert told(stage, notices.BROKER_BACK)[0]["level"] == "info"

    stage.pull("camera", "the cable is out")
    stage.wait_for("no_camera")
    changed = stage.until(
        lambda: [line for line in told(stage, notices.HEALTH_CHANGED) if "no_camera" in line["message"]]
    )
    assert changed[-1]["level"] == "warning"
    assert "the cable is out" in changed[-1]["message"]
    stage.pull("camera", "streaming")
    stage.wait_for("ok")

    os.kill(stage.children()["inference"], signal.SIGSTOP)
    (hung,) = stage.until(lambda: told(stage, notices.CHILD_HUNG))
    assert (hung["stage"], hung["process"], hung["level"]) == ("inference", "daemon", "warning")
    (replaced,) = stage.until(lambda: told(stage, notices.CHILD_REPLACED))
    assert replaced["stage"] == "inference"
    stage.wait_for("ok")

    stage.publish("config/set", {"judgement": {"gaze": {"dwell_seconds": 2.5}}}, retain=True)
    (applied,) = stage.until(lambda: told(stage, notices.SETTINGS_APPLIED))
    assert "judgement.gaze.dwell_seconds" in applied["message"]
    stage.publish("config/set", {"judgement": {"gaze": {"dwell_seconds": "long"}}}, retain=True)
    (refused,) = stage.until(lambda: told(stage, notices.SETTINGS_REFUSED))
    assert refused["level"] == "warning"

    stage.ask("restart")
    (again,) = stage.until(lambda: told(stage, notices.RESTARTING))
    assert again["camera"] == "front"


def test_without_a_broker_the_log_says_so_and_says_when_it_is_back(stage: Theatre) -> None:
    stage.configure(log={"format": "json"})
    stage.start()
    stage.wait_for("ok")
    stage.broker.kill()
    (lost,) = stage.until(lambda: told(stage, notices.BROKER_LOST))
    assert lost["level"] == "warning"
    stage.broker.start()
    stage.until(lambda: len(told(stage, notices.BROKER_BACK)) == 2)


def test_a_verdict_over_the_seat_names_its_event_and_nobody(stage: Theatre) -> None:
    stage.configure(
        judgement={
            "presence": {"arrive_seconds": 0.1, "leave_seconds": 0.2},
            "security": {"enabled": True, "grace_seconds": 0, **RULES},
        },
        inference={"recognition": {"enabled": True}, "liveness": {"enabled": True}, "objects": {"enabled": True}},
        store={"directory": str(stage.folder / "state")},
        log={"format": "json"},
    )
    stage.start()
    stage.wait_for("ok")
    stage.pull("sitter", "anna")
    stage.pull("faces", "1")
    event = stage.until(
        lambda: next((each for each in stage.all("event/security") if each["verdict"] == "right_user"), None)
    )
    (line,) = stage.until(
        lambda: [line for line in told(stage, notices.SECURITY_VERDICT) if line["event_id"] == event["id"]]
    )
    assert line["message"] == f"the seat: right_user (was {event['previous']})"
    assert line["level"] == "info"
    stage.pull("phone", "1")
    (warned,) = stage.until(
        lambda: [line for line in told(stage, notices.SECURITY_VERDICT) if "phone" in line["message"]]
    )
    assert warned["level"] == "warning"
    assert "anna" not in stage.log()
