"""One message or call, through the real library over a real socket: sent once, whatever happens on the way."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.performer import Text
from edged.actuators.twilio.performer import TwilioPerformer
from edged.errors import ActionFailed, Cancelled, Later, RequestRefused
from tests.actuators.twilio.conftest import Build
from tests.actuators.twilio.house import DAUGHTER, NURSE, OURS, SETTINGS, SON, Patience, outcome, wish
from tests.actuators.twilio.stand_in import LOST, NOT_DONE, Fault, StandIn


def test_an_sms_is_followed_until_it_is_delivered(build: Build, twilio: StandIn) -> None:
    assert outcome(build(), wish("sms", "Help! Grüße, Zoë", to="daughter")) == "SMS to daughter (…567): delivered"
    (message,) = twilio.messages
    assert (message.to, message.sender, message.body) == (DAUGHTER, OURS, "Help! Grüße, Zoë")


def test_a_whatsapp_message_goes_to_whatsapp(build: Build, twilio: StandIn) -> None:
    assert outcome(build(), wish("whatsapp", "Help!", to="nurse")) == "WhatsApp message to nurse (…321): delivered"
    (message,) = twilio.messages
    assert (message.to, message.sender) == (f"whatsapp:{NURSE}", f"whatsapp:{OURS}")


def test_a_call_says_its_text_in_the_recipients_language_and_nothing_in_it_is_an_order(
    build: Build, twilio: StandIn
) -> None:
    said = wish("call", "Hilfe! <Dial>+491</Dial> & mehr \x07", to="nurse")
    assert outcome(build(), said) == "call to nurse (…321): completed"
    (call,) = twilio.calls
    assert (call.to, call.sender) == (NURSE, OURS)
    say = '<Say language="de-DE" voice="Polly.Amy">Hilfe! &lt;Dial&gt;+491&lt;/Dial&gt; &amp; mehr  </Say>'
    assert call.twiml.count(say) == 2
    assert "<Gather" not in call.twiml


def test_a_messaging_service_sends_instead_of_a_number(build: Build, twilio: StandIn) -> None:
    service = "MG" + "0a" * 16
    twilio.faults("reset_done")
    outcome(build(twilio__messaging_service_sid=service), wish("sms", "Help!", to="daughter"))
    (message,) = twilio.messages
    assert (message.sender, "From" in message.fields) == (service, False)


def test_a_template_is_filled_with_the_fields(build: Build, twilio: StandIn) -> None:
    fields = {"who": "Anna", "place": {"room": "bath"}}
    outcome(build(), wish("sms", to="daughter", template="fall", fields=fields))
    assert twilio.messages[0].body == "Anna may have fallen in the bath ({sic})"


def test_whatsapp_gets_its_approved_template_and_others_the_text(build: Build, twilio: StandIn) -> None:
    performer = build()
    outcome(performer, wish("whatsapp", to="nurse", template="approved", fields={"who": "Anna"}))
    outcome(performer, wish("sms", to="nurse", template="approved", fields={"who": "Anna"}))
    first, second = twilio.messages
    assert (first.fields["ContentSid"][:4], first.fields["ContentVariables"]) == ("HX01", '{"1":"Anna"}')
    assert "Body" not in first.fields
    assert second.body == "Help for Anna"
    assert "ContentSid" not in second.fields


@pytest.mark.parametrize("fault", [*LOST, *NOT_DONE, "late", "slow"])
@pytest.mark.parametrize("action", ["sms", "call", "whatsapp"])
def test_it_goes_out_once_whatever_happens_to_the_request(
    build: Build, twilio: StandIn, fault: Fault, action: str
) -> None:
    # Late: given up after 0.5 s, taken after 1.6 s, and looked for 1.5 s after it was given up.
    twilio.retry_after, twilio.late_seconds, twilio.hang_seconds = "0.1", 1.6, 1.0
    twilio.faults(fault)
    settle_seconds = 1.5 if fault == "late" else 0.2
    performer = build(twilio__settle_seconds=settle_seconds)
    assert outcome(performer, wish(action, "Help!", to="daughter")).endswith((": delivered", ": completed"))
    twilio.rest()
    assert len(twilio.things) == 1


@pytest.mark.parametrize("action", ["sms", "call"])
def test_it_goes_out_once_when_everything_fails_again_and_again(build: Build, twilio: StandIn, action: str) -> None:
    twilio.retry_after = "0.1"
    twilio.faults("500", "hang", "reset", "429", "500", "500_done")
    listing: Iterator[Fault] = iter(("500", "reset", "hang", "429", "500"))
    posts = twilio.fault
    twilio.fault = lambda method, kind: posts(method, kind) if method == "POST" else next(listing, None)
    outcome(build(), wish(action, "Help!", to="daughter"))
    assert len(twilio.things) == 1


def test_two_jobs_with_the_same_text_are_two_messages_however_their_answers_are_lost(
    build: Build, twilio: StandIn
) -> None:
    performer = build()
    twilio.faults("reset_done", "500_done", "hang", "half_done")
    for _ in range(4):
        outcome(performer, wish("sms", "The door is open", to="daughter"))
    assert len(twilio.messages) == 4


def test_jobs_side_by_side_with_lost_answers_are_as_many_messages_and_calls(build: Build, twilio: StandIn) -> None:
    performer = build(twilio__breaker__failures=100)
    twilio.faults("reset_done", "500", "garbage_done", "reset", "half_done", "500_done", "hang_done", "429")
    wishes = [wish("call" if number % 2 else "sms", f"Text {number}", to="daughter") for number in range(8)]
    control, waiting = Patience(), list(wishes)
    deadline = time.monotonic() + 30
    while waiting and time.monotonic() < deadline:
        for each in list(waiting):
            try:
                performer.perform(each, control)
            except Later:
                continue
            except ActionFailed as error:
                if not error.retry:
                    raise
                continue
            waiting.remove(each)
        time.sleep(0.05)
    assert waiting == []
    assert sorted(each.body for each in twilio.messages) == ["Text 0", "Text 2", "Text 4", "Text 6"]
    said = [next(f"Text {n}" for n in (1, 3, 5, 7) if f"Text {n}<" in each.twiml) for each in twilio.calls]
    assert sorted(said) == ["Text 1", "Text 3", "Text 5", "Text 7"]


def test_a_call_in_doubt_is_nobody_elses(build: Build, twilio: StandIn) -> None:
    """Calls have no text to be told apart by: while one is in doubt, others to that number wait."""
    performer, control = build(), Patience()
    first = wish("call", "First", to="daughter")
    resumed = replace(wish("call", "Second", to="daughter"), interrupted=True)
    elsewhere = wish("call", "Third", to="son")
    twilio.faults("reset_done")
    with pytest.raises(Later, match="looked for"):
        performer.perform(first, control)
    with pytest.raises(Later, match="waits until it is known whether the call before it went out"):
        performer.perform(resumed, control)
    outcome(performer, elsewhere)
    outcome(performer, first)
    outcome(performer, resumed)
    said = [re.search(r">(First|Second|Third)<", each.twiml) for each in twilio.calls]
    assert [found and found[1] for found in said] == ["First", "Third", "Second"]


def test_a_call_of_a_later_time_is_not_taken_for_one_that_was_never_cleared_up(build: Build, twilio: StandIn) -> None:
    performer, control = build(), Patience()
    twilio.faults("reset")
    job = wish("call", "First", to="daughter")
    with pytest.raises(Later, match="looked for"):
        performer.perform(job, control)
    time.sleep(0.5)  # until we may look
    twilio.create("Calls", {"To": DAUGHTER, "From": OURS, "Twiml": "<Response/>"})
    twilio.calls[0].created_at += 600
    outcome(performer, job)
    assert len(twilio.calls) == 2


def test_a_message_of_somebody_else_is_not_taken_for_ours(build: Build, twilio: StandIn) -> None:
    """Another text, another sender, or long ago."""
    twilio.create("Messages", {"To": DAUGHTER, "From": OURS, "Body": "Other"})
    twilio.create("Messages", {"To": DAUGHTER, "From": "+15005550006", "Body": "Help!"})
    twilio.create("Messages", {"To": SON, "From": OURS, "Body": "Help!"})
    twilio.create("Messages", {"To": DAUGHTER, "From": OURS, "Body": "Help!"})
    twilio.things[-1].created_at -= 120
    twilio.faults("reset")
    outcome(build(), wish("sms", "Help!", to="daughter"))
    assert len(twilio.messages) == 5


def test_a_lost_answer_is_found_behind_many_other_messages_and_by_another_clock(build: Build, twilio: StandIn) -> None:
    twilio.clock_ahead_seconds = 7200.0
    lost: list[Fault] = ["reset_done"]

    def fault(method: str, _kind: str) -> Fault | None:
        if method == "POST":
            return lost.pop() if lost else None
        while len(twilio.messages) < 130:
            twilio.create("Messages", {"To": DAUGHTER, "From": OURS, "Body": "Other"})
        return None

    twilio.fault = fault
    outcome(build(), wish("sms", "Help!", to="daughter"))
    assert [each.body for each in twilio.messages].count("Help!") == 1


def test_a_trial_account_puts_words_before_each_message_and_it_is_found_all_the_same(
    build: Build, twilio: StandIn
) -> None:
    twilio.create("Messages", {"To": DAUGHTER, "From": OURS, "Body": "Sent from your Twilio trial account - Help!"})
    twilio.faults("500")
    outcome(build(), wish("sms", "Help! ", to="daughter"))
    assert twilio.posts() == 1


@pytest.mark.parametrize("fault", ["400", "401"])
def test_what_twilio_refuses_is_not_tried_again_and_its_words_are_not_repeated(
    build: Build, twilio: StandIn, fault: Fault
) -> None:
    twilio.faults(fault)
    with pytest.raises(ActionFailed) as caught:
        outcome(build(), wish("sms", "Help!", to="daughter"))
    assert not caught.value.retry
    assert ("unsubscribed" if fault == "400" else "credentials are not good") in str(caught.value)
    assert "+49170999" not in str(caught.value)
    assert twilio.posts() == 1


def test_a_pause_that_twilio_asks_for_is_kept(build: Build, twilio: StandIn) -> None:
    twilio.retry_after = "37"
    twilio.faults("429")
    performer = build()
    with pytest.raises(ActionFailed, match="429") as caught:
        performer.perform(wish("sms", "Help!", to="daughter"), Patience())
    assert (caught.value.retry, caught.value.retry_after_seconds) == (True, 37)
    with pytest.raises(ActionFailed, match="nothing is sent for") as caught:
        performer.perform(wish("sms", "Help!", to="son"), Patience())
    assert 30 < (caught.value.retry_after_seconds or 0) <= 37
    assert twilio.posts() == 1


def test_twilio_that_is_not_there_is_tried_later_and_the_circuit_opens(build: Build, twilio: StandIn) -> None:
    performer = build(twilio__breaker__open_seconds=60, twilio__breaker__longest_seconds=60)
    twilio.close()
    for _ in range(5):
        with pytest.raises(ActionFailed, match="Twilio cannot be reached") as caught:
            performer.perform(wish("sms", "Help!", to="daughter"), Patience())
        assert caught.value.retry
    with pytest.raises(ActionFailed, match="nothing is sent for 60 s") as caught:
        performer.perform(wish("sms", "Help!", to="daughter"), Patience())
    assert (caught.value.retry, round(caught.value.retry_after_seconds or 0)) == (True, 60)


@pytest.mark.parametrize(
    ("action", "fate", "code", "words"),
    [
        ("sms", "undelivered", 30003, "undelivered (error 30003: the telephone is off or out of reach)"),
        ("sms", "failed", 12345, "failed (error 12345: see https://www.twilio.com/docs/api/errors/12345)"),
        ("whatsapp", "undelivered", 63016, "set content_sid"),
        ("call", "busy", 0, "call to daughter (…567): busy"),
        ("call", "no-answer", 0, "no-answer"),
    ],
)
def test_what_does_not_arrive_has_failed_with_the_reason(
    build: Build, twilio: StandIn, action: str, fate: str, code: int, words: str
) -> None:
    twilio.fates[DAUGHTER] = (fate, code)
    with pytest.raises(ActionFailed) as caught:
        outcome(build(), wish(action, "Help!", to="daughter"))
    assert words in str(caught.value)
    assert not caught.value.retry


def test_a_carrier_that_confirms_nothing_is_waited_for_only_so_long(build: Build, twilio: StandIn) -> None:
    twilio.fates[DAUGHTER] = ("sent", 0)
    said = outcome(build(twilio__follow_seconds=1), wish("sms", "Help!", to="daughter"))
    assert said == "SMS to daughter (…567): sent, and the carrier has not confirmed it within 1 s"


def test_a_delivery_is_followed_although_twilio_fails_meanwhile(build: Build, twilio: StandIn) -> None:
    twilio.faults("500", "reset", "hang", "429", method="GET")
    assert outcome(build(), wish("sms", "Help!", to="daughter")).endswith("delivered")
    assert len(twilio.messages) == 1


def test_nothing_goes_out_after_the_wish_has_expired_and_it_is_said_whether_it_had(
    build: Build, twilio: StandIn
) -> None:
    performer = build()
    late = wish("sms", "Help!", to="daughter", life_seconds=-1)
    with pytest.raises(ActionFailed, match="expires_at passed"):
        performer.perform(late, Patience())
    assert twilio.posts() == 0
    twilio.faults("reset_done", "reset")
    lives = [wish("sms", f"Help {number}!", to="daughter", life_seconds=0.2) for number in range(2)]
    for each in lives:
        with pytest.raises(Later, match="looked for"):
            performer.perform(each, Patience())
    assert outcome(performer, replace(lives[0], attempt=2)).endswith("delivered")
    with pytest.raises(ActionFailed, match="expires_at passed before it could be sent"):
        outcome(performer, replace(lives[1], attempt=2))
    assert len(twilio.messages) == 1


def test_when_nobody_can_say_until_the_end_that_is_what_is_said(build: Build, twilio: StandIn) -> None:
    twilio.fault = lambda _method, _kind: "500"
    with pytest.raises(ActionFailed, match="it may have been sent, and until it expired nobody could say"):
        outcome(build(), wish("sms", "Help!", to="daughter", life_seconds=1))
    assert twilio.posts() == 1


# -- what is refused at the door --------------------------------------------------------------------------------


def refused(performer: TwilioPerformer, *arguments: str, **options: Any) -> str:
    with pytest.raises(RequestRefused) as caught:
        performer.check(wish(*arguments, **options))
    return str(caught.value)


def test_what_cannot_be_sent_is_refused_before_anything_is_done(build: Build, twilio: StandIn) -> None:
    performer = build()
    assert "no recipient 'sun' (there are: daughter, son, nurse)" in refused(performer, "sms", "x", to="sun")
    said = refused(performer, "sms", "x", to="+491701111111")
    assert "people are named, never dialled" in said
    assert "1111111" not in said
    assert "either a text or options.template" in refused(performer, "sms", to="son")
    assert "either a text or options.template" in refused(performer, "sms", "x", to="son", template="fall")
    assert "no template 'full' (there are: fall, approved)" in refused(performer, "sms", to="son", template="full")
    missing = refused(performer, "sms", to="son", template="fall", fields={"who": "Anna"})
    assert missing == "template 'fall' needs options.fields.place.room"
    assert "the text is empty" in refused(performer, "sms", " \n", to="son")
    assert "lone surrogate" in refused(performer, "sms", "a\ud800", to="son")
    assert "1601 characters; a message takes 1600" in refused(performer, "sms", "x" * 1601, to="son")
    assert "too long to be said 2 times" in refused(performer, "call", "x" * 1990, to="son")
    assert "no chain 'none' (there are: fall)" in refused(performer, "alert", "x", chain="none")
    assert twilio.requests == []


def test_a_text_as_long_as_twilio_takes_is_sent(build: Build, twilio: StandIn) -> None:
    outcome(build(), wish("sms", "x" * 1600, to="son"))
    assert len(twilio.messages[0].body) == 1600


def test_a_sender_that_is_not_set_is_named(build: Build) -> None:
    text = SETTINGS.replace('whatsapp_from = "+4930901820123"\n', "").replace('do = "whatsapp"', 'do = "sms"')
    assert "a WhatsApp message needs whatsapp_from" in refused(build(text), "whatsapp", "x", to="son")


def test_a_chain_that_would_expire_on_the_way_is_refused_with_the_cure(build: Build) -> None:
    with pytest.raises(RequestRefused, match=r"takes up to 4 s .* --expires 64\)"):
        build().check(wish("alert", "x", chain="fall", life_seconds=3))


def test_emergencies_pass_quiet_hours_and_emergency_only(build: Build, twilio: StandIn) -> None:
    now = time.time()
    hours = f"{time.strftime('%H:%M', time.localtime(now - 3600))}-{time.strftime('%H:%M', time.localtime(now + 3600))}"
    quiet = build(
        SETTINGS.replace("[twilio.recipients.daughter]", f'[twilio.recipients.daughter]\nquiet_hours = "{hours}"')
    )
    assert f"daughter has quiet hours {hours}" in refused(quiet, "sms", "x", to="daughter")
    assert outcome(quiet, wish("sms", "x", to="daughter", emergency=True)).endswith("delivered")
    only = build(twilio__emergency_only=True)
    assert "twilio.emergency_only" in refused(only, "sms", "x", to="daughter")
    assert "twilio.emergency_only" in refused(only, "alert", "x", chain="fall")
    assert outcome(only, wish("sms", "x", to="daughter", emergency=True)).endswith("delivered")
    assert len(twilio.messages) == 2


def test_each_recipient_has_a_limit_and_emergencies_one_of_their_own(build: Build, twilio: StandIn) -> None:
    performer = build(SETTINGS.replace("limit = 1000", "limit = 2", 1))
    for _ in range(2):
        outcome(performer, wish("sms", "x", to="daughter"))
    assert "rate limit: 2 messages and calls went to daughter" in refused(performer, "call", "x", to="daughter")
    outcome(performer, wish("sms", "x", to="son"))
    for _ in range(2):
        outcome(performer, wish("sms", "x", to="daughter", emergency=True))
    assert "rate limit: 2 emergencies" in refused(performer, "sms", "x", to="daughter", emergency=True)
    assert len(twilio.messages) == 5


def test_the_limit_holds_over_a_restart_and_for_what_was_accepted_at_once(build: Build, twilio: StandIn) -> None:
    text = SETTINGS.replace("limit = 1000", "limit = 2", 1)
    first = build(text)
    waiting = [wish("sms", "x", to="daughter") for _ in range(3)]
    for each in waiting:
        first.check(each)
    for each in waiting[:2]:
        outcome(first, each)
    first.close()
    with pytest.raises(ActionFailed, match="not sent: rate limit"):
        build(text).perform(waiting[2], Patience())
    assert len(twilio.messages) == 2


def test_what_certainly_did_not_go_out_does_not_count(build: Build, twilio: StandIn) -> None:
    performer = build(SETTINGS.replace("limit = 1000", "limit = 1", 1))
    twilio.faults("400")
    with pytest.raises(ActionFailed):
        outcome(performer, wish("sms", "x", to="daughter"))
    outcome(performer, wish("sms", "x", to="daughter"))
    assert len(twilio.messages) == 1


# -- stopped, cut off -------------------------------------------------------------------------------------------


def test_a_job_that_is_told_to_stop_comes_back_soon_although_twilio_hangs_and_knows_afterwards(
    build: Build, twilio: StandIn
) -> None:
    performer = build(twilio__timeout_seconds=25)
    twilio.faults("hang")
    control = Patience()
    threading.Timer(0.2, control.stop).start()
    job = wish("sms", "Help!", to="daughter")
    began = time.monotonic()
    with pytest.raises(Later, match="it may have been done"):
        performer.perform(job, control)
    assert time.monotonic() - began < 20  # the request itself hangs for 25 s
    with pytest.raises(Cancelled, match="it may have been sent"):
        performer.perform(replace(job, ended=True), control)


def test_a_call_of_a_job_that_is_ended_is_hung_up(build: Build, twilio: StandIn) -> None:
    twilio.step_seconds = 60
    performer, job = build(), wish("call", "Help!", to="daughter")
    with pytest.raises(Later, match="under way"):
        performer.perform(job, Patience())
    with pytest.raises(Cancelled, match="the call was hung up"):
        performer.perform(replace(job, ended=True), Patience())
    assert twilio.state(twilio.calls[0])[0] == "completed"


def test_a_message_that_is_out_stays_out(build: Build, twilio: StandIn) -> None:
    performer, job = build(), wish("sms", "Help!", to="daughter")
    with pytest.raises(Later):
        performer.perform(job, Patience())
    with pytest.raises(Cancelled, match="it had been sent already"):
        performer.perform(replace(job, ended=True), Patience())


@pytest.mark.parametrize("fault", [None, "reset_done"])
def test_a_job_cut_off_in_the_middle_goes_on_where_it_was(build: Build, twilio: StandIn, fault: Fault | None) -> None:
    twilio.faults(fault)
    job = wish("sms", "Help!", to="daughter")
    before = build()
    with pytest.raises(Later):
        before.perform(job, Patience())
    before.close()
    assert outcome(build(), replace(job, attempt=2, interrupted=True)).endswith("delivered")
    assert len(twilio.messages) == 1


def test_a_memory_that_was_lost_is_no_reason_to_send_again(build: Build, twilio: StandIn, tmp_path: Path) -> None:
    job = wish("sms", "Help!", to="daughter")
    before = build()
    with pytest.raises(Later):
        before.perform(job, Patience())
    before.close()
    (file,) = (tmp_path / "state").glob("*.twilio.db")
    file.write_bytes(b"this is no database" * 100)
    after = build()
    assert outcome(after, replace(job, attempt=2, interrupted=True)).endswith("delivered")
    assert len(twilio.messages) == 1
    after.attach(lambda _: None)
    assert any("damaged and begun anew" in each for each in after.problems())


def test_a_memory_that_cannot_be_written_sends_nothing_and_is_tried_again(build: Build, twilio: StandIn) -> None:
    performer = build()
    performer.check(wish("sms", "x", to="daughter"))
    performer.close()
    with pytest.raises(ActionFailed) as caught:
        performer.perform(wish("sms", "x", to="daughter"), Patience())
    assert caught.value.retry
    assert twilio.posts() == 0


def test_wrong_credentials_and_a_suspended_account_are_found_before_anybody_needs_help(
    build: Build, twilio: StandIn
) -> None:
    def said(performer: TwilioPerformer) -> str:
        performer.attach(lambda _: None)
        deadline = time.monotonic() + 10
        while not (found := performer.problems()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return "; ".join(found)

    twilio.account_status = "suspended"
    assert said(build()) == "the Twilio account is suspended (see its console)"
    twilio.token = "another"
    assert "the credentials are not good: copy them anew" in said(build())


def test_an_account_that_could_not_be_looked_at_is_no_worry_once_twilio_does_what_it_is_asked(
    build: Build, twilio: StandIn
) -> None:
    twilio.fault = lambda _method, _kind: "500"
    performer = build()
    performer.attach(lambda _: None)
    deadline = time.monotonic() + 10
    while performer.problems() != ["Twilio answered 500"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert performer.problems() == ["Twilio answered 500"]
    twilio.fault = lambda _method, _kind: None
    with pytest.raises(Later, match="its delivery is followed"):
        performer.perform(wish("sms", "Help!", to="daughter"), Patience())
    assert performer.problems() == []


def test_a_text_shows_itself_in_no_parcel() -> None:
    from edged.actuators.twilio.courier import Parcel

    shown = repr(Parcel("job", 0, "call", "daughter", False, 0.0, Text("hunter2"), "<Say>hunter2</Say>"))
    assert "hunter2" not in shown
