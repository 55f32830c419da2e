"""What an actuator did is in the audit trail: once, without texts, and nothing of what was refused."""

from __future__ import annotations

from edged.store import audit
from edged.store.audit_check import records, verify
from tests.actuators.stage import Stage


def test_how_a_job_ended_is_recorded_once_however_often_it_is_asked_for(stage: Stage) -> None:
    stage.start()
    request = stage.request("mark")
    stage.send(request)
    stage.ends(request["id"])
    stage.send(request)
    stage.until(lambda: [each["state"] for each in stage.told(request["id"])].count("succeeded") == 2)
    other = stage.ask("mark")
    stage.ends(other)
    stage.end()
    found = list(records(stage.folder / "state"))
    assert [(record.kind, record.data["id"], record.data["state"]) for record in found] == [
        ("action", request["id"], "succeeded"),
        ("action", other, "succeeded"),
    ]
    assert found[0].data["actuator"] == "toy"
    assert found[0].data["source"] == "request"
    assert verify(stage.folder / "state").problems == []


def test_what_strangers_ask_for_fills_no_card(stage: Stage) -> None:
    stage.start()
    unsigned = {name: value for name, value in stage.request("mark").items() if name != "signature"}
    stage.send(unsigned)
    assert stage.ends(unsigned["id"])["state"] == "rejected"
    stage.end()
    assert not (stage.folder / "state" / audit.NAME).exists()


def test_a_trail_that_cannot_be_written_keeps_nobody_from_acting_and_health_says_so(stage: Stage) -> None:
    (stage.folder / "state" / audit.NAME).mkdir(parents=True)
    stage.start()
    job = stage.ask("mark")
    assert stage.ends(job)["state"] == "succeeded"
    stage.until(lambda: "what was done is not recorded" in " ".join(stage.health()["reasons"]))
