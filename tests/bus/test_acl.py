"""The access list that is handed out, on a real mosquitto with real users."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from edged.actuators.job import rejected
from edged.bus.actuator_bus import ActuatorBus
from edged.bus.bus import Bus
from edged.bus.outbox import MemoryOutbox
from edged.bus.private_broker import find_mosquitto
from edged.bus.subscriber import Subscriber
from edged.discovery import camera
from edged.settings import MqttSettings, Settings
from edged.states import PresenceState
from edged.topics import AuditState, ConfigState
from tests.brokers import broker_here
from tests.bus.listening import blink, health

ACL = Path(__file__).resolve().parents[2] / "config" / "mosquitto.acl"
USERS = ("front", "back", "homeassistant", "display", "typing", "twilio")
SINCE = "2026-01-01T00:00:00.000Z"
As = Callable[[str], MqttSettings]


@pytest.fixture
def as_user(tmp_path: Path) -> Iterator[As]:
    """A mosquitto with the access list; the settings of a user on it."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not here (package mosquitto)")
    passwords, access = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch(mode=0o600)
    access.write_bytes(ACL.read_bytes())
    access.chmod(0o600)
    for user in USERS:
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, f"of {user}"], check=True, capture_output=True)
    broker = broker_here(lines=[f"password_file {passwords}", f"acl_file {access}"], anonymous=False)
    with broker:
        yield lambda user: MqttSettings(
            host=broker.host,
            port=broker.port,
            username=user,
            password=SecretStr(f"of {user}"),
            reconnect_max_seconds=0.5,
        )


def heard(subscriber: Subscriber, enough: Callable[[set[str]], bool], seconds: float = 10.0) -> set[str]:
    topics: set[str] = set()
    deadline = time.monotonic() + seconds
    while not enough(topics) and time.monotonic() < deadline:
        if (message := subscriber.receive(0.2)) is not None:
            topics.add(message.topic)
    return topics


def test_a_camera_says_all_it_has_to_say_and_hears_what_it_is_asked(as_user: As) -> None:
    wanted = {f"edged/camera/front/{leaf}" for leaf in
              ("availability", "health", "state/presence", "event/blink", "snapshot/frame", "config/state", "config/set", "audit")}  # fmt: skip
    settings = Settings()
    discovery = camera.device(settings).topic
    piecewise = camera.device(settings).component_topic("someone", "binary_sensor")
    with Subscriber(as_user("homeassistant"), ["edged/#", "homeassistant/#"]) as operator:
        bus = Bus(as_user("front"), "front", MemoryOutbox(),
                  listens=["edged/camera/front/config/change", "homeassistant/status"])  # fmt: skip
        bus.start()
        try:
            bus.health(health())
            bus.state("presence", PresenceState(True, 1, SINCE))
            bus.event(blink(0), captured_ns=1)
            bus.snapshot(b"\xff\xd8\xff")
            bus.tell("config_state", ConfigState(SINCE, 0, {}, {}, [], False))
            bus.tell("audit", AuditState(SINCE, 1, "0" * 64, ""))
            bus.desire(b"{}")
            bus.retained(discovery, b"{}")
            bus.retained(piecewise, b"{}")
            everything = wanted | {discovery, piecewise}
            assert heard(operator, lambda topics: everything <= topics) >= everything
            operator.publish("edged/camera/front/command/pause")
            operator.publish("edged/camera/front/config/change", b"{}")
            operator.publish("edged/camera/front/config/set", b"{}", retain=True)
            operator.publish("homeassistant/status", b"online")
            deadline = time.monotonic() + 10
            asked: set[str] = set()
            while time.monotonic() < deadline and len(asked) < 4:
                asked |= {request.name for request in bus.requests()} | {one.topic for one in bus.messages()}
                time.sleep(0.05)
            assert asked == {
                "pause",
                "edged/camera/front/config/change",
                "edged/camera/front/config/set",
                "homeassistant/status",
            }
            assert bus.warnings == []
        finally:
            bus.stop(1.0)


def test_a_camera_cannot_speak_for_another(as_user: As) -> None:
    with Subscriber(as_user("homeassistant"), ["edged/#"]) as operator:
        bus = Bus(as_user("front"), "back", MemoryOutbox())
        bus.start()
        try:
            bus.state("presence", PresenceState(True, 1, SINCE))
            deadline = time.monotonic() + 10
            while not bus.warnings and time.monotonic() < deadline:
                time.sleep(0.05)
            assert any("edged/camera/back" in sentence for sentence in bus.warnings)
            assert not heard(operator, bool, 1.0)
        finally:
            bus.stop(1.0)


