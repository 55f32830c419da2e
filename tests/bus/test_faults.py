"""Brokers that are absent, die, freeze, refuse; wires that break; daemons that are killed."""

from __future__ import annotations

import logging
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from edged.bus.bus import Bus
from edged.bus.outbox import MemoryOutbox, OutgoingEvent
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.errors import BrokerError
from edged.settings import MqttSettings
from edged.states import PresenceState
from tests.bus.conftest import MakeBus, settings_for
from tests.bus.listening import Listening, blink, health
from tests.bus.wire import Wire


def wait_until(true: Callable[[], bool], timeout_seconds: float = 15) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not true():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def presence(people: int) -> PresenceState:
    return PresenceState(people > 0, people, "2026-01-01T00:00:00.000Z")


def test_without_a_broker_it_starts_says_why_and_connects_when_one_comes(make_bus: MakeBus) -> None:
    broker = PrivateBroker()
    bus = make_bus(settings_for(broker.port))
    bus.event(blink(0), 1)
    bus.state("presence", presence(1))
    wait_until(lambda: "no broker answers" in bus.problem)
    assert not bus.connected
    try:
        broker.start()
        wait_until(lambda: bus.connected)
        with Subscriber(settings_for(broker.port), ["#"]) as subscriber:
            listening = Listening(subscriber)
            bus.event(blink(1), 1)
            listening.until(lambda: 1 in listening.sequences() and bool(listening.on("state/presence")))
        assert bus.problem == ""
    finally:
        broker.stop()


def test_a_name_that_cannot_be_resolved_is_one_plain_sentence(make_bus: MakeBus) -> None:
    bus = make_bus(MqttSettings(host="no-such-host.invalid", reconnect_max_seconds=0.5))
    wait_until(lambda: "cannot be resolved" in bus.problem, 30)


def test_no_event_is_lost_or_overtaken_when_the_wire_is_cut_anywhere(
    broker: PrivateBroker, listening: Listening, make_bus: MakeBus
) -> None:
    chance = random.Random(4)
    wire = Wire(broker.port)
    outbox = MemoryOutbox()
    bus = make_bus(settings_for(wire.port), outbox)
    sent = 0
    people = 0
    for cut in range(1, 13):
        wait_until(lambda: bus.connected)
        wire.cut_after(chance.randint(1, 3000))
        while wire.cuts < cut:
            bus.event(blink(sent), sent)
            sent += 1
            people = sent % 5
            bus.state("presence", presence(people))
            time.sleep(0.002)
    wait_until(lambda: len(outbox) == 0)
    listening.until(lambda: len(listening.sequences()) == sent)
    assert listening.sequences() == list(range(sent))
    # The last event may have been acknowledged before the last cut, and the state only be sent with the next connect.
    listening.until(lambda: bool(listening.last("state/presence")["people"] == people and listening.online()))
    listening.rest()
    assert listening.last("state/presence")["people"] == people
    assert listening.online()
    assert bus.lost_events == 0
    bus.stop(2)
    wire.close()


def test_no_event_is_lost_when_a_broker_with_persistence_restarts(make_bus: MakeBus) -> None:
    with PrivateBroker(persistent=True) as broker:
        settings = settings_for(broker.port)
        kept = Subscriber(settings, ["edged/#"], client_id="kept", session_expiry_seconds=3600)
        with kept as subscriber:
            listening = Listening(subscriber)
            bus = make_bus(settings)
            sent = 0
            for _ in range(4):
                for _ in range(40):
                    bus.event(blink(sent), 1)
                    sent += 1
                broker.terminate()
                for _ in range(10):
                    bus.event(blink(sent), 1)
                    sent += 1
                broker.start()
                wait_until(lambda: bus.connected)
            listening.until(lambda: len(listening.sequences()) == sent)
            assert listening.sequences() == list(range(sent))


