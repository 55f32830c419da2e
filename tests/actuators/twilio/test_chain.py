"""Escalation chains in one process, through the real library: who is reached when, and who can end it."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import pytest

from edged.actuators.performer import Wish
from edged.actuators.twilio.performer import TwilioPerformer
from edged.errors import ActionFailed, Cancelled, Later, RequestRefused
from tests.actuators.twilio.conftest import Build
from tests.actuators.twilio.house import DAUGHTER, NURSE, SON, Patience, outcome, wish
from tests.actuators.twilio.stand_in import StandIn

PUBLIC = "https://home.example.org/twilio"


def until_called(performer: TwilioPerformer, alert: Wish, twilio: StandIn) -> None:
    """Give the alert its turns until its call is under way."""
    deadline = time.monotonic() + 20
    while not twilio.calls:
        assert time.monotonic() < deadline
        with pytest.raises(Later):
            performer.perform(alert, Patience())
        time.sleep(0.05)


def test_a_chain_goes_from_one_to_the_next_until_nobody_is_left(
    build: Build, twilio: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ActionFailed) as caught:
        outcome(build(), wish("alert", "Help!", chain="fall"))
    assert [each.to for each in twilio.things] == [DAUGHTER, SON, f"whatsapp:{NURSE}"]
    assert str(caught.value).startswith("nobody acknowledged it: SMS to daughter (…567): delivered; call to son")
    gaps = [later.created_at - earlier.created_at for earlier, later in itertools.pairwise(twilio.things)]
    assert all(gap >= 1.9 for gap in gaps)  # each step waits 2 s
    steps = [each for each in caplog.records if each.__dict__.get("EDGED_NOTICE") == "alert_escalated"]
    assert [each.getMessage().partition(": ")[2] for each in steps] == [
        "nobody yet, on to step 2 of 3", "nobody yet, on to step 3 of 3",
    ]  # fmt: skip
    (unheard,) = [each for each in caplog.records if each.__dict__.get("EDGED_NOTICE") == "alert_unheard"]
    assert unheard.__dict__["EDGED_JOB_ID"] == steps[0].__dict__["EDGED_JOB_ID"]


def test_who_cannot_be_reached_is_not_waited_for(build: Build, twilio: StandIn) -> None:
    twilio.fates |= {DAUGHTER: ("undelivered", 30003), SON: ("busy", 0)}
    performer = build(twilio__chains__fall=[
        {"do": "sms", "to": "daughter", "wait_seconds": 600},
        {"do": "call", "to": "son", "wait_seconds": 600},
        {"do": "whatsapp", "to": "nurse", "wait_seconds": 1},
    ])  # fmt: skip
    with pytest.raises(ActionFailed) as caught:
        outcome(performer, wish("alert", "Help!", chain="fall", life_seconds=3600))
    assert len(twilio.things) == 3
    assert "SMS to daughter (…567): undelivered (error 30003" in str(caught.value)
    assert "call to son (…321): busy" in str(caught.value)


def test_a_step_that_twilio_refuses_is_passed_and_one_that_cannot_be_sent_for_its_time(
    build: Build, twilio: StandIn
) -> None:
    twilio.fault = lambda method, kind: "429" if (method, kind) == ("POST", "Messages") else None
    twilio.retry_after = "0.1"
    with pytest.raises(ActionFailed) as caught:
        outcome(build(), wish("alert", "Help!", chain="fall", life_seconds=8))
    assert [each.to for each in twilio.things] == [SON]
    assert "the alert expires before it can be tried again" in str(caught.value)


def test_an_acknowledgement_ends_the_chain_at_once(build: Build, twilio: StandIn) -> None:
    performer = build()
    woken: list[str] = []
    performer.attach(woken.append)
    alert = wish("alert", "Help!", chain="fall")
    performer.check(alert)
    with pytest.raises(Later):
        performer.perform(alert, Patience())
    assert outcome(performer, wish("acknowledge", by="Anna")) == f"acknowledged: {alert.id}"
    assert woken == [alert.id]
    assert performer.perform(alert, Patience()).startswith("acknowledged by Anna after")
    assert len(twilio.things) == 1


def test_an_acknowledgement_names_one_alert_or_means_all_and_is_refused_where_none_waits(build: Build) -> None:
    performer = build()
    with pytest.raises(RequestRefused, match=r"no alert waits for an acknowledgement \(those that do: none\)"):
        performer.check(wish("acknowledge"))
    alerts = [wish("alert", "Help!", chain="fall") for _ in range(3)]
    for each in alerts:
        with pytest.raises(Later):
            performer.perform(each, Patience())
    with pytest.raises(RequestRefused, match="no alert 'job-none' waits"):
        performer.check(wish("acknowledge", job="job-none"))
    outcome(performer, wish("acknowledge", job=alerts[1].id))
    with pytest.raises(RequestRefused, match=f"no alert '{alerts[1].id}' waits"):
        performer.check(wish("acknowledge", job=alerts[1].id))
    assert outcome(performer, wish("acknowledge")) == f"acknowledged: {alerts[0].id}, {alerts[2].id}"


def test_an_acknowledgement_hangs_up_the_call_that_rings(build: Build, twilio: StandIn) -> None:
    performer, alert = build(), wish("alert", "Help!", chain="fall")
    twilio.fates[DAUGHTER] = ("undelivered", 0)
    twilio.step_seconds = 0.3
    until_called(performer, alert, twilio)
    twilio.step_seconds = 60
    outcome(performer, wish("acknowledge"))
    performer.perform(alert, Patience())
    assert twilio.calls[0].ended_as == "completed"


def test_a_chain_that_was_cut_off_goes_on_at_its_step_and_repeats_none(build: Build, twilio: StandIn) -> None:
    before, alert = build(), wish("alert", "Help!", chain="fall")
    until_called(before, alert, twilio)
    before.close()
    after = build()
    outcome(after, wish("acknowledge", job=alert.id))
    assert "at step 2" in after.perform(replace(alert, interrupted=True, attempt=2), Patience())
    assert [each.to for each in twilio.things] == [DAUGHTER, SON]


def test_a_chain_that_is_ended_cannot_be_acknowledged_and_its_call_is_hung_up(build: Build, twilio: StandIn) -> None:
    performer, alert = build(), wish("alert", "Help!", chain="fall")
    twilio.fates[DAUGHTER] = ("undelivered", 0)
    twilio.step_seconds = 0.3
    until_called(performer, alert, twilio)
    twilio.step_seconds = 60
    with pytest.raises(Cancelled, match="hung up"):
        performer.perform(replace(alert, ended=True), Patience())
    assert twilio.calls[0].ended_as == "completed"
    with pytest.raises(RequestRefused, match="no alert waits"):
        performer.check(wish("acknowledge"))


def test_a_key_in_the_call_acknowledges_and_another_key_asks_again(build: Build, twilio: StandIn) -> None:
    performer = build(twilio__callback__public_url=PUBLIC, twilio__callback__port=0)
    woken = threading.Event()
    performer.attach(lambda _: woken.set())
    server = performer._keypad
    assert server is not None
    alert = wish("alert", "Help!", chain="fall")
    until_called(performer, alert, twilio)
    (call,) = twilio.calls
    assert call.twiml.count("Press 1 to acknowledge.") == 2
    status, said = twilio.press(call, "7", server.port)
    assert (status, "Press 1" in said, "<Gather" in said) == (200, True, True)
    assert not woken.is_set()
    for _ in range(2):  # Twilio repeats a callback whose answer was lost
        status, said = twilio.press(call, "1", server.port)
        assert (status, "Thank you. It is acknowledged." in said) == (200, True)
    assert woken.is_set()
    assert performer.perform(alert, Patience()).startswith("acknowledged by a key in the call")
    assert call.ended_as == ""  # they hear our thanks
    assert "over already" in twilio.press(call, "1", server.port)[1]


def test_a_key_of_a_call_that_is_nobodys_changes_nothing(build: Build, twilio: StandIn) -> None:
    performer = build(twilio__callback__public_url=PUBLIC, twilio__callback__port=0)
    performer.attach(lambda _: None)
    assert performer._keypad is not None
    call = twilio.create(
        "Calls",
        {
            "To": SON,
            "From": "+491701234567",
            "Twiml": f'<Response><Gather action="{PUBLIC}/keypad/{"z" * 24}"/></Response>',
        },
    )
    assert call.status == 201
    status, said = twilio.press(twilio.calls[0], "1", performer._keypad.port)
    assert (status, "over already" in said) == (200, True)


def test_without_a_callback_no_key_is_asked_for(build: Build, twilio: StandIn) -> None:
    performer = build()
    performer.attach(lambda _: None)
    until_called(performer, wish("alert", "Help!", chain="fall"), twilio)
    assert "<Gather" not in twilio.calls[0].twiml


def test_a_chain_that_was_changed_meanwhile_comes_to_an_end(build: Build, twilio: StandIn) -> None:
    before, alert = build(), wish("alert", "Help!", chain="fall")
    until_called(before, alert, twilio)
    before.close()
    after = build(twilio__chains__fall=[{"do": "sms", "to": "daughter", "wait_seconds": 2}])
    with pytest.raises(ActionFailed, match="nobody acknowledged it"):
        outcome(after, alert)
