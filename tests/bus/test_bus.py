"""One camera's branch over a real broker."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import threading
import time
from pathlib import Path

import msgspec
import pytest

from edged.bus.bus import Bus
from edged.bus.commands import Request
from edged.bus.message import CAPTURED_PROPERTY
from edged.bus.outbox import MemoryOutbox
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from edged.states import EyesState, GazeState, PresenceState, Summary
from edged.topics import Response
from tests.bus.conftest import MakeBus, settings_for
from tests.bus.listening import Listening, blink, health

SINCE = "2026-01-01T00:00:00.000Z"
SUMMARY = Summary(SINCE, 10.0, 150, 15.0, 1, 100.0, 90.0, 3, 18.0, None, 0.0, 1.5, None)


def wait_for_requests(bus: Bus, timeout_seconds: float = 10) -> list[Request]:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        select.select([bus.wake_fd], [], [], 0.1)
        if found := bus.requests():
            return found
    raise AssertionError("no request came")


def test_everything_a_camera_says_keeps_to_the_contract(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(mqtt)
    bus.state("presence", PresenceState(True, 1, SINCE))
    bus.state("gaze", GazeState("at_screen", "none", SINCE, 0.5, None))
    bus.state("eyes", EyesState(None, False, SINCE))
    bus.health(health())
    bus.summary(SUMMARY)
    bus.event(blink(0), captured_ns=123)
    bus.snapshot(b"\xff\xd8\xff")
    listening.until(lambda: len(listening.heard) >= 8 and listening.online())
    assert {message.topic.removeprefix("edged/camera/front/") for message in listening.heard} == {
        "state/presence", "state/gaze", "state/eyes", "health", "summary", "event/blink", "snapshot/frame", "availability",
    }  # fmt: skip
    event = next(message for message in listening.heard if "/event/" in message.topic)
    assert event.user == {CAPTURED_PROPERTY: "123"}
    assert not event.retain
    assert bus.connected
    assert bus.problem == ""


def test_streams_are_dropped_not_queued_while_nobody_is_there(
    listening: Listening, make_bus: MakeBus, mqtt: MqttSettings
) -> None:
    bus = make_bus(settings_for(1))
    bus.stream(b"{}")
    connected = make_bus(mqtt, camera="back")
    listening.until(listening.online)
    connected.stream(b"{}")
    listening.until(lambda: listening.on("back/stream/landmarks") == [b"{}"])


def test_a_late_subscriber_sees_states_but_no_events(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(mqtt)
    bus.state("presence", PresenceState(True, 1, SINCE))
    bus.event(blink(0), 1)
    listening.until(lambda: listening.sequences() == [0] and listening.online())
    with Subscriber(mqtt, ["#"]) as subscriber:
        late = Listening(subscriber)
        late.rest()
    assert {message.topic.rsplit("/", 1)[1] for message in late.heard} == {"presence", "availability"}


def test_events_arrive_in_order_and_unchanged_states_once(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(mqtt)
    for sequence in range(500):
        bus.event(blink(sequence), sequence)
        bus.state("presence", PresenceState(True, 1, SINCE))
    listening.until(lambda: len(listening.sequences()) == 500)
    assert listening.sequences() == list(range(500))
    assert len(listening.on("state/presence")) == 1


def test_events_of_several_threads_all_arrive(mqtt: MqttSettings, listening: Listening, make_bus: MakeBus) -> None:
    bus = make_bus(mqtt)

    def emit(start: int) -> None:
        for sequence in range(start, start + 100):
            bus.event(blink(sequence), 1)

    threads = [threading.Thread(target=emit, args=(start,)) for start in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listening.until(lambda: len(listening.sequences()) == 400)


def test_a_command_is_answered_on_both_topics_with_its_correlation(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(mqtt)
    listening.until(listening.online)
    listening.subscriber.publish(
        "edged/camera/front/command/pause",
        b'{"transaction": "t1"}',
        response_topic="me/answers",
        correlation=b"\x00\x01",
    )
    (request,) = wait_for_requests(bus)
    assert (request.name, request.command.transaction) == ("pause", "t1")
    bus.respond(request, Response("ok", request.name, request.command.transaction))
    listening.until(lambda: bool(listening.on("me/answers") and listening.on("response/pause")))
    answer = next(message for message in listening.heard if message.topic == "me/answers")
    assert answer.properties["correlation"] == b"\x00\x01"
    assert msgspec.json.decode(answer.payload)["transaction"] == "t1"


def test_a_repeated_transaction_is_acted_on_once_and_answered_twice(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(mqtt)
    listening.until(listening.online)
    listening.subscriber.publish("edged/camera/front/command/pause", b'{"transaction": "t1"}')
    (request,) = wait_for_requests(bus)
    bus.respond(request, Response("ok", "pause", "t1"))
    listening.subscriber.publish("edged/camera/front/command/pause", b'{"transaction": "t1"}')
    listening.until(lambda: len(listening.on("response/pause")) == 2)
    assert bus.requests() == []


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [("pause", b"{", "payload"), ("pasue", b"", "unknown command"), ("pause", b"9" * 2000, "payload")],
)
def test_a_bad_command_is_answered_at_once(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus, name: str, payload: bytes, words: str
) -> None:
    bus = make_bus(mqtt)
    listening.until(listening.online)
    listening.subscriber.publish(f"edged/camera/front/command/{name}", payload)
    listening.until(lambda: bool(listening.on(f"response/{name}")))
    assert words in listening.last(f"response/{name}")["error"]
    assert bus.requests() == []


def test_a_retained_command_is_refused_at_every_connect_and_live(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    listening.subscriber.publish("edged/camera/front/command/restart", b"{}", retain=True)
    listening.until(lambda: bool(listening.on("command/restart")))
    for count in (1, 2):
        bus = make_bus(mqtt)
        listening.until(lambda count=count: len(listening.on("response/restart")) == count)  # type: ignore[misc]
        assert bus.requests() == []
        bus.stop(2)
    bus = make_bus(mqtt)
    listening.until(lambda: len(listening.on("response/restart")) == 3)
    listening.subscriber.publish("edged/camera/front/command/restart", b"{}", retain=True)
    listening.until(lambda: len(listening.on("response/restart")) == 4)
    assert "retained" in listening.last("response/restart")["error"]
    assert bus.requests() == []


def test_a_command_sent_while_the_daemon_is_away_reaches_it_once(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    first = make_bus(mqtt)
    listening.until(listening.online)
    first.stop(2)
    listening.subscriber.publish("edged/camera/front/command/pause")
    listening.until(lambda: bool(listening.on("command/pause")))
    second = make_bus(mqtt)
    (request,) = wait_for_requests(second)
    assert request.name == "pause"


def test_a_giant_command_does_not_hurt(mqtt: MqttSettings, listening: Listening, make_bus: MakeBus) -> None:
    bus = make_bus(mqtt)
    listening.until(listening.online)
    with Subscriber(mqtt, ["nothing"]) as sender:
        sender.publish("edged/camera/front/command/pause", b"x" * 3_000_000)
        sender.publish("edged/camera/front/command/pause", b"x" * 300_000)
        sender.publish("edged/camera/front/command/resume")
        (request,) = wait_for_requests(bus)
    assert request.name == "resume"
    assert bus.connected


def test_too_many_waiting_commands_are_refused_not_hoarded(
    mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    bus = make_bus(mqtt)
    listening.until(listening.online)
    for _ in range(300):
        listening.subscriber.publish("edged/camera/front/command/pause")
    listening.until(lambda: len(listening.on("response/pause")) == 44)
    assert len(bus.requests()) == 256


def test_a_foreign_offline_is_set_right(mqtt: MqttSettings, listening: Listening, make_bus: MakeBus) -> None:
    make_bus(mqtt)
    listening.until(listening.online)
    listening.subscriber.publish("edged/camera/front/availability", b"offline", retain=True)
    listening.until(lambda: b"offline" in listening.on("/availability") and listening.online())


def test_stop_sends_what_waits_then_offline(mqtt: MqttSettings, listening: Listening, make_bus: MakeBus) -> None:
    outbox = MemoryOutbox()
    bus = make_bus(mqtt, outbox)
    listening.until(listening.online)
    for sequence in range(300):
        bus.event(blink(sequence), 1)
    bus.stop(10)
    assert len(outbox) == 0
    listening.until(lambda: listening.on("/availability")[-1] == b"offline")
    assert listening.sequences() == list(range(300))
    listening.rest()
    assert listening.on("/availability").count(b"offline") == 1  # the will was dropped
    # After the end nothing raises.
    bus.event(blink(301), 1)
    bus.state("presence", PresenceState(False, 0, SINCE))
    bus.stop(1)


def test_wake_fd_tells_connections_and_commands(mqtt: MqttSettings, make_bus: MakeBus) -> None:
    bus = make_bus(mqtt)
    assert select.select([bus.wake_fd], [], [], 10)[0]
    bus.requests()
    assert not select.select([bus.wake_fd], [], [], 0.2)[0]


def test_limits_of_the_broker_are_kept(make_bus: MakeBus) -> None:
    lines = ["max_inflight_messages 1", "max_packet_size 2000"]
    with PrivateBroker(lines=lines) as broker, Subscriber(settings_for(broker.port), ["#"]) as subscriber:
        listening = Listening(subscriber)
        bus = make_bus(settings_for(broker.port))
        bus.snapshot(b"x" * 100_000)
        for sequence in range(50):
            bus.event(blink(sequence), 1)
        listening.until(lambda: len(listening.sequences()) == 50)
        assert listening.sequences() == list(range(50))
        assert "larger than the broker takes" in bus.warnings[0]
        assert listening.on("/availability") == [b"online"]


def test_what_the_access_list_refuses_is_told_and_does_not_block(
    tmp_path_factory: pytest.TempPathFactory, make_bus: MakeBus
) -> None:
    rules = tmp_path_factory.mktemp("acl") / "acl"
    rules.write_text(
        "topic readwrite edged/camera/front/state/#\ntopic read #\ntopic write edged/camera/front/availability\n"
    )
    with (
        PrivateBroker(lines=[f"acl_file {rules}"]) as broker,
        Subscriber(settings_for(broker.port), ["#"]) as subscriber,
    ):
        listening = Listening(subscriber)
        outbox = MemoryOutbox()
        bus = make_bus(settings_for(broker.port), outbox)
        for sequence in range(3):
            bus.event(blink(sequence), 1)
        bus.state("presence", PresenceState(True, 1, SINCE))
        listening.until(lambda: bool(listening.on("state/presence")) and bus.lost_events == 3 and len(outbox) == 0)
        assert len(outbox) == 0
        assert any("event/blink: not authorized" in warning for warning in bus.warnings)
        assert bus.connected


def test_small_messages_do_not_wait_for_acknowledgements_of_the_network(
    broker: PrivateBroker, mqtt: MqttSettings, listening: Listening, make_bus: MakeBus
) -> None:
    make_bus(mqtt)
    listening.until(listening.online)
    towards_broker = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as each:
            if each.getpeername()[1] == broker.port:
                towards_broker.append(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    assert towards_broker == [1, 1]  # the bus and who listens: neither is held back by Nagle's algorithm


def test_a_bus_that_never_started_stops(mqtt: MqttSettings) -> None:
    before = len(os.listdir("/proc/self/fd"))
    bus = Bus(mqtt, "front", MemoryOutbox())
    bus.event(blink(0), 1)
    bus.stop(1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_only_one_file_knows_the_mqtt_library_beside_the_yardstick_of_the_bench() -> None:
    importing = [
        path.name
        for path in (Path(__file__).parents[2] / "edged").rglob("*.py")
        if re.search(r"^\s*(import|from) paho", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert sorted(importing) == ["bare_paho.py", "paho_link.py"]


def test_descriptors_are_given_back(mqtt: MqttSettings, make_bus: MakeBus) -> None:
    def cycle() -> None:
        bus = Bus(mqtt, "front", MemoryOutbox())
        bus.start()
        select.select([bus.wake_fd], [], [], 10)
        bus.stop(2)

    cycle()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        cycle()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_else_is_listened_to_comes_in_order_and_of_wishes_only_the_newest(mqtt: MqttSettings) -> None:
    bus = Bus(mqtt, "front", MemoryOutbox(), listens=["edged/camera/front/config/change", "homeassistant/status"])
    bus.start()
    try:
        with Subscriber(mqtt, ["edged/camera/front/availability"]) as operator:
            assert any(message.payload == b"online" for message in operator.messages(10.0))
            for number in range(3):
                operator.publish("edged/camera/front/config/set", b'{"n":%d}' % number, retain=True)
            operator.publish("edged/camera/front/config/change", b"{}", response_topic="my/answers", correlation=b"7")
            operator.publish("homeassistant/status", b"online")
            deadline = time.monotonic() + 10
            found: list[tuple[str, bytes]] = []
            while len(found) < 3 and time.monotonic() < deadline:
                time.sleep(0.1)
                found += [(message.topic.rsplit("/", 2)[-1], message.payload) for message in bus.messages()]
            assert found[-3:] == [("set", b'{"n":2}'), ("change", b"{}"), ("status", b"online")]
    finally:
        bus.stop(1.0)


def test_reconnect_drops_the_connection_and_makes_another(mqtt: MqttSettings, make_bus: MakeBus) -> None:
    bus = make_bus(mqtt)
    deadline = time.monotonic() + 10
    while bus.connects < 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    bus.reconnect()
    while bus.connects < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert bus.connects == 2


def test_a_cleared_retained_topic_is_gone_and_is_not_sent_again(mqtt: MqttSettings, make_bus: MakeBus) -> None:
    bus = make_bus(mqtt)
    topic = "homeassistant/device/edged_front/config"
    heard: list[bytes] = []
    with Subscriber(mqtt, ["homeassistant/#"]) as listener:

        def hear(wanted: bytes) -> None:
            while wanted not in heard:
                message = listener.receive(10.0)
                assert message is not None
                heard.append(message.payload)

        bus.retained(topic, b"{}")
        hear(b"{}")
        bus.retained(topic, b"")
        hear(b"")
        while not bus._delivery.idle:  # what is not acknowledged yet would rightly be said again
            bus._delivery.settle()
            time.sleep(0.02)
        before = bus.connects
        bus.reconnect()
        while bus.connects == before:
            time.sleep(0.02)
        bus.retained("homeassistant/other", b"last")
        hear(b"last")
    assert heard.count(b"") == 1