def test_a_display_sees_presence_and_changes_nothing(as_user: As) -> None:
    bus = Bus(as_user("front"), "front", MemoryOutbox(), listens=["edged/camera/front/config/change"])
    bus.start()
    try:
        with Subscriber(as_user("display"), ["edged/camera/front/state/presence"]) as display:
            bus.state("presence", PresenceState(True, 1, SINCE))
            assert heard(display, bool) == {"edged/camera/front/state/presence"}
            display.publish("edged/camera/front/command/pause")
            display.publish("edged/camera/front/config/change", b"{}")
            time.sleep(0.5)
            assert bus.requests() == []
            assert bus.messages() == []
    finally:
        bus.stop(1.0)


def test_an_actuator_hears_what_it_is_asked_and_what_its_bindings_follow_and_writes_its_own_branch(as_user: As) -> None:
    heard_there: list[str] = []

    def make(name: str) -> ActuatorBus:
        follows = ["edged/camera/front/event/blink", "edged/camera/front/state/presence"]
        return ActuatorBus(
            as_user(name), name, MemoryOutbox(), lambda message: heard_there.append(f"{name} {message.topic}"), follows
        )

    typing, twilio = make("typing"), make("twilio")
    with Subscriber(as_user("homeassistant"), ["edged/#", "homeassistant/#"]) as operator:
        camera = Bus(as_user("front"), "front", MemoryOutbox())
        for bus in (typing, twilio, camera):
            bus.start()
        try:
            typing.job(rejected("typing", "0123456789", "type", "why", 0.0))
            typing.retained("homeassistant/device/edged_typing/config", b"{}")
            wanted = {"edged/actuator/typing/job/0123456789", "homeassistant/device/edged_typing/config",
                      "edged/actuator/typing/availability", "edged/actuator/twilio/availability",
                      "edged/camera/front/availability"}  # fmt: skip
            assert heard(operator, lambda topics: wanted <= topics) >= wanted
            camera.event(blink(0), captured_ns=1)
            camera.state("presence", PresenceState(True, 1, SINCE))
            operator.publish("edged/actuator/typing/request", b'{"action": "stop"}')
            deadline = time.monotonic() + 10
            while len(heard_there) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            assert sorted(heard_there) == [
                "typing edged/actuator/typing/request",
                "typing edged/camera/front/event/blink",
                "typing edged/camera/front/state/presence",
            ]
            # Nobody asks in another's name, and no actuator asks another.
            typing.retained("edged/actuator/twilio/request", b"{}")
            typing.retained("edged/camera/front/health", b"{}")
            assert not heard(operator, lambda topics: bool(topics & {"edged/camera/front/health"}), 1.5) & {
                "edged/camera/front/health",
                "edged/actuator/twilio/request",
            }
        finally:
            for bus in (typing, twilio, camera):
                bus.stop(1.0)


def test_the_broker_settings_that_are_handed_out_go_with_debians_own(tmp_path: Path) -> None:
    """Debian's mosquitto.conf includes /etc/mosquitto/conf.d; mosquitto refuses to start if a thing is said twice."""
    handed_out = (ACL.parent / "mosquitto.conf").read_text(encoding="utf-8")
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (tmp_path / "acl").write_bytes(ACL.read_bytes())
    for said, here in (("/etc/mosquitto/passwords", passwords), ("/etc/mosquitto/edged.acl", tmp_path / "acl")):
        assert said in handed_out
        handed_out = handed_out.replace(said, str(here))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "edged.conf").write_text(handed_out.replace("listener 1883", f"listener {port} 127.0.0.1"))
    debians = tmp_path / "mosquitto.conf"
    debians.write_text(
        "persistence true\n"
        f"persistence_location {tmp_path}/\n"
        f"log_dest file {tmp_path}/mosquitto.log\n"
        + (f"user {getpass.getuser()}\n" if os.geteuid() == 0 else "")
        + f"include_dir {folder}\n"
    )
    with subprocess.Popen([find_mosquitto(), "-c", str(debians)], stderr=subprocess.PIPE, text=True) as broker:
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
                assert broker.poll() is None, broker.communicate()[1] + (tmp_path / "mosquitto.log").read_text()
                time.sleep(0.05)
            pytest.fail("the broker did not open its port")
        finally:
            broker.kill()