def test_after_a_killed_broker_forgot_everything_states_are_true_and_commands_heard(make_bus: MakeBus) -> None:
    broker = PrivateBroker()
    broker.start()
    settings = settings_for(broker.port)
    try:
        bus = make_bus(settings)
        for people in range(1, 4):
            wait_until(lambda: bus.connected)
            broker.kill()
            wait_until(lambda: not bus.connected)
            bus.state("presence", presence(9))
            bus.state("presence", presence(people))
            bus.health(health(str(people)))
            bus.event(blink(people), 1)
            broker.start()
            with Subscriber(settings, ["#"]) as subscriber:
                listening = Listening(subscriber)
                listening.until(listening.online)
                assert listening.last("state/presence")["people"] == people
                assert listening.last("/health")["reasons"] == [str(people)]
                subscriber.publish("edged/camera/front/command/pause")
                wait_until(lambda: bool(bus.requests()))
    finally:
        broker.stop()


def test_a_frozen_broker_is_noticed_and_served_when_it_thaws(
    broker: PrivateBroker, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(settings_for(broker.port))
    listening.until(listening.online)
    broker.freeze()
    for sequence in range(100):
        bus.event(blink(sequence), 1)
        bus.state("presence", presence(sequence))
    wait_until(lambda: not bus.connected, 20)
    assert bus.problem
    broker.thaw()
    listening.until(lambda: len(listening.sequences()) == 100 and bus.connected, 30)
    assert listening.sequences() == list(range(100))
    listening.rest()
    assert listening.last("state/presence")["people"] == 99
    assert listening.online()


def test_stop_is_bounded_when_the_broker_is_frozen_and_the_will_follows(
    broker: PrivateBroker, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(settings_for(broker.port))
    listening.until(listening.online)
    broker.freeze()
    for sequence in range(100):
        bus.event(blink(sequence), 1)
    started = time.monotonic()
    bus.stop(0.5)
    assert time.monotonic() - started < 1.5  # bounded; nothing here measures speed
    broker.thaw()
    listening.until(lambda: listening.on("/availability")[-1] == b"offline")


def test_stop_is_bounded_while_connecting(make_bus: MakeBus) -> None:
    with PrivateBroker() as broker:
        broker.freeze()
        bus = make_bus(settings_for(broker.port))
        time.sleep(0.2)
        started = time.monotonic()
        bus.stop(0.3)
        assert time.monotonic() - started < 1.3


def test_a_daemon_that_is_killed_leaves_its_will(broker: PrivateBroker, listening: Listening) -> None:
    program = (
        "import time; from edged.bus.bus import Bus; from edged.bus.outbox import MemoryOutbox;"
        "from edged.settings import MqttSettings;"
        f"Bus(MqttSettings(host='127.0.0.1', port={broker.port}), 'front', MemoryOutbox()).start(); time.sleep(60)"
    )
    daemon = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    listening.until(listening.online)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    listening.until(lambda: listening.on("/availability")[-1] == b"offline")
    with Subscriber(settings_for(broker.port), ["#"]) as subscriber:
        late = Listening(subscriber)
        late.until(lambda: late.on("/availability") == [b"offline"])


@pytest.fixture
def guarded(tmp_path: Path) -> PrivateBroker:
    """A broker that wants a password: edged / right-Secret-1."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "edged", "right-Secret-1"], check=True)
    return PrivateBroker(anonymous=False, lines=[f"password_file {passwords}"])


def test_a_wrong_password_is_one_sentence_without_it_and_a_mended_file_lets_us_in(
    guarded: PrivateBroker, tmp_path: Path, make_bus: MakeBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "secret"
    secret.write_text("wrong-Secret-2\n")
    with guarded as broker:
        bus = make_bus(settings_for(broker.port, username="edged", password_file=secret))
        wait_until(lambda: "refuses the user name or the password" in bus.problem or "not authorised" in bus.problem)
        assert "Secret" not in bus.problem
        secret.write_text("right-Secret-1\nsecond line\n")
        wait_until(lambda: bus.connected)
        secret.unlink()
        broker.kill()
        wait_until(lambda: str(secret) in bus.problem)
    assert "Secret" not in caplog.text


def test_password_from_settings_and_from_a_systemd_credential(
    guarded: PrivateBroker, tmp_path: Path, make_bus: MakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with guarded as broker:
        given = make_bus(settings_for(broker.port, username="edged", password=SecretStr("right-Secret-1")), camera="a")
        (tmp_path / "mqtt_password").write_text("right-Secret-1")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        credential = make_bus(settings_for(broker.port, username="edged"), camera="b")
        wait_until(lambda: given.connected and credential.connected)


def test_a_subscriber_says_at_once_why_it_is_refused(guarded: PrivateBroker) -> None:
    with guarded as broker, pytest.raises(BrokerError, match=r"refuse|authorised"):
        Subscriber(settings_for(broker.port), ["#"], patience_seconds=0).__enter__()
    with pytest.raises(BrokerError, match="no broker answers"):
        Subscriber(settings_for(guarded.port), ["#"], patience_seconds=0).__enter__()


class TroubledOutbox(MemoryOutbox):
    """Raises once when asked what is pending: as a disk does."""

    def __init__(self, trouble: BaseException) -> None:
        super().__init__()
        self.trouble: BaseException | None = trouble

    def pending(self, after: int, limit: int) -> list[tuple[int, OutgoingEvent]]:
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble
        return super().pending(after, limit)


def test_an_error_on_the_network_thread_costs_a_reconnect_and_nothing_else(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus, caplog: pytest.LogCaptureFixture
) -> None:
    bus = make_bus(mqtt, TroubledOutbox(OSError("the disk is full")))
    bus.event(blink(0), 1)
    listening.until(lambda: listening.sequences() == [0])
    assert bus.connected
    assert "the disk is full" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_network_thread_that_dies_is_seen_and_replaced(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    outbox = TroubledOutbox(SystemExit())
    bus = make_bus(mqtt, outbox)
    bus.event(blink(0), 1)
    wait_until(lambda: outbox.trouble is None and not bus.connected)
    bus.event(blink(1), 1)
    listening.until(lambda: listening.sequences() == [0, 1])
    assert bus.connected


def test_a_network_thread_that_hangs_in_a_name_look_up_is_told_and_replaced(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.bus.connection.STUCK_SECONDS", 0.5)
    resolve, hung, answer = socket.getaddrinfo, threading.Event(), threading.Event()

    def slow_once(*arguments: Any, **more: Any) -> Any:
        if not hung.is_set():
            hung.set()
            assert answer.wait(30)
        return resolve(*arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow_once)
    bus = make_bus(mqtt)
    assert hung.wait(10)
    wait_until(lambda: "stuck" in bus.problem)
    assert not bus.connected
    bus.event(blink(0), 1)
    listening.until(lambda: listening.sequences() == [0])
    assert (bus.connected, bus.problem, bus.connects) == (True, "", 1)
    answer.set()  # the thread that was given up comes back, sees it, and leaves the connection alone
    wait_until(lambda: sum(thread.name == "mqtt front" for thread in threading.enumerate()) == 1)
    bus.event(blink(1), 1)
    listening.until(lambda: listening.sequences() == [0, 1])
    assert (bus.connected, bus.connects) == (True, 1)


def test_two_daemons_with_one_client_id_are_told_so(mqtt: MqttSettings, make_bus: MakeBus) -> None:
    problems: set[str] = set()
    buses: list[Bus] = [make_bus(mqtt), make_bus(mqtt)]

    def told() -> bool:
        problems.update(bus.problem for bus in buses)
        # Brokers that name the reason have us say "uses", those that just hang up "does … use".
        return any("another client use" in problem and "our client id" in problem for problem in problems)

    wait_until(told)
