"""Home Assistant's side is a listener here; scripts/home-assistant runs the real one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from tests.daemon.conftest import Theatre

DEVICE = "homeassistant/device/edged_front/config"


def hears(listener: Subscriber, enough: Callable[[dict[str, bytes]], bool], seconds: float = 30.0) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    deadline = time.monotonic() + seconds
    while not enough(found):
        assert time.monotonic() < deadline, list(found)[:10]
        if (message := listener.receive(0.2)) is not None:
            found[message.topic] = message.payload
    return found


def settings_of(theatre: Theatre) -> MqttSettings:
    return MqttSettings(host=theatre.broker.host, port=theatre.broker.port)


def test_a_birth_message_makes_it_announce_again(theatre: Theatre) -> None:
    with Subscriber(settings_of(theatre), [DEVICE]) as listener:
        hears(listener, lambda found: DEVICE in found)
        listener.publish("homeassistant/status", b"online")
        again = hears(listener, lambda found: DEVICE in found)
    assert json.loads(again[DEVICE])["device"]["name"] == "edged front"


@pytest.mark.slow
def test_what_is_switched_lets_go_then_is_cleared_and_then_announced_the_other_way(theatre: Theatre) -> None:
    theatre.configure(home_assistant={"discovery": "components"})
    one = "homeassistant/binary_sensor/edged_front/someone/config"
    with Subscriber(settings_of(theatre), ["homeassistant/#"]) as listener:
        hears(listener, lambda found: DEVICE in found)
        theatre.ask("restart")
        said: list[tuple[str, bytes]] = []
        deadline = time.monotonic() + 30
        while one not in [topic for topic, _ in said]:
            assert time.monotonic() < deadline, said
            if (message := listener.receive(0.2)) is not None and message.topic in (DEVICE, one):
                said.append((message.topic, message.payload))
    assert said[:2] == [(DEVICE, b'{"migrate_discovery": true}'), (DEVICE, b"")]
    assert json.loads(said[2][1])["name"] == "Someone there"


def test_switched_off_it_takes_itself_away(theatre: Theatre) -> None:
    theatre.configure(home_assistant={"enabled": False})
    with Subscriber(settings_of(theatre), ["homeassistant/#"]) as listener:
        hears(listener, lambda found: found.get(DEVICE, b"") != b"")
        theatre.ask("restart")
        hears(listener, lambda found: found.get(DEVICE) == b"")


def test_what_is_no_longer_there_is_removed_by_name(theatre: Theatre) -> None:
    theatre.configure(remote={"enabled": False, "probation_seconds": 2})
    with Subscriber(settings_of(theatre), [DEVICE]) as listener:
        hears(listener, lambda found: DEVICE in found)
        theatre.ask("restart")
        found = hears(
            listener, lambda found: b'"set_inference_max_faces":{"platform":"number"}' in found.get(DEVICE, b"")
        )
    assert "someone" in json.loads(found[DEVICE])["components"]


def test_a_message_of_its_own_is_cleared_when_its_entity_is_gone_and_nothing_migrates(stage: Theatre) -> None:
    """To migrate what nobody announces again would leave it behind in Home Assistant."""
    stage.configure(home_assistant={"discovery": "components"}, snapshot={"enabled": True})
    stage.start()
    stage.wait_for("ok")
    stage.configure(home_assistant={"discovery": "components"})
    button = "homeassistant/button/edged_front/snapshot/config"
    with Subscriber(settings_of(stage), ["homeassistant/#"]) as listener:
        hears(listener, lambda found: found.get(button, b"") != b"")
        stage.ask("restart")
        found = hears(listener, lambda found: found.get(button) == b"")
        found |= hears(listener, lambda found: "homeassistant/binary_sensor/edged_front/someone/config" in found)
    assert b'{"migrate_discovery": true}' not in found.values()


def test_another_prefix_is_announced_at_once_and_the_old_one_cleared(theatre: Theatre) -> None:
    theatre.configure(home_assistant={"prefix": "ha/discovery"})
    other = "ha/discovery/device/edged_front/config"
    with Subscriber(settings_of(theatre), [DEVICE, other]) as listener:
        hears(listener, lambda found: DEVICE in found)
        theatre.ask("restart")
        found = hears(listener, lambda found: DEVICE in found and other in found)
        assert found[DEVICE] == b""
        assert json.loads(found[other])["components"]
        listener.publish("homeassistant/status", b"online")
        hears(listener, lambda found: other in found)
