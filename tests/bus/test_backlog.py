"""After an outage: everything that waited goes out in order, and nothing fresh waits behind it."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from edged.bus.bus import Bus
from edged.bus.delivery import WINDOW
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.settings import MqttSettings
from edged.states import PresenceState
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox
from tests.bus.conftest import MakeBus, settings_for
from tests.bus.listening import blink, health

BACKLOG = 10_000
SINCE = "2026-01-01T00:00:00.000Z"


def test_a_fresh_state_overtakes_ten_thousand_events_which_stay_in_order(
    mqtt: MqttSettings, make_bus: MakeBus, tmp_path: Path
) -> None:
    outbox = SqliteOutbox(Database(tmp_path / "front.db"))
    waiting = Bus(mqtt, "front", outbox)
    for number in range(BACKLOG):
        waiting.event(blink(number), captured_ns=1)
    waiting.stop(1.0)
    with Subscriber(mqtt, ["edged/camera/front/#"]) as subscriber:
        bus = make_bus(mqtt, outbox)
        while len(outbox) > BACKLOG - 1000:
            time.sleep(0.001)
        bus.state("presence", PresenceState(True, 1, SINCE))
        bus.health(health())
        gone = BACKLOG - len(outbox)
        order: list[str] = []
        sequence: list[int] = []
        while len(sequence) < BACKLOG:
            message = subscriber.receive(10.0)
            assert message is not None, f"{len(sequence)} came"
            leaf = message.topic.removeprefix("edged/camera/front/")
            order.append(leaf)
            if leaf == "event/blink":
                sequence.append(msgspec.json.decode(message.payload)["seq"])
        bus.stop(2.0)
    assert sequence == list(range(BACKLOG))
    # Before it came only what was acknowledged or under way when it was said; the rest of the backlog came after it.
    for fresh in ("state/presence", "health"):
        assert order.index(fresh) <= gone + 2 * WINDOW
    assert outbox.lost == 0
    outbox.close()


def late_arrivals(mqtt: MqttSettings) -> set[str]:
    """What is retained, as somebody sees it who comes now."""
    with Subscriber(mqtt, ["edged/camera/front/#"]) as subscriber:
        return {message.topic.removeprefix("edged/camera/front/") for message in subscriber.messages(0.5)}


def test_a_state_nobody_confirms_disappears_from_the_broker_and_does_not_come_back(make_bus: MakeBus) -> None:
    with PrivateBroker() as broker:
        mqtt = settings_for(broker.port).model_copy(update={"state_expiry_seconds": 3})
        bus = make_bus(mqtt)
        stale, lively = PresenceState(True, 1, SINCE), health()
        bus.state("presence", stale)
        bus.health(lively)
        assert {"state/presence", "health"} <= late_arrivals(mqtt)
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            bus.health(lively)
            time.sleep(0.1)
        found = late_arrivals(mqtt)
        assert "state/presence" not in found
        assert {"health", "availability"} <= found
        bus.reconnect()
        while bus.connects < 2 or not bus.connected:
            bus.health(lively)
            time.sleep(0.05)
        assert late_arrivals(mqtt) == {"health", "availability"}
