from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.actuators.twilio.performer import TwilioPerformer
from tests.actuators.twilio.house import SETTINGS, House, settings
from tests.actuators.twilio.stand_in import StandIn
from tests.brokers import broker_here


@pytest.fixture
def twilio() -> Iterator[StandIn]:
    with StandIn() as made:
        yield made


Build = Callable[..., TwilioPerformer]


@pytest.fixture
def build(tmp_path: Path, twilio: StandIn) -> Iterator[Build]:
    """Makes performers in this process, each with changes of settings, and closes them in the end."""
    made: list[TwilioPerformer] = []

    def make(text: str = SETTINGS, **changes: object) -> TwilioPerformer:
        overrides = {key.replace("__", "."): value for key, value in changes.items()}
        made.append(TwilioPerformer(settings(tmp_path, {"twilio.api_url": twilio.url, **overrides}, text)))
        return made[-1]

    yield make
    for performer in made:
        performer.close()


@pytest.fixture
def house(tmp_path: Path, twilio: StandIn) -> Iterator[House]:
    """A broker, Twilio, and everything for an actuator; it is started by the test."""
    broker = broker_here(persistent=True)
    with broker:
        made = House(tmp_path, broker, twilio)
        made.listener.start()
        try:
            made.listener.wait_ready(10)
            yield made
        finally:
            made.close()
