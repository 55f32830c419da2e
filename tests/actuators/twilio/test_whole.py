"""The whole actuator as people run it: a real broker, a process of its own, Twilio's stand-in; killed and restarted."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from tests.actuators.stage import database_bytes
from tests.actuators.twilio.house import DAUGHTER, NURSE, SETTINGS, SON, House
from tests.actuators.twilio.stand_in import ACCOUNT, TOKEN, StandIn

FALL = {"chain": "fall"}


def waits(house: House, job: str, step: int) -> dict[str, Any]:
    """Until a chain has reached a step; what was told."""
    words = f"step {step} of 3"
    return dict(house.until(lambda: next((each for each in house.told(job) if words in each["reason"]), None)))


def test_an_alert_is_acknowledged_by_message_while_others_have_their_turns(house: House, twilio: StandIn) -> None:
    house.start()
    alert = house.ask("alert", "Help!", **FALL)
    waits(house, alert, 1)
    other = house.ask("sms", "The door is open", to="son")
    assert house.ends(other)["state"] == "succeeded"
    answer = house.ask("acknowledge", by="Anna", job=alert)
    assert house.ends(answer)["reason"] == f"acknowledged: {alert}"
    end = house.ends(alert)
    assert (end["state"], end["reason"].startswith("acknowledged by Anna after")) == ("succeeded", True)
    assert house.states(alert) == ["accepted", "running", "succeeded"]
    assert [each.to for each in twilio.things] == [DAUGHTER, SON]


def test_a_chain_survives_being_killed_at_each_step(house: House, twilio: StandIn) -> None:
    house.start()
    alert = house.ask("alert", "Help!", **FALL)
    for step in (1, 2, 3):
        waits(house, alert, step)
        house.kill()
        house.start()
    end = house.ends(alert)
    assert (end["state"], end["reason"].startswith("nobody acknowledged it")) == ("failed", True)
    assert [each.to for each in twilio.things] == [DAUGHTER, SON, f"whatsapp:{NURSE}"]


def test_ending_in_good_order_in_the_middle_of_a_request_leaves_the_alert_to_the_next_start(
    house: House, twilio: StandIn
) -> None:
    house.file.write_text(SETTINGS.replace("wait_seconds = 2\n", "wait_seconds = 50\n"), encoding="utf-8")
    house.start(twilio__timeout_seconds=20)
    twilio.faults("hang_done")
    alert = house.ask("alert", "Help!", life_seconds=300, **FALL)
    house.until(twilio.posts)
    house.reaches(alert, "running")
    assert house.end(signal.SIGTERM) == 0
    house.heard_jobs()
    assert house.told(alert)[-1]["state"] == "running"
    house.start()
    waits(house, alert, 1)
    house.ask("acknowledge")
    assert house.ends(alert)["state"] == "succeeded"
    assert len(twilio.things) == 1


def test_a_cancelled_call_is_hung_up_and_the_emergency_stop_ends_every_chain(house: House, twilio: StandIn) -> None:
    house.start()
    twilio.step_seconds = 60
    call = house.ask("call", "Help!", to="daughter")
    house.until(lambda: any("under way" in each["reason"] for each in house.told(call)))
    house.ask("cancel", job=call)
    assert "call to daughter (…567): under way" in house.ends(call)["reason"]
    house.until(lambda: twilio.calls[0].ended_as)
    alert = house.ask("alert", "Help!", **FALL)
    waits(house, alert, 1)
    house.ask("stop")
    assert house.ends(alert)["state"] == "cancelled"
    late = house.ask("acknowledge")
    assert house.ends(late)["state"] == "rejected"
    assert len(twilio.things) == 2


def test_an_alert_goes_out_while_the_broker_is_away_and_its_end_is_told_when_it_is_back(
    house: House, twilio: StandIn
) -> None:
    house.start()
    twilio.faults("500", "500", "500")
    job = house.ask("sms", "Help!", to="daughter")
    house.reaches(job, "running")
    house.broker.terminate()
    house_deadline = time.monotonic() + 30
    while not twilio.messages and time.monotonic() < house_deadline:
        time.sleep(0.05)
    house.broker.start()
    assert house.ends(job)["state"] == "succeeded"
    assert len(twilio.messages) == 1


def test_a_binding_alerts_with_the_fields_of_the_event_and_its_repetition_does_not(
    house: House, twilio: StandIn
) -> None:
    house.file.write_text(
        SETTINGS
        + """
