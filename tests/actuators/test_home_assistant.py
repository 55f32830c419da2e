"""An actuator announces itself, again when Home Assistant comes up, and takes itself away."""

from __future__ import annotations

import json
from typing import Any

from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from tests.actuators.stage import Stage

DEVICE = "homeassistant/device/edged_toy/config"


def said(listener: Subscriber, *, empty: bool = False) -> Any:
    """The next thing said about the device."""
    message = listener.receive(20.0)
    assert message is not None
    assert message.topic == DEVICE
    assert bool(message.payload) is not empty
    return json.loads(message.payload) if message.payload else None


def test_it_announces_itself_again_for_whoever_comes_up_and_goes_when_it_is_switched_off(stage: Stage) -> None:
    mqtt = MqttSettings(host=stage.broker.host, port=stage.broker.port)
    with Subscriber(mqtt, ["homeassistant/device/#"]) as listener:
        stage.start()
        first = said(listener)
        assert first["device"]["name"] == "edged toy"
        listener.publish("homeassistant/status", b"online")
        assert said(listener) == first
        # The button there works though it cannot sign.
        listener.publish(
            first["components"]["stop"]["command_topic"], first["components"]["stop"]["payload_press"].encode()
        )
        stage.until(lambda: stage.all("health")[-1]["status"] == "stopped")
        assert stage.end() == 0
        stage.start(home_assistant__enabled=False)
        said(listener, empty=True)
