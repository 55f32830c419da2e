from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.bus.outbox import OutgoingEvent
from edged.store import outbox as outbox_module
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


class SlowCard(Database):
    """A card that takes its time, or refuses."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may_sync = threading.Event()
        self.refuses = False

    def sync(self) -> None:
        assert self.may_sync.wait(20)
        if self.refuses:
            raise OSError(5, "Input/output error")
        super().sync()


def event(kind: str, number: int) -> OutgoingEvent:
    return OutgoingEvent(f"e/{kind}", kind, f"{number}".encode(), None)


def test_a_slow_card_holds_up_neither_who_adds_nor_the_order(tmp_path: Path) -> None:
    card = SlowCard(tmp_path / "front.db")
    outbox = SqliteOutbox(card)
    ready = threading.Event()
    outbox.listen(ready.set)
    keys = [outbox.add(event("blink", 0)), outbox.add(event("security", 1)), outbox.add(event("blink", 2))]
    assert len(outbox) == 3
    assert numbers(outbox) == [0]
    outbox.acknowledge(keys[:1])
    assert numbers(outbox) == []
    keys.append(outbox.add(event("security", 3)))
    assert not ready.is_set()
    card.may_sync.set()
    assert ready.wait(10)
    wait_until(lambda: numbers(outbox) == [1, 2, 3])
    outbox.acknowledge(keys)
    assert len(outbox) == 0
    outbox.close()


def test_a_card_that_cannot_sync_delays_security_events_and_does_not_lose_them(tmp_path: Path) -> None:
    card = SlowCard(tmp_path / "front.db")
    card.refuses = True
    card.may_sync.set()
    outbox = SqliteOutbox(card)
    outbox.add(event("security", 0))
    wait_until(lambda: numbers(outbox) == [0])
    assert "Input/output error" in outbox.problem
    card.refuses = False
    outbox.add(event("security", 1))
    wait_until(lambda: numbers(outbox) == [0, 1] and outbox.problem == "")
    outbox.close()


def test_the_log_is_folded_into_the_file_while_others_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_COMMITS_PER_CHECKPOINT", 50)
    outbox = opened(tmp_path, batch_seconds=0.01)
    deadline = time.monotonic() + 10
    number = 0
    while (tmp_path / "front.db").stat().st_size < 20_000:
        outbox.add(event("blink", number))
        number += 1
        assert time.monotonic() < deadline, "the file did not grow"
    assert numbers(outbox, limit=10**6) == list(range(number))
    outbox.close()
    outbox = opened(tmp_path)
    assert numbers(outbox, limit=10**6) == list(range(number))
    outbox.close()


def test_an_error_nobody_thought_of_does_not_end_the_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = opened(tmp_path, batch_seconds=0.01)
    with monkeypatch.context() as broken:
        broken.setattr(Database, "sync", lambda _: 1 / 0)
        outbox.add(event("security", 0))
        wait_until(lambda: numbers(outbox) == [0])
    assert "ZeroDivisionError" in caplog.text
    outbox.add(event("security", 1))
    wait_until(lambda: numbers(outbox) == [0, 1])
    outbox.close()


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