[[bindings]]
name = "drowsy"
topic = "edged/camera/+/event/drowsy"
when = [{ field = "perclos", at_least = 0.3 }]
action = "sms"
options = { to = "daughter", template = "fall", emergency = true, fields = { who = "{camera}", place = { room = "{room}" } } }
cooldown_seconds = 0
""",
        encoding="utf-8",
    )
    house.start()
    event = {"id": "event-1", "camera": "front", "perclos": 0.4, "room": "bath"}
    for _ in range(3):
        house.publish("edged/camera/front/event/drowsy", event)
    house.publish("edged/camera/front/event/drowsy", event | {"id": "event-2", "perclos": 0.1})
    house.until(lambda: twilio.messages)
    (job,) = {payload["id"] for leaf, payload in house.heard_jobs()}
    assert house.ends(job)["source"] == "binding drowsy"
    assert [each.body for each in twilio.messages] == ["front may have fallen in the bath ({sic})"]


def test_health_tells_that_twilio_fails_and_that_it_is_well_again(house: House, twilio: StandIn) -> None:
    house.start(twilio__breaker__failures=2)
    twilio.fault = lambda _method, _kind: "500"
    job = house.ask("sms", "Help!", to="daughter")
    house.until(lambda: any("Twilio answered 500" in each for each in house.health()["reasons"]))
    assert house.health()["status"] == "degraded"
    twilio.fault = lambda _method, _kind: None
    assert house.ends(job)["state"] == "succeeded"
    house.until(lambda: house.health()["reasons"] == [])


def test_dry_run_does_everything_but_the_last_step(house: House, twilio: StandIn) -> None:
    house.start(dry_run=True)
    job = house.ask("sms", "Help!", to="daughter")
    assert house.ends(job)["reason"] == "dry run: sms was not done"
    assert twilio.requests == []


def test_no_credential_number_or_sensitive_text_is_in_any_log_topic_or_database(house: House, twilio: StandIn) -> None:
    house.start()
    twilio.faults("reset_done", "500", "400", "hang", "429", "garbage_done")
    said = [house.ask("call" if number % 3 == 2 else "sms", f"Help {number}!", to="daughter") for number in range(7)]
    said.append(house.ask("alert", "Help!", **FALL))
    hidden = house.ask("sms", "hunter2-is-secret", sensitive=True, to="daughter")
    assert "takes no sensitive text" in house.ends(hidden)["reason"]
    waits(house, said[-1], 1)
    house.kill()
    house.start()
    house.ask("acknowledge")
    for job in said:
        house.ends(job)
    kept = database_bytes(house.folder / "state")
    told = json.dumps(house.heard, ensure_ascii=False).encode()
    logged = house.log_file.read_bytes()
    assert b"SMS to daughter" in told
    assert b"SMS to daughter" in logged
    for secret in (TOKEN, ACCOUNT, "hunter2-is-secret", DAUGHTER, DAUGHTER[1:], SON[1:], NURSE[1:], TOKEN[:12]):
        for place, content in (("a log", logged), ("a topic", told), ("a database", kept)):
            assert secret.encode() not in content, f"{secret} is in {place}"
    for text in ("Help 0!", "Help!"):
        assert text.encode() not in logged + told


@pytest.mark.parametrize("name", ["twilio.recipients.daughter.number", "twilio.from_number"])
def test_a_wrong_number_is_named_at_the_start_and_not_shown(house: House, name: str) -> None:
    process = house.start(wait=False, **{name.replace(".", "__"): "0170 1111222"})
    assert process.wait(30) == 2
    assert "E.164" in house.log()
    assert "1111222" not in house.log()
