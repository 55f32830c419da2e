"""`edged bench outbox`: both sides send everything, and the figures have the shape that scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.bench import bare_paho
from edged.bench.outbox import drain, event_payload, measure
from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.cli.bench_outbox import table
from edged.errors import EdgedError
from edged.settings import MqttSettings
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox
from tests.brokers import broker_here


@pytest.fixture
def broker() -> PrivateBroker:
    return broker_here()


def test_it_measures_both_sides(tmp_path: Path) -> None:
    result = measure(events=300, rounds=2, directory=tmp_path)
    assert {key: result[key] for key in ("events", "rounds")} == {"events": 300, "rounds": 2}
    for name in ("edged", "paho"):
        assert result[name]["messages_per_second"] > 0
        assert result[name]["cpu_seconds"] >= 0
        assert len(result[name]["rounds"]) == 2
    assert result["ratio"] > 0
    assert json.loads(json.dumps(result)) == result
    assert table(result).row_count == 2
    assert list(tmp_path.iterdir()) == []


def test_each_side_delivers_every_message_it_is_timed_for(broker: PrivateBroker, tmp_path: Path) -> None:
    with broker, Subscriber(MqttSettings(host=broker.host, port=broker.port), ["edged/#"]) as subscriber:
        drain(broker.port, 250, tmp_path / "bench.db")
        events = [message for message in subscriber.messages(1.0) if "/event/" in message.topic]
        assert [message.payload for message in events] == [event_payload(number) for number in range(250)]
        bare_paho.BarePublisher(250, 20, "edged/bare", b"x").run(broker.host, broker.port)
        assert [message.payload for message in subscriber.messages(1.0)] == [b"x"] * 250
    outbox = SqliteOutbox(Database(tmp_path / "bench.db"))
    assert len(outbox) == 0
    outbox.close()


def test_a_side_that_fails_is_an_error_and_not_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.bench.outbox.sys.executable", "/bin/false")
    with pytest.raises(EdgedError, match="failed"):
        measure(events=100, rounds=1, directory=tmp_path)
