"""Bounded by count, bytes and age; security and identity outlive blinks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged import clock
from edged.bus.importance import importance
from edged.bus.outbox import MemoryOutbox, Outbox, OutgoingEvent
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox

FROM_LEAST_TO_MOST = ("blink", "gaze", "dwell", "presence", "health", "identity", "security")


def event(kind: str, number: int = 0) -> OutgoingEvent:
    return OutgoingEvent(f"e/{kind}", kind, f"{kind} {number}".encode(), None)


def made(which: str, folder: Path, limit_count: int) -> Outbox:
    if which == "memory":
        return MemoryOutbox(limit_count)
    return SqliteOutbox(Database(folder / "front.db"), limit_count=limit_count, batch_seconds=0)


def kinds(outbox: Outbox) -> list[str]:
    return [event.kind for _, event in outbox.pending(0, 1000)]


@pytest.mark.parametrize("which", ["memory", "sqlite"])
def test_the_oldest_of_the_least_important_goes_first(which: str, tmp_path: Path) -> None:
    outbox = made(which, tmp_path, len(FROM_LEAST_TO_MOST))
    for kind in reversed(FROM_LEAST_TO_MOST):
        outbox.add(event(kind))
    for dropped in range(1, len(FROM_LEAST_TO_MOST)):
        outbox.add(event("security", dropped))
        assert outbox.lost == dropped
        assert not set(kinds(outbox)) & set(FROM_LEAST_TO_MOST[:dropped])
        assert set(FROM_LEAST_TO_MOST[dropped:]) <= set(kinds(outbox))
    outbox.add(event("blink", 99))
    assert b"blink 99" not in [event.payload for _, event in outbox.pending(0, 1000)]
    outbox.close()


@pytest.mark.parametrize("which", ["memory", "sqlite"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(added=st.lists(st.sampled_from(FROM_LEAST_TO_MOST), max_size=40), limit=st.integers(1, 12))
def test_whatever_comes_nothing_more_important_goes_before_something_less_important(
    which: str, added: list[str], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outbox = made(which, tmp_path_factory.mktemp("limits"), limit)
    for number, kind in enumerate(added):
        outbox.add(event(kind, number))
    found = [event.payload for _, event in outbox.pending(0, 1000)]
    kept = sorted(range(len(added)), key=lambda number: (importance(added[number]), number))[-limit:]
    assert found == [f"{added[number]} {number}".encode() for number in sorted(kept)]
    assert outbox.lost == max(0, len(added) - limit)
    outbox.close()


def test_a_kind_nobody_knows_is_worth_as_much_as_presence() -> None:
    assert importance("wave") == importance("presence")
    assert [importance(kind) for kind in FROM_LEAST_TO_MOST] == sorted(importance(kind) for kind in FROM_LEAST_TO_MOST)


def opened(folder: Path, **more: Any) -> SqliteOutbox:
    return SqliteOutbox(Database(folder / "front.db"), **more)


def test_what_waited_too_long_is_dropped_and_counted(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.add(event("security", 1))
    time.sleep(0.3)
    outbox.add(event("security", 2))
    outbox.close()
    outbox = opened(tmp_path, limit_seconds=0.25)
    assert [each.payload for _, each in outbox.pending(0, 9)] == [b"security 2"]
    assert (len(outbox), outbox.lost) == (1, 1)
    assert outbox.oldest_seconds is not None
    assert outbox.oldest_seconds < 0.25
    outbox.close()


def test_a_clock_that_was_wrong_before_or_is_now_drops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_ns = time.time_ns()
    monkeypatch.setattr(clock, "for_ages", lambda: time.time_ns() / 1e9)  # as if a time server vouched for it
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)  # 1970: a board without a clock
    outbox = opened(tmp_path, boot_id="first", limit_seconds=100)
    outbox.add(event("blink"))
    outbox.close()
    monkeypatch.setattr(time, "time_ns", lambda: true_ns)
    outbox = opened(tmp_path, boot_id="second", limit_seconds=100)
    assert (len(outbox), outbox.lost, outbox.oldest_seconds) == (1, 0, None)
    outbox.add(event("blink"))
    outbox.close()
    monkeypatch.setattr(time, "time_ns", lambda: true_ns - 10**18)  # back in the past
    outbox = opened(tmp_path, boot_id="third", limit_seconds=100)
    assert (len(outbox), outbox.lost) == (2, 0)
    outbox.close()
    monkeypatch.setattr(time, "time_ns", lambda: true_ns + 101 * 10**9)
    outbox = opened(tmp_path, boot_id="fourth", limit_seconds=100)
    assert (len(outbox), outbox.lost) == (1, 1)  # the one of 1970 cannot be dated, and stays
    outbox.close()


def test_room_of_a_full_outbox_is_made_on_the_disk_as_well(tmp_path: Path) -> None:
    outbox = opened(tmp_path, limit_bytes=100_000, batch_seconds=0)
    for number in range(3000):
        outbox.add(OutgoingEvent("e", "blink", bytes(1000), number))
    outbox.close()
    assert (tmp_path / "front.db").stat().st_size < 1_000_000
