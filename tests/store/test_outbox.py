from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged.bus.outbox import OutgoingEvent
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox
from tests.bus.outbox_suite import OutboxSuite, numbers, outgoing


@pytest.fixture(params=[0.0, 2.0], ids=["synced at once", "in batches"])
def batch_seconds(request: pytest.FixtureRequest) -> float:
    return float(request.param)


class TestSqliteOutbox(OutboxSuite):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path, batch_seconds: float) -> None:
        self._path = tmp_path / "front.db"
        self._batch_seconds = batch_seconds

    def make(self, limit_count: int = 100, limit_bytes: int = 1_000_000) -> SqliteOutbox:
        return SqliteOutbox(
            Database(self._path), limit_count=limit_count, limit_bytes=limit_bytes, batch_seconds=self._batch_seconds
        )


def opened(path: Path, **more: Any) -> SqliteOutbox:
    return SqliteOutbox(Database(path / "front.db"), **more)


def test_events_outlive_the_outbox_and_keys_rise_for_ever(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    keys = [outbox.add(outgoing(number)) for number in range(3)]
    outbox.acknowledge(keys[:1])
    outbox.close()
    outbox = opened(tmp_path)
    assert numbers(outbox) == [1, 2]
    outbox.acknowledge(keys)
    assert len(outbox) == 0
    outbox.close()
    outbox = opened(tmp_path)
    assert outbox.add(outgoing(3)) > keys[-1]
    outbox.close()


def test_the_capture_time_means_nothing_after_the_machine_was_started_anew(tmp_path: Path) -> None:
    event = OutgoingEvent("t", "gaze", b"{}", 7)
    outbox = opened(tmp_path, boot_id="first")
    outbox.add(event)
    assert [one for _, one in outbox.pending(0, 9)] == [event]
    outbox.close()
    outbox = opened(tmp_path, boot_id="second")
    assert [one for _, one in outbox.pending(0, 9)] == [OutgoingEvent("t", "gaze", b"{}", None)]
    outbox.close()
