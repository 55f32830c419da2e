"""Keys pressed in a call: Twilio's callback to our server, signed by the library itself."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from edged.actuators.twilio.keypad import KeypadServer
from edged.actuators.twilio.settings import CallbackSettings
from tests.actuators.twilio.stand_in import TOKEN, StandIn, Thing

PUBLIC = "https://home.example.org/twilio"
KEYPAD = "k" * 24


@pytest.fixture
def pressed() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def server(pressed: list[tuple[str, str]]) -> Iterator[KeypadServer]:
    def answer(keypad: str, digit: str) -> str:
        pressed.append((keypad, digit))
        return "<Response/>"

    made = KeypadServer(CallbackSettings(public_url=PUBLIC, port=0), TOKEN, answer)
    yield made
    made.close()
    made.close()


def call(url: str) -> Thing:
    twiml = f'<Response><Gather action="{url}"/></Response>'
    return Thing("Calls", "CA" + "0" * 32, "+491701234567", "+491", {"Twiml": twiml}, 0.0)


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_a_key_that_twilio_has_signed_is_heard(
    server: KeypadServer, pressed: list[tuple[str, str]], twilio: StandIn
) -> None:
    assert server.url(KEYPAD) == f"{PUBLIC}/keypad/{KEYPAD}"
    assert twilio.press(call(server.url(KEYPAD)), "1", server.port) == (200, "<Response/>")
    assert pressed == [(KEYPAD, "1")]


@pytest.mark.parametrize("token", ["", "another", TOKEN[:-1]])
def test_what_somebody_else_has_signed_is_refused(
    server: KeypadServer, pressed: list[tuple[str, str]], twilio: StandIn, token: str
) -> None:
    assert twilio.press(call(server.url(KEYPAD)), "1", server.port, token=token)[0] == 403
    assert pressed == []


def test_what_was_signed_for_another_call_is_refused(
    server: KeypadServer, pressed: list[tuple[str, str]], twilio: StandIn
) -> None:
    other = call(server.url("other" * 5).replace("home.example.org", "elsewhere.example.org"))
    assert twilio.press(other, "1", server.port)[0] == 403
    assert pressed == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"POST /keypad/" + KEYPAD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"403"),
        (b"POST /keypad/../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /keypad/short HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /keypad/" + KEYPAD.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"413"),
        (b"POST /keypad/" + KEYPAD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /keypad/" + KEYPAD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"413"),
        (b"POST /keypad/" + KEYPAD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\xff\xfe", b"400"),
    ],
)
def test_rubbish_is_answered_and_changes_nothing(
    server: KeypadServer, pressed: list[tuple[str, str]], request_bytes: bytes, status: bytes
) -> None:
    first = raw(server.port, request_bytes).split(b"\r\n")[0]
    assert status in first
    assert pressed == []


def test_connections_that_say_nothing_keep_nobody_out_for_ever_and_none_can_pile_up(
    server: KeypadServer, pressed: list[tuple[str, str]], twilio: StandIn
) -> None:
    before = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        assert threading.active_count() - before <= 17
    finally:
        for each in silent:
            each.close()
    for _ in range(200):
        try:
            answered = twilio.press(call(server.url(KEYPAD)), "1", server.port)
        except OSError:
            continue  # one of the silent ones still has the place
        assert answered[0] == 200
        break
    assert pressed == [(KEYPAD, "1")]


def test_refusals_are_logged_once_and_without_the_address(
    server: KeypadServer, twilio: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for _ in range(5):
            twilio.press(call(server.url(KEYPAD)), "1", server.port, token="another")
    warnings = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "twilio.callback.public_url" in warnings[0]
    assert KEYPAD not in caplog.text


def test_a_port_that_is_taken_is_said_and_is_no_reason_to_end(server: KeypadServer) -> None:
    second = KeypadServer(CallbackSettings(public_url=PUBLIC, port=server.port), TOKEN, lambda _a, _b: "")
    assert f"127.0.0.1:{server.port} cannot be listened at: Address already in use" in second.problem
    assert second.port == 0
    second.close()
