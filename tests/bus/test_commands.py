from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.bus.commands import CommandDesk, Repetition, Reply, Request
from edged.bus.message import Message
from edged.topics import Command, Response

ANSWER = "edged/camera/front/response/"


def desk() -> CommandDesk:
    return CommandDesk("edged", "front")


def command(payload: bytes = b"", name: str = "pause", **more: Any) -> Message:
    return Message(f"edged/camera/front/command/{name}", payload, 1, more.pop("retain", False), **more)


def answer(taken: object) -> Response:
    assert isinstance(taken, Reply)
    return msgspec.json.decode(taken.payload, type=Response)


@pytest.mark.parametrize("payload", [b"", b"  ", b"{}", b'{"transaction": null}'])
def test_an_empty_wish_is_a_wish(payload: bytes) -> None:
    assert desk().take(command(payload), 0) == Request("pause", Command(), None, None)


def test_transaction_response_topic_and_correlation_are_handed_on() -> None:
    message = command(b'{"transaction": "7"}', properties={"response_topic": "me/7", "correlation": b"\0x"})
    request = desk().take(message, 0)
    assert request == Request("pause", Command("7"), "me/7", b"\0x")
    assert isinstance(request, Request)
    reply = desk().answer(request, Response("ok", "pause", "7"))
    assert reply.topics == ((ANSWER + "pause", b"\0x"), ("me/7", b"\0x"))


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[]",
        b'"pause"',
        b"PRESS",
        b'{"pause": false}',
        b"\xff\xfe",
        b'{"transaction": 7}',
        b"[" * 60_000,
        b"NaN",
        b"1" * 70_000,
    ],
)
def test_a_malformed_payload_is_answered(payload: bytes) -> None:
    response = answer(desk().take(command(payload), 0))
    assert response.status == "error"
    assert "payload" in str(response.error)


def test_an_unknown_command_is_told_the_known_ones() -> None:
    taken = desk().take(command(b'{"transaction": "t"}', name="rest"), 0)
    response = answer(taken)
    assert (response.command, response.transaction) == ("rest", "t")
    assert "restart, pause, resume, snapshot" in str(response.error)
    assert "did you mean restart?" in str(response.error)


def test_a_name_unfit_for_a_topic_is_not_copied_into_one() -> None:
    taken = desk().take(command(name="Ä" * 200), 0)
    assert isinstance(taken, Reply)
    assert taken.topics == ((ANSWER + "unknown", None),)


def test_a_retained_command_is_refused_and_clearing_it_is_silent() -> None:
    response = answer(desk().take(command(b"{}", retain=True), 0))
    assert "retained" in str(response.error)
    assert desk().take(command(b"", retain=True), 0) is None


@pytest.mark.parametrize(
    "topic",
    ["", "a/+", "a/#", "$SYS/x", "edged/camera/front/command/pause", "edged/camera/front/availability",
     "edged/camera/back/state/gaze", "edged/actuator/door/request", "homeassistant/x"],
)  # fmt: skip
def test_a_response_topic_that_would_pass_for_something_else_is_refused(topic: str) -> None:
    taken = desk().take(command(b"{}", properties={"response_topic": topic}), 0)
    assert "response topic" in str(answer(taken).error)
    assert isinstance(taken, Reply)
    assert [each for each, _ in taken.topics] == [ANSWER + "pause"]


def test_our_own_response_topic_is_answered_once() -> None:
    here = desk()
    request = here.take(command(b"{}", properties={"response_topic": ANSWER + "pause"}), 0)
    assert isinstance(request, Request)
    assert here.answer(request, Response("ok", "pause")).topics == ((ANSWER + "pause", None),)


def test_the_same_transaction_within_a_minute_is_acted_on_once_and_gets_the_same_answer() -> None:
    here = desk()
    message = command(b'{"transaction": "1"}')
    request = here.take(message, 0)
    assert isinstance(request, Request)
    assert here.take(message, 1) == Repetition(None)
    reply = here.answer(request, Response("ok", "pause", "1"))
    assert here.take(message, 59) == Repetition(reply)
    assert isinstance(here.take(message, 61), Request)
    assert isinstance(here.take(command(b'{"transaction": "1"}', name="resume"), 2), Request)


def test_without_a_transaction_only_the_brokers_mark_makes_a_repetition() -> None:
    here = desk()
    assert isinstance(here.take(command(b"{}"), 0), Request)
    assert isinstance(here.take(command(b"{}"), 1), Request)
    assert isinstance(here.take(command(b"{}", duplicate=True), 2), Repetition)
    assert isinstance(here.take(command(b"{}", duplicate=True), 4000), Request)


def test_a_redelivery_whose_first_delivery_never_came_is_acted_on() -> None:
    assert isinstance(desk().take(command(b"{}", duplicate=True), 0), Request)


def test_an_answer_does_not_stray_to_another_wish() -> None:
    here = desk()
    with_transaction = command(b'{"transaction": "1"}')
    here.take(with_transaction, 0)
    plain = here.take(command(b""), 0)
    assert isinstance(plain, Request)
    here.answer(plain, Response("ok", "pause"))
    assert here.take(with_transaction, 1) == Repetition(None)


def test_memory_is_bounded() -> None:
    here = desk()
    for number in range(5000):
        here.take(command(f'{{"transaction": "{number}"}}'.encode()), 0)
    assert isinstance(here.take(command(b'{"transaction": "0"}'), 1), Request)
    assert isinstance(here.take(command(b'{"transaction": "4999"}'), 1), Repetition)


@given(payload=st.binary(max_size=200), name=st.text(max_size=80), retain=st.booleans(), topic=st.none() | st.text())
def test_no_message_raises(payload: bytes, name: str, retain: bool, topic: str | None) -> None:
    properties = {} if topic is None else {"response_topic": topic}
    taken = desk().take(command(payload, name=name, retain=retain, properties=properties), 0)
    assert taken is None or isinstance(taken, Request | Reply)
