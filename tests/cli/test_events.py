"""`edged events` against a real broker."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.bus.bus import Bus
from edged.bus.message import Message
from edged.bus.outbox import MemoryOutbox
from edged.bus.private_broker import PrivateBroker
from edged.cli.events import line, read
from edged.settings import MqttSettings
from edged.states import PresenceState
from tests.brokers import broker_here
from tests.bus.listening import blink

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    with broker_here() as running:
        yield running


@pytest.fixture
def bus(broker: PrivateBroker) -> Iterator[Bus]:
    running = Bus(MqttSettings(host=broker.host, port=broker.port), "front", MemoryOutbox())
    running.state("presence", PresenceState(True, 1, "2026-01-01T00:00:00.000Z"))
    running.start()
    yield running
    running.stop(1)


class Listener:
    """`edged events` in its own process; `feed` makes events until it has what it wants."""

    def __init__(self, port: int, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edged", "events", "--port", str(port), "--host", "127.0.0.1", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"},
        )  # fmt: skip

    def feed(self, bus: Bus) -> tuple[str, str]:
        for sequence in range(300):
            bus.event(blink(sequence), 1)
            try:
                return self.process.communicate(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
        self.process.kill()
        raise AssertionError("it never ended")


def test_json_is_one_payload_a_line(broker: PrivateBroker, bus: Bus) -> None:
    listener = Listener(broker.port, "--json", "--count", "2", "--camera", "front", "--kind", "blink")
    output, errors = listener.feed(bus)
    payloads = [json.loads(each) for each in output.splitlines()]
    assert [payload["kind"] for payload in payloads] == ["blink", "blink"]
    assert (listener.process.returncode, errors) == (0, "")


def test_states_come_too_if_asked_for(broker: PrivateBroker, bus: Bus) -> None:
    output, _ = Listener(broker.port, "--json", "--count", "1", "--states", "--kind", "drowsy").feed(bus)
    assert json.loads(output) == {
        "camera": "front", "state": "presence", "someone": True, "people": 1, "since": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip


def test_a_readable_line(broker: PrivateBroker, bus: Bus) -> None:
    output, _ = Listener(broker.port, "--count", "1").feed(bus)
    assert output.split() == ["08:00:00.000", "front", "blink", "single,", "120", "ms,", "down", "to", "0.10"]


def test_other_kinds_and_cameras_are_not_shown_and_too_few_is_failure(broker: PrivateBroker, bus: Bus) -> None:
    listener = Listener(broker.port, "--kind", "gaze", "--count", "1", "--timeout", "0.5")
    output, _ = listener.feed(bus)
    assert (output, listener.process.returncode) == ("", 1)
    listener = Listener(broker.port, "--camera", "back", "--timeout", "0.5")
    output, _ = listener.feed(bus)
    assert (output, listener.process.returncode) == ("", 0)


def test_no_broker_is_exit_5_and_one_sentence() -> None:
    listener = Listener(1)
    output, errors = listener.process.communicate(timeout=30)
    assert (output, listener.process.returncode) == ("", 5)
    assert errors.startswith("edged: no broker answers at 127.0.0.1:1")
    assert errors.count("\n") == 1


def test_a_kind_that_is_none_is_usage_and_guessed() -> None:
    listener = Listener(1, "--kind", "blik")
    _, errors = listener.process.communicate(timeout=30)
    assert listener.process.returncode == 2
    assert "Did you mean blink" in errors


def test_interrupt_is_quiet(broker: PrivateBroker, bus: Bus) -> None:
    listener = Listener(broker.port)
    _wait_for_a_line(listener, bus)
    listener.process.send_signal(signal.SIGINT)
    _, errors = listener.process.communicate(timeout=10)
    assert (listener.process.returncode, errors) == (130, "")


def _wait_for_a_line(listener: Listener, bus: Bus) -> None:
    assert listener.process.stdout is not None
    for sequence in range(1000, 1300):
        bus.event(blink(sequence), 1)
        if select.select([listener.process.stdout], [], [], 0.1)[0]:
            return
    raise AssertionError("nothing was printed")


def test_a_reader_that_has_enough_is_no_error(broker: PrivateBroker, bus: Bus) -> None:
    listener = Listener(broker.port)
    _wait_for_a_line(listener, bus)
    assert listener.process.stdout is not None
    listener.process.stdout.close()
    for sequence in range(2000, 2300):
        bus.event(blink(sequence), 1)
        try:
            listener.process.wait(0.1)
            break
        except subprocess.TimeoutExpired:
            continue
    assert listener.process.stderr is not None
    assert (listener.process.wait(5), listener.process.stderr.read()) == (0, "")
    listener.process.stderr.close()


def test_strangers_cannot_steer_the_terminal() -> None:
    payload = {"kind": "bl\x1b[2Jink", "camera": "a\x07", "at": "\x1b]0;x", "gesture": "\x1b[31m"}
    assert "\x1b" not in line(payload).plain
    assert "\x07" not in line(payload).plain


def test_an_event_of_a_shape_we_do_not_know_is_still_shown() -> None:
    text = line(
        {"kind": "blink", "camera": "front", "at": "2026-01-01T00:00:00.000Z", "gesture": None, "new": 1.5}
    ).plain
    assert "gesture none, new 1.50" in text


@pytest.mark.parametrize("payload", [b"", b"x", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_not_read(payload: bytes) -> None:
    assert read(Message("edged/camera/front/event/blink", payload, 1, False)) is None
