from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edged.bus.bus import Bus
from edged.bus.outbox import MemoryOutbox, Outbox
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from tests.brokers import broker_here
from tests.bus.listening import Listening

MakeBus = Callable[..., Bus]


def settings_for(port: int, **more: Any) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=port, **{"keepalive_seconds": 5, "reconnect_max_seconds": 0.5, **more})


@pytest.fixture(scope="session", autouse=True)
def _mosquitto() -> None:
    broker_here().stop()


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    with PrivateBroker() as running:
        yield running


@pytest.fixture
def mqtt(broker: PrivateBroker) -> MqttSettings:
    return settings_for(broker.port)


@pytest.fixture
def listening(mqtt: MqttSettings) -> Iterator[Listening]:
    with Subscriber(mqtt, ["#"]) as subscriber:
        yield Listening(subscriber)


@pytest.fixture
def make_bus() -> Iterator[MakeBus]:
    """Makes started buses and stops them in the end."""
    made: list[Bus] = []

    def make(settings: MqttSettings, outbox: Outbox | None = None, camera: str = "front") -> Bus:
        bus = Bus(settings, camera, MemoryOutbox() if outbox is None else outbox)
        bus.start()
        made.append(bus)
        return bus

    yield make
    for bus in made:
        bus.stop(1.0)
