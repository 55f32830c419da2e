"""What decides without a clock, a network or a disk: breaker, chain, fates, quiet hours, limits."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from edged.actuators.twilio.breaker import Breaker
from edged.actuators.twilio.escalation import Tried, judge, needed_seconds
from edged.actuators.twilio.fates import pause_seconds, standing
from edged.actuators.twilio.hours import check_hours, check_zone, quiet
from edged.actuators.twilio.limits import refusal
from edged.actuators.twilio.phone_numbers import check_number, masked
from edged.actuators.twilio.settings import BreakerSettings, RecipientSettings, StepSettings, TwilioSettings

BREAKER = BreakerSettings(failures=3, open_seconds=10, longest_seconds=25)
STEPS = [
    StepSettings(do="sms", to="daughter", wait_seconds=300),
    StepSettings(do="call", to="daughter", wait_seconds=120),
    StepSettings(do="call", to="son", wait_seconds=60),
]
FAR = 1e9


# -- the breaker ------------------------------------------------------------------------------------------------


def opened() -> Breaker:
    breaker = Breaker(BREAKER)
    for _ in range(3):
        breaker.failed("no answer", 100.0)
    return breaker


def test_some_failures_do_not_open_the_circuit_and_a_success_forgets_them() -> None:
    breaker = Breaker(BREAKER)
    for _ in range(4):
        breaker.failed("no answer", 100.0)
        breaker.failed("no answer", 100.0)
        breaker.worked()
    assert breaker.wait_seconds(100.0) == 0
    assert breaker.words(100.0) == ""


def test_failures_in_a_row_open_the_circuit_and_health_says_why() -> None:
    breaker = opened()
    assert breaker.wait_seconds(104.0) == 6
    assert breaker.words(104.0) == "nothing is sent for 6 s: no answer"


def test_after_a_while_one_request_may_try_and_the_others_wait_for_it() -> None:
    breaker = opened()
    assert breaker.wait_seconds(110.0) == 0
    assert breaker.wait_seconds(110.0) > 0
    breaker.worked()
    assert breaker.wait_seconds(110.0) == 0
    assert breaker.words(110.0) == ""


def test_a_request_that_never_said_how_it_went_does_not_keep_the_circuit_half_open_for_ever() -> None:
    breaker = opened()
    assert breaker.wait_seconds(110.0) == 0
    assert breaker.wait_seconds(120.0) == 0


def test_each_failed_try_opens_it_for_longer_up_to_the_longest() -> None:
    breaker = opened()
    now, waits = 110.0, []
    for _ in range(4):
        assert breaker.wait_seconds(now) == 0
        breaker.failed("no answer", now)
        waits.append(breaker.wait_seconds(now))
        now += waits[-1]
    assert waits == [20, 25, 25, 25]


def test_a_pause_that_twilio_asks_for_is_kept_and_is_no_failure() -> None:
    breaker = Breaker(BREAKER)
    for _ in range(5):
        breaker.asked_to_wait("too many requests", 7.0, 100.0)
    assert breaker.wait_seconds(101.0) == 6
    assert breaker.wait_seconds(107.0) == 0
    breaker.asked_to_wait("too many requests", None, 107.0)
    assert breaker.wait_seconds(107.0) == 0


@given(st.lists(st.tuples(st.sampled_from(["ask", "worked", "failed", "wait"]), st.floats(0, 100)), max_size=60))
def test_whatever_happens_the_circuit_closes_again_within_the_longest_time(steps: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(BREAKER), 0.0
    for what, seconds in steps:
        now += seconds
        if what == "ask":
            assert 0 <= breaker.wait_seconds(now) <= BREAKER.longest_seconds
        elif what == "worked":
            breaker.worked()
            assert breaker.wait_seconds(now) == 0
        elif what == "failed":
            breaker.failed("no answer", now)
        else:
            breaker.asked_to_wait("busy", min(seconds, 25.0), now)
    assert breaker.wait_seconds(now + 2 * BREAKER.longest_seconds) == 0


# -- a chain ----------------------------------------------------------------------------------------------------


def test_a_chain_waits_its_time_for_an_acknowledgement_and_then_goes_on() -> None:
    reached = Tried("reached", "SMS: delivered")
    verdict = judge(STEPS, 0, 1000.0, FAR, reached, 1010.0)
    assert (verdict.what, verdict.seconds) == ("wait", 290)
    assert "step 1 of 3" in verdict.words
    assert judge(STEPS, 0, 1000.0, FAR, reached, 1300.0).what == "next"


def test_a_step_that_reaches_nobody_is_left_at_once() -> None:
    assert judge(STEPS, 0, 1000.0, FAR, Tried("lost", "SMS: undelivered"), 1001.0).what == "next"


def test_a_delivery_that_is_not_decided_is_looked_at_again_but_not_beyond_the_steps_end() -> None:
    assert judge(STEPS, 0, 1000.0, FAR, Tried("pending", "SMS: sent", 15), 1100.0).seconds == 15
    assert judge(STEPS, 0, 1000.0, FAR, Tried("pending", "SMS: sent", 15), 1295.0).seconds == 5
    assert judge(STEPS, 0, 1000.0, FAR, Tried("pending", "SMS: sent", 15), 1300.0).what == "next"


def test_what_could_not_be_sent_is_tried_for_the_steps_time_and_the_last_step_until_the_alert_expires() -> None:
    again = Tried("again", "Twilio cannot be reached", 20)
    assert judge(STEPS, 0, 1000.0, FAR, again, 1100.0).what == "wait"
    assert judge(STEPS, 0, 1000.0, FAR, again, 1300.0).what == "next"
    assert judge(STEPS, 2, 1000.0, 5000.0, again, 4000.0).what == "wait"
    assert judge(STEPS, 2, 1000.0, 5000.0, again, 4980.0).what == "over"


def test_after_the_last_step_nobody_is_left() -> None:
    assert judge(STEPS, 2, 1000.0, FAR, Tried("reached", "call: completed"), 1059.0).what == "wait"
    assert judge(STEPS, 2, 1000.0, FAR, Tried("reached", "call: completed"), 1060.0).what == "over"
    assert judge(STEPS, 2, 1000.0, FAR, Tried("lost", "call: busy"), 1001.0).what == "over"


def test_no_step_begins_after_the_alert_has_expired() -> None:
    verdict = judge(STEPS, 0, 1000.0, 1100.0, Tried("lost", "SMS: undelivered"), 1100.0)
    assert (verdict.what, "expired before step 2" in verdict.words) == ("over", True)


def test_a_clock_that_is_set_back_holds_no_step_up_for_longer_than_its_time() -> None:
    assert judge(STEPS, 0, 1_000_000.0, FAR, Tried("reached", "SMS: delivered"), 5.0).seconds == 300


def test_a_chain_needs_the_time_of_all_steps_but_the_last() -> None:
    assert needed_seconds(STEPS) == 420


# -- fates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("accepted", "pending"), ("scheduled", "pending"), ("queued", "pending"), ("sending", "pending"),
        ("sent", "pending"), ("delivered", "reached"), ("read", "reached"), ("undelivered", "lost"), ("failed", "lost"),
        ("canceled", "lost"), ("some new word", "pending"),
    ],
)  # fmt: skip
def test_each_status_of_a_message_has_its_meaning(status: str, fate: str) -> None:
    assert standing("sms", "SMS to a", status, "", 10, 300).fate == fate


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("queued", "pending"), ("initiated", "pending"), ("ringing", "pending"), ("in-progress", "pending"),
        ("completed", "reached"), ("busy", "lost"), ("no-answer", "lost"), ("failed", "lost"), ("canceled", "lost"),
    ],
)  # fmt: skip
def test_each_status_of_a_call_has_its_meaning(status: str, fate: str) -> None:
    assert standing("call", "call to a", status, "", 400, 300).fate == fate


def test_a_carrier_that_confirms_nothing_is_said_to_have_confirmed_nothing() -> None:
    assert "not confirmed" in standing("sms", "SMS to a", "sent", "", 300, 300).words
    stuck = standing("sms", "SMS to a", "queued", "", 300, 300)
    assert (stuck.fate, "may yet go out" in stuck.words) == ("lost", True)


def test_a_failure_says_why() -> None:
    assert (
        standing("sms", "SMS to a", "undelivered", "error 30003: off", 1, 300).words
        == "SMS to a: undelivered (error 30003: off)"
    )


def test_twilio_is_asked_often_at_first_and_less_and_less() -> None:
    assert [pause_seconds(age) for age in (0, 4, 20, 3600)] == [1, 2, 10, 15]


# -- quiet hours and limits -------------------------------------------------------------------------------------


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 7, 1, hour, minute, tzinfo=timezone.utc).timestamp()


def test_quiet_hours_go_over_midnight() -> None:
    for hour, expected in ((21, False), (22, True), (3, True), (6, True), (7, False), (12, False)):
        assert quiet("22:00-07:00", "UTC", at(hour)) is expected, hour
    assert quiet("22:00-07:00", "UTC", at(21, 59)) is False
    assert quiet("22:00-07:00", "UTC", at(6, 59)) is True


def test_quiet_hours_in_the_day_and_none_at_all() -> None:
    assert quiet("12:00-14:00", "UTC", at(13))
    assert not quiet("12:00-14:00", "UTC", at(14))
    assert not quiet("", "UTC", at(13))


def test_quiet_hours_are_those_of_the_recipient() -> None:
    assert quiet("22:00-07:00", "Asia/Tokyo", at(13))  # 22:00 there
    assert not quiet("22:00-07:00", "Europe/Berlin", at(13))


def test_quiet_hours_follow_the_change_to_summer_time() -> None:
    winter = datetime(2026, 1, 1, 21, 30, tzinfo=timezone.utc).timestamp()  # 22:30 in Berlin
    summer = datetime(2026, 7, 1, 20, 30, tzinfo=timezone.utc).timestamp()  # 22:30 in Berlin
    assert quiet("22:00-07:00", "Europe/Berlin", winter)
    assert quiet("22:00-07:00", "Europe/Berlin", summer)


@pytest.mark.parametrize(
    "hours", ["22-7", "24:00-07:00", "22:00-07:60", "22:00 - 07:00", "22:00-22:00", "22:00-07:00x"]
)
def test_what_are_no_hours_is_refused(hours: str) -> None:
    with pytest.raises(ValueError, match=r"is not like|same time"):
        check_hours(hours)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "/etc/localtime", "Europe"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        check_zone(zone)


def limited(**more: object) -> TwilioSettings:
    recipient = RecipientSettings.model_validate(
        {"number": SecretStr("+491701234567"), "quiet_hours": "22:00-07:00", "time_zone": "UTC", "limit": 3, **more}
    )
    return TwilioSettings(recipients={"daughter": recipient})


def test_an_emergency_goes_out_in_quiet_hours_and_nothing_else() -> None:
    settings = limited()
    assert "quiet hours 22:00-07:00 (UTC)" in refusal(settings, "daughter", emergency=False, recent=0, now=at(23))
    assert refusal(settings, "daughter", emergency=True, recent=0, now=at(23)) == ""
    assert refusal(settings, "daughter", emergency=False, recent=0, now=at(12)) == ""


def test_the_rate_limit_holds_for_emergencies_as_well() -> None:
    for emergency in (True, False):
        assert refusal(limited(), "daughter", emergency=emergency, recent=2, now=at(12)) == ""
        words = refusal(limited(), "daughter", emergency=emergency, recent=3, now=at(12))
        assert "twilio.recipients.daughter.limit" in words


def test_with_emergency_only_nothing_else_goes_out() -> None:
    settings = limited().model_copy(update={"emergency_only": True})
    assert "emergency_only" in refusal(settings, "daughter", emergency=False, recent=0, now=at(12))
    assert refusal(settings, "daughter", emergency=True, recent=0, now=at(12)) == ""


@pytest.mark.parametrize(
    "number",
    ["01701234568", "+0170123456", "+49 170 1234567", "+4918", "+1234567890123456", "+49170123456x", "+４９1701234567"],
)
def test_what_is_no_number_is_refused_without_being_shown(number: str) -> None:
    with pytest.raises(ValueError, match=r"E\.164") as caught:
        check_number(number)
    assert number not in str(caught.value)


def test_of_a_number_only_three_digits_are_shown() -> None:
    assert masked("+491701234567") == "…567"
