"""Clocks that jump: when ages are believed, and what is not deleted before."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged import clock
from edged.clock import JUMP_SECONDS, STEADY_SECONDS, Moment, WallClock
from edged.events import iso_utc
from edged.evidence.album import Album
from edged.store.database import Database
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector
from edged.store.history import History, Question, ask
from edged.store.outbox import SqliteOutbox
from tests.bus.outbox_suite import numbers, outgoing
from tests.evidence.making import an_id, fill

NOW = 1_800_000_000.0
DAY = 86400.0


class Clocks:
    """What a process reads, in simulated time."""

    def __init__(self, unix: float = NOW, steady: float = 100.0, *, synchronised: bool = False) -> None:
        self.unix, self.steady, self.synchronised = unix, steady, synchronised
        self.wall = WallClock(lambda: Moment(self.unix, self.steady), lambda: self.synchronised)

    def pass_time(self, seconds: float) -> None:
        self.unix += seconds
        self.steady += seconds

    @property
    def believed(self) -> bool:
        told = self.wall.for_ages()
        assert told in (0.0, self.unix)
        return told > 0


def test_a_clock_that_follows_a_time_server_is_believed_at_once() -> None:
    assert Clocks(synchronised=True).believed


def test_a_clock_that_nobody_vouches_for_is_believed_after_half_a_day_without_a_jump() -> None:
    clocks = Clocks()
    told = [clocks.believed]
    for seconds in (STEADY_SECONDS - 1, 1):
        clocks.pass_time(seconds)
        told.append(clocks.believed)
    assert told == [False, False, True]


@pytest.mark.parametrize("jump", [DAY, -DAY, 40 * 365 * DAY, -JUMP_SECONDS - 1])
def test_after_a_jump_either_way_it_has_to_prove_itself_anew(jump: float) -> None:
    clocks = Clocks()
    clocks.pass_time(STEADY_SECONDS)
    told = [clocks.believed]
    clocks.unix += jump
    told.append(clocks.believed)
    clocks.pass_time(STEADY_SECONDS)
    told.append(clocks.believed)
    clocks.unix += jump
    clocks.synchronised = True
    told.append(clocks.believed)
    assert told == [True, False, True, True]


def test_a_clock_that_is_steered_does_not_jump() -> None:
    clocks = Clocks()
    clocks.pass_time(STEADY_SECONDS)
    for _ in range(20):
        clocks.pass_time(3600)
        clocks.unix += 1.5  # half a thousandth
        assert clocks.believed or clocks.steady < 100 + 2 * STEADY_SECONDS + 3600


def test_1970_is_believed_by_nobody() -> None:
    clocks = Clocks(unix=1000.0, synchronised=True)
    clocks.pass_time(10 * STEADY_SECONDS)
    assert not clocks.believed


def test_the_clock_of_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert isinstance(clock.follows_a_time_server(tmp_path / "missing"), bool)
    (tmp_path / "synchronized").touch()
    assert clock.follows_a_time_server(tmp_path / "synchronized")


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Of this very process, for whatever it keeps."""
    made = Clocks()
    monkeypatch.setattr(clock, "_this_process", lambda: made.wall)
    return made


def test_evidence_and_past_events_outlive_a_clock_that_is_years_ahead(tmp_path: Path, clocks: Clocks) -> None:
    history = History(tmp_path, "front", keep_seconds=30 * DAY, limit_bytes=10**9)
    old, young = an_id(NOW - 60 * DAY), an_id(NOW - DAY)
    for event, at in ((old, NOW - 60 * DAY), (young, NOW - DAY)):
        history.add([{"id": event, "at": iso_utc(int(at * 1e9)), "kind": "presence"}])
    album = Album(tmp_path / "evidence")
    fill(album.folder, NOW - 60 * DAY, NOW - DAY)

    def left() -> tuple[int, int]:
        history.prune(int(clock.for_ages() * 1000))
        album.prune(clock.for_ages(), 30 * DAY, 10**9)
        return len(list(ask(tmp_path, Question()))), len(album.entries())

    clocks.unix += 10 * 365 * DAY
    assert left() == (2, 2)
    clocks.unix -= 10 * 365 * DAY
    clocks.synchronised = True
    assert left() == (1, 1)
    history.close()


def test_events_that_wait_from_before_a_reboot_are_not_dropped_by_a_clock_that_is_ahead(
    tmp_path: Path, clocks: Clocks
) -> None:
    path = tmp_path / "front.db"
    outbox = SqliteOutbox(Database(path), boot_id="yesterday")
    for number in range(5):
        outbox.add(outgoing(number))
    outbox.close()
    clocks.unix += 365 * DAY
    outbox = SqliteOutbox(Database(path), boot_id="today")
    assert numbers(outbox) == [0, 1, 2, 3, 4]
    assert outbox.oldest_seconds is None
    outbox.close()
    clocks.synchronised = True  # and it was a year indeed
    outbox = SqliteOutbox(Database(path), boot_id="today")
    assert (numbers(outbox), outbox.lost) == ([], 5)
    outbox.close()


def test_strangers_who_were_seen_in_1970_are_not_forgotten_when_the_clock_is_set(tmp_path: Path) -> None:
    vector = NewVector("toy", "1", bytes(64), 0.9, "stranger")
    with Gallery(tmp_path / "gallery.db") as gallery:
        early = gallery.add_stranger([vector], 100.0)
        late = gallery.add_stranger([vector], NOW - 60 * DAY)
        assert gallery.expire(NOW - 30 * DAY, 10) == [late.name]
        assert gallery.expire(0.0 - 30 * DAY, 10) == []
        gallery.saw_stranger(early.id, NOW - 40 * DAY)
        assert gallery.expire(NOW - 30 * DAY, 10) == [early.name]
