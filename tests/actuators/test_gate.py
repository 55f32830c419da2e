"""The door: what may be trusted comes in, once; all else is refused, counted, and told why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.actuators.asking import encoded
from edged.actuators.effects import Release, Tell
from edged.actuators.sensitive import Text
from edged.bus.message import Message
from edged.jobs import UNKNOWN_ID
from edged.signing import signature
from tests.actuators.bench import KEY, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def resigned(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    changed = {**{name: value for name, value in request.items() if name != "signature"}, **changes}
    return {**changed, "signature": signature(changed, KEY)}


def test_a_good_request_is_a_job(bench: Bench) -> None:
    told = bench.take(bench.request())
    assert [each.state for each in told] == ["accepted", "running"]
    assert dict(bench.gate.refused) == {}


# -- what is refused ------------------------------------------------------------------------------------------------


def test_each_refusal_is_counted_by_its_kind_and_told_under_its_id(bench: Bench) -> None:
    request = bench.request
    for kind, bad, word in (
        ("unsigned", {**request(), "signature": None}, "not signed"),
        ("unsigned", resigned(request(), nonce=""), "nonce"),
        ("unsigned", resigned(request(), nonce="n" * 129), "nonce"),
        ("altered", {**request(), "action": "alert"}, "does not fit"),
        ("altered", request(key=b"\1" * 32), "does not fit"),
        ("altered", resigned(request(), actuator="other"), "another actuator"),
        ("stale", request(age_seconds=61), "expired 1.0 s ago"),
        ("stale", request(life_seconds=86401), "longest_life_seconds"),
        ("stale", resigned(request(), issued_at=None), "missing"),
        ("clock", request(age_seconds=-11), "clock is 11.0 s ahead"),
        ("malformed", resigned(request(), colour="red"), "`colour`"),
        ("malformed", resigned(request(), text=5), "$.text"),
        ("malformed", resigned(request(), issued_at=True), "$.issued_at"),
        ("malformed", resigned(request(), options=[]), "$.options"),
        ("malformed", resigned(request(), text="x", sealed="eA=="), "not given together"),
        ("altered", resigned(request(), sealed="eA=="), "cannot be opened"),
        ("altered", resigned(request(), sealed="ü"), "cannot be opened"),
    ):
        before = bench.gate.refused[kind]
        told = bench.take(bad)
        assert [(each.id, each.state) for each in told] == [(bad["id"], "rejected")], (kind, bad)
        assert word in told[0].reason
        assert bench.gate.refused[kind] == before + 1
    assert bench.begun == []
    assert bench.engine.register.ends == {"rejected": 17}


@pytest.mark.parametrize("bad", ["short", "x" * 65, "has space", "a/b/c/d/e/f", "+" * 10, "ü" * 10, 5, None, ["a"], ""])
def test_an_id_that_is_none_is_never_a_topic(bench: Bench, bad: Any) -> None:
    (told,) = bench.take(resigned(bench.request(), id=bad))
    assert (told.id, told.state) == (UNKNOWN_ID, "rejected")


def deep(levels: int) -> bytes:
    return b'{"options":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\0", b"rubbish", b"[]", b'"stop"', b"null", b"1e999", b"{", b"{}{}", b"\xff\xfe{}", b"\xef\xbb\xbf{}",
        b'{"id": NaN}', b'{"issued_at": 1e999}', b'{"a": 1' + b"0" * 5000 + b"}", b'{"text": "\\ud800"}',
        b'{"text": "\xed\xa0\x80"}', deep(17), deep(900), deep(100_000), b"[" * 200_000, b"x" * 10_000_000,
        b'{"text": "' + b"x" * 10_000_000 + b'"}', "{}".encode("utf-16"),
    ],
)  # fmt: skip
def test_rubbish_is_refused_and_quoted_nowhere(bench: Bench, payload: bytes) -> None:
    (told,) = bench.take(payload)
    assert (told.id, told.state, told.action) == (UNKNOWN_ID, "rejected", "unknown")
    assert len(told.reason) < 200
    assert dict(bench.gate.refused) == {"malformed": 1}


def test_a_name_given_twice_is_refused_for_two_readers_would_read_two_things(bench: Bench) -> None:
    request = bench.request("say", text=Text("pay 10"))
    payload = encoded(request)
    for twice in (
        payload.replace(b'"text":"pay 10"', b'"text":"pay 1000","text":"pay 10"'),
        payload.replace(b'"text":"pay 10"', b'"te\\u0078t":"pay 1000","text":"pay 10"'),
        payload.replace(b'"options":{', b'"options":{"a":1,"a":1,') if b'"options"' in payload else payload[:-1] + b',"id":"a","id":"a"}',
    ):  # fmt: skip
        assert "a name twice" in bench.take(twice)[0].reason
    assert bench.take(payload)[0].state == "accepted"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nothing_that_comes_in_raises(bench: Bench, payload: bytes) -> None:
    bench.take(payload)
    bench.take(payload, retain=True)
    assert bench.begun == []


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_of_a_signed_request_does_anything_else_than_was_asked(bench: Bench, data: st.DataObject) -> None:
    request = bench.request("do", options={"number": 5})
    payload = bytearray(encoded(request))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "insert", "double"]))
        if how == "flip":
            payload[place] ^= data.draw(st.integers(1, 255))
        elif how == "cut":
            del payload[place]
        elif how == "insert":
            payload.insert(place, data.draw(st.integers(0, 255)))
        else:
            payload[place:place] = payload[place : place + 10]
    bench.begun.clear()
    bench.take(bytes(payload))
    for wish in bench.begun:  # white space, or another way to write the same number
        assert (wish.id, wish.action, wish.options["number"]) == (request["id"], "do", 5)
    if bench.engine.running:
        bench.end()


# -- again ----------------------------------------------------------------------------------------------------------


def test_the_same_request_again_is_one_job_and_gets_the_answer_it_had(bench: Bench) -> None:
    request = bench.request()
    bench.take(request)
    assert [each.state for each in bench.take(request)] == ["running"]
    assert dict(bench.gate.refused) == {"repeated": 1}
    bench.end()
    assert [each.state for each in bench.take(request, duplicate=True)] == ["succeeded"]
    assert [each.state for each in bench.take(request)] == ["succeeded"]
    assert dict(bench.gate.refused) == {"repeated": 2, "replayed": 1}
    bench.wait(3600)
    assert [each.state for each in bench.take(request)] == ["succeeded"]  # stale, and known
    bench.crash()
    assert [each.state for each in bench.take(request)] == ["succeeded"]
    assert len(bench.begun) == 1


def test_the_same_id_for_something_else_is_not_done_and_that_is_said(bench: Bench) -> None:
    first = bench.request("do", options={"number": 1}, job_id="my-own-id")
    bench.take(first)
    bench.end()
    for other in (
        bench.request("do", options={"number": 2}, job_id="my-own-id"),
        bench.request("ask", options={"number": 1}, job_id="my-own-id"),
        bench.request("do", text=Text("x"), options={"number": 1}, job_id="my-own-id"),
    ):
        (told,) = bench.take(other)
        assert told.state == "succeeded"  # the job there is had its end, and has no other
        assert told.refused_nonce == other["nonce"]
        assert "was used before, for something else" in told.reason
    assert dict(bench.gate.refused) == {"conflict": 3}
    again = bench.request("do", options={"number": 1}, job_id="my-own-id")  # asked anew: the same wish
    assert bench.take(again)[0].refused_nonce is None
    bench.crash()
    assert bench.take(bench.request("do", options={"number": 2}, job_id="my-own-id"))[0].refused_nonce
    assert len(bench.begun) == 1


def test_the_same_sensitive_text_sealed_anew_is_the_same_wish_and_another_is_not(bench: Bench) -> None:
    text = Text("hunter2", sensitive=True)
    bench.take(bench.request("say", text=text, job_id="my-own-id"))
    assert bench.take(bench.request("say", text=text, job_id="my-own-id"))[0].refused_nonce is None
    other = bench.request("say", text=Text("hunter3", sensitive=True), job_id="my-own-id")
    assert bench.take(other)[0].refused_nonce == other["nonce"]
    bench.ledger.close()
    kept = b"".join(path.read_bytes() for path in bench.folder.iterdir())
    assert b"hunter" not in kept
    bench.start()


def test_a_nonce_serves_one_request_whoever_signs_the_second(bench: Bench) -> None:
    first = bench.request()
    bench.take(first)
    (told,) = bench.take(resigned(bench.request(), nonce=first["nonce"]))
    assert told.state == "rejected"
    assert "nonce was used before" in told.reason
    assert dict(bench.gate.refused) == {"replayed": 1}


def test_a_stranger_says_nothing_of_a_job_that_is_there(bench: Bench) -> None:
    job = bench.ask("do")
    for bad in (
        {"id": job, "action": "do"},
        {**bench.request(job_id=job), "text": "x"},
        {"id": job, "action": "stop", "signature": "0" * 64, "actuator": "other"},
    ):
        assert bench.take(bad) == []
    assert bench.last(job).state == "running"


def test_after_the_memory_was_lost_nothing_older_than_it_is_done(bench: Bench) -> None:
    request = bench.request()
    bench.wait(5)
    bench.ledger.begin(bench.now.unix)
    bench.crash()
    (told,) = bench.take(request)
    assert (told.state, bench.gate.refused["stale"]) == ("rejected", 1)
    assert "memory of this actuator begins at" in told.reason
    assert bench.take(bench.request())[0].state == "accepted"


# -- retained -------------------------------------------------------------------------------------------------------


def test_a_retained_request_is_refused_and_clearing_it_is_no_request(bench: Bench) -> None:
    (told,) = bench.take(bench.request(), retain=True)
    assert "retained requests are refused" in told.reason
    assert dict(bench.gate.refused) == {"retained": 1}
    assert bench.take(b"", retain=True) == []
    assert bench.begun == []


# -- clocks ---------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_ahead_is_named_until_a_request_comes_in_time(bench: Bench) -> None:
    bench.take(bench.request(age_seconds=-3600))
    assert "3600.0 s ahead" in bench.gate.clock_problem
    assert bench.gate.clock_offset_seconds == 3600
    bench.take(b"rubbish")
    assert bench.gate.clock_problem
    bench.take(bench.request())
    assert bench.gate.clock_problem == ""


def test_a_clock_that_is_behind_is_named_when_request_after_request_seems_late(bench: Bench) -> None:
    for number in range(3):
        assert bench.gate.clock_problem == ""
        bench.take(bench.request(age_seconds=45 if number else 90))  # good for 60
    assert "came 45.0 s after they were issued" in bench.gate.clock_problem
    assert "behind the clock of this machine" in bench.gate.clock_problem
    bench.take(bench.request())
    assert bench.gate.clock_problem == ""


def test_a_few_requests_that_waited_at_the_broker_are_no_wrong_clock(bench: Bench) -> None:
    for duplicate in (True, True, True, False, False):
        bench.take(bench.request(age_seconds=45), duplicate=duplicate)
    assert bench.gate.clock_problem == ""


def test_our_own_clock_that_jumps_does_not_make_a_request_good_twice(bench: Bench) -> None:
    request = bench.request()
    bench.take(request)
    bench.end()
    bench.jump(30 * 86400)
    bench.ledger.forget_old(bench.now.unix)
    bench.jump(-30 * 86400)
    assert [each.state for each in bench.take(request)] == ["succeeded"]
    assert len(bench.begun) == 1


# -- the emergency stop ---------------------------------------------------------------------------------------------


def test_the_stop_needs_no_signature_and_works_whenever_it_is_pressed(bench: Bench) -> None:
    for _ in range(2):
        job = bench.ask("do")
        told = bench.take(b'{"action": "stop", "id": "the-same-id"}')
        assert any(isinstance(each, Release) for each in bench.effects)
        assert bench.halted()
        assert (told[-1].id, told[-1].state) == ("the-same-id", "succeeded")
        bench.end("cancelled", "nothing was done")
        assert bench.last(job).state == "cancelled"
        assert bench.take(bench.request("reset"))[0].state == "succeeded"
    assert dict(bench.gate.refused) == {}


def stops(bench: Bench) -> list[dict[str, Any]]:
    request = bench.request
    return [
        request("stop", age_seconds=-3600),  # the clock of who presses it is wrong
        request("stop", age_seconds=3600),
        request("stop", key=b"\1" * 32),
        resigned(request("stop"), colour="red"),
        resigned(request("stop"), nonce=""),
        resigned(request("stop"), text="now!"),
        resigned(request("stop"), options={"reason": 5, "why": []}),
        {"action": "stop", "options": {"reason": "x" * 5000}, "more": 1},
        {"action": "stop", "id": "/", "text": 5},
    ]


@pytest.mark.parametrize("number", range(9))
def test_whatever_else_is_wrong_with_it_a_stop_stops(bench: Bench, number: int) -> None:
    job = bench.ask("do")
    told = bench.take(stops(bench)[number])
    assert bench.halted()
    assert bench.stopped()
    assert told[-1].state == "succeeded"
    assert len(bench.engine.latch.words) < 300
    assert bench.last(job).state == "running"


def test_a_retained_stop_stops_and_is_counted(bench: Bench) -> None:
    for request in (bench.request("stop"), {"action": "stop"}):
        bench.take(request, retain=True)
        assert bench.stopped()
        bench.carry(bench.engine.reset(bench.now))
    assert dict(bench.gate.refused) == {"retained": 1}


def test_a_stop_for_another_actuator_is_none(bench: Bench) -> None:
    bench.take({"action": "stop", "actuator": "other"})
    assert not bench.stopped()


def test_a_signed_stop_that_is_sent_again_does_not_undo_a_reset(bench: Bench) -> None:
    stop = bench.request("stop")
    assert bench.take(stop)[-1].id == stop["id"]
    assert bench.take(bench.request("reset"))[0].state == "succeeded"
    assert [each.state for each in bench.take(stop, duplicate=True)] == ["succeeded"]
    assert not bench.stopped()


def test_the_owner_may_want_stops_signed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, signing={"unsigned_stop": False})
    for number, bad in enumerate(stops(bench)):
        if number not in (5, 6):  # signed well: only what it says is odd
            bench.take(bad)
    bench.take(b'{"action": "stop"}')
    assert not bench.stopped()
    bench.take(bench.request("stop"))
    assert bench.stopped()
    bench.ledger.close()


def test_a_reset_needs_a_signature_and_cannot_be_replayed(bench: Bench) -> None:
    bench.take(b'{"action": "stop"}')
    reset = bench.request("reset")
    for bad in ({**reset, "signature": None}, {**reset, "signature": "0" * 64}, {"action": "reset"}):
        assert bench.take(bad)[0].state == "rejected"
    assert bench.take(bench.request("reset"), retain=True)[0].state == "rejected"
    assert bench.stopped()
    assert bench.take(reset)[0].state == "succeeded"
    assert not bench.stopped()
    bench.take(b'{"action": "stop"}')
    bench.take(reset)
    bench.crash()
    bench.take(reset)
    assert bench.stopped()


# -- where signing is off -------------------------------------------------------------------------------------------


def test_without_signing_the_rest_still_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, signing={"required": False})
    good = {**bench.request(key=None)}
    assert bench.take(good)[0].state == "accepted"
    assert [each.state for each in bench.take(good)] == ["running"]
    for kind, bad in (
        ("stale", bench.request(key=None, age_seconds=100)),
        ("clock", bench.request(key=None, age_seconds=-100)),
        ("altered", {**bench.request(key=None), "actuator": "other"}),
        ("malformed", {**bench.request(key=None), "sealed": "eA=="}),
        ("malformed", {"action": "do"}),
        ("stale", {"action": "do", "id": "12345678"}),
    ):
        before = bench.gate.refused[kind]
        assert bench.take(bad)[0].state == "rejected"
        assert bench.gate.refused[kind] == before + 1, bad
    bench.take(b'{"action": "stop"}')
    assert bench.stopped()
    assert bench.take(bench.request("reset", key=None))[0].state == "succeeded"
    bench.ledger.close()


def test_signing_is_off_only_on_the_loopback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only possible with a broker on the loopback"):
        Bench(tmp_path, signing={"required": False}, mqtt={"host": "broker.example"})


def test_a_request_that_cannot_be_noted_is_not_done_and_is_told_once_the_disk_is_read(bench: Bench) -> None:
    bench.ledger.close()  # every use of the database fails from now on
    effects = bench.gate.take(Message("t", encoded(bench.request()), 1, retain=False), bench.now)
    assert effects == []  # nobody can tell whether there is such a job already
    assert dict(bench.gate.refused) == {"unnoted": 1}
    assert "cannot be used" in bench.engine.register.last_error
    effects = bench.gate.take(Message("t", encoded(bench.request("stop")), 1, retain=False), bench.now)
    assert bench.stopped()
    assert any(isinstance(each, Tell) and each.state.state == "succeeded" for each in effects)
    bench.start()
    assert bench.stopped()


def test_what_is_told_is_one_short_line_whatever_a_stranger_writes(bench: Bench) -> None:
    evil = "do\nERROR forged\x1b[2J" + "x" * 100_000
    for payload in ({"action": evil}, {"action": "do", evil: 1}, resigned(bench.request(), action=evil)):
        (told,) = bench.take(payload)
        assert told.action.isprintable()
        assert told.reason.isprintable()
        assert len(json.dumps(told.reason)) < 2000


def test_without_signing_a_switch_may_reset_with_the_same_words_each_time_but_not_retained(tmp_path: Path) -> None:
    bench = Bench(tmp_path, signing={"required": False})
    for _ in range(2):
        bench.take(b'{"action": "stop"}')
        assert bench.stopped()
        assert bench.take(b'{"action": "reset"}', retain=True)[0].state == "rejected"
        assert bench.stopped()
        assert bench.take(b'{"action": "reset"}')[0].state == "succeeded"
        assert not bench.stopped()
    bench.ledger.close()


def test_a_memory_that_was_begun_by_a_clock_ahead_begins_anew_once_the_clock_is_right(bench: Bench) -> None:
    bench.jump(365 * 86400)
    bench.engine.begin_memory(bench.now)
    bench.jump(-365 * 86400)
    told = bench.take(bench.request(age_seconds=1.0))[-1]
    assert told.state == "rejected"
    assert "ask again" in told.reason
    bench.pass_by(1)
    assert bench.take(bench.request())[0].state == "accepted"
    assert bench.ledger.trusted_since < bench.now.unix
