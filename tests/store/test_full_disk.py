"""A disk that takes nothing: events wait in memory, in order, and go to the disk when it takes them again."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.bus.outbox import OutgoingEvent
from edged.errors import StoreError
from edged.store import outbox as outbox_module
from edged.store.database import Database, copy_database
from edged.store.outbox import SqliteOutbox
from tests.bus.outbox_suite import numbers, outgoing
from tests.store.conftest import Card


@pytest.fixture(autouse=True)
def _tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_RETRY_SECONDS", 0.2)


@pytest.fixture
def no_room() -> Iterator[Callable[[bool], None]]:
    """Makes every write beyond the first bytes of any file fail, for this process alone, and takes it back."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)

    def switch(on: bool) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 if on else usual[0], usual[1]))

    yield switch
    switch(False)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_events_go_on_in_memory_and_reach_the_disk_later_in_order(
    tmp_path: Path, no_room: Callable[[bool], None]
) -> None:
    outbox = SqliteOutbox(Database(tmp_path / "front.db"), batch_seconds=0.1)
    keys = [outbox.add(outgoing(number)) for number in range(3)]
    no_room(True)
    keys += [outbox.add(outgoing(number)) for number in range(3, 6)]
    assert keys == sorted(set(keys))
    assert numbers(outbox) == [0, 1, 2, 3, 4, 5]
    assert len(outbox) == 6
    assert "cannot be written to the disk" in outbox.problem
    assert "store.directory" in outbox.problem
    outbox.acknowledge([keys[0], keys[3]])
    assert numbers(outbox) == [1, 2, 4, 5]
    assert len(outbox) == 4
    no_room(False)
    until(lambda: outbox.problem == "")
    outbox.add(outgoing(6))
    assert numbers(outbox) == [1, 2, 4, 5, 6]
    assert outbox.lost == 0
    outbox.close()
    outbox = SqliteOutbox(Database(tmp_path / "front.db"))
    assert numbers(outbox) == [1, 2, 4, 5, 6]
    outbox.close()


def test_security_outlives_blinks_while_the_disk_is_full(tmp_path: Path, no_room: Callable[[bool], None]) -> None:
    outbox = SqliteOutbox(Database(tmp_path / "front.db"))
    no_room(True)
    outbox.add(OutgoingEvent("e/security", "security", b"-1", None))
    for number in range(10_050):
        outbox.add(outgoing(number))
    assert outbox.pending(0, 1)[0][1].kind == "security"
    assert outbox.lost == 51
    assert len(outbox) == 10_000
    no_room(False)
    outbox.close()


def test_a_close_while_the_disk_is_full_returns(tmp_path: Path, no_room: Callable[[bool], None]) -> None:
    outbox = SqliteOutbox(Database(tmp_path / "front.db"))
    outbox.add(outgoing(1))
    no_room(True)
    outbox.add(outgoing(2))
    outbox.close()
    no_room(False)
    outbox = SqliteOutbox(Database(tmp_path / "front.db"))
    assert numbers(outbox) == [1]
    outbox.close()


def test_a_disk_that_somebody_else_fills_and_empties(small_disk: Path) -> None:
    outbox = SqliteOutbox(Database(small_disk / "front.db"), batch_seconds=0.1)
    outbox.add(outgoing(0, size=2000))
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free))
    for number in range(1, 400):
        outbox.add(outgoing(number, size=2000))
    assert "cannot be written to the disk" in outbox.problem
    assert numbers(outbox) == list(range(400))
    filler.unlink()
    until(lambda: outbox.problem == "")
    assert numbers(outbox) == list(range(400))
    outbox.close()


def test_a_card_that_fails_and_turns_read_only(card: Card) -> None:
    outbox = SqliteOutbox(Database(card.mounted / "front.db"), batch_seconds=0.1)
    keys = [outbox.add(outgoing(number)) for number in range(3)]
    card.fail()
    keys += [outbox.add(OutgoingEvent("e/security", "security", b"3", None)), outbox.add(outgoing(4))]
    assert "cannot be written to the disk" in outbox.problem
    assert numbers(outbox) == [0, 1, 2, 3, 4]
    outbox.acknowledge(keys[:2])
    time.sleep(0.5)  # the keeper tries to delete them, and cannot
    assert numbers(outbox) == [2, 3, 4]
    outbox.acknowledge(keys)
    assert (len(outbox), numbers(outbox), outbox.lost) == (0, [], 0)
    outbox.close()


def test_a_database_that_a_full_disk_keeps_shut_says_so_and_what_to_do(small_disk: Path) -> None:
    Database(small_disk / "there.db").close()
    with (small_disk / "filler").open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free))
    for name in ("there.db", "new.db"):
        with pytest.raises(
            StoreError, match=rf"{name} cannot be opened: the disk is full at {small_disk} \(make room: "
        ):
            Database(small_disk / name)
    with pytest.raises(StoreError, match=r"cannot be copied: the disk is full at "):
        copy_database(small_disk / "there.db", small_disk / "copy.db")
