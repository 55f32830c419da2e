"""A camera's folder of evidence: names, ages, sizes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edged.errors import EvidenceError
from edged.evidence.album import Album
from tests.evidence.making import an_id, fill, packed

DAY = 86400.0


def _aged(folder: Path, *days: float) -> list[str]:
    now = time.time()
    return fill(folder, *(now - each * DAY for each in days))


def test_files_are_for_their_owner_alone_and_listed_by_age(tmp_path: Path) -> None:
    ids = _aged(tmp_path / "new", 3, 2, 1)
    album = Album(tmp_path / "new")
    assert [entry.event for entry in album.entries()] == ids
    assert all(entry.path.stat().st_mode & 0o777 == 0o600 for entry in album.entries())
    assert album.folder.stat().st_mode & 0o777 == 0o700


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    old, young = _aged(tmp_path, 15, 13)
    gone = Album(tmp_path).prune(time.time(), 14 * DAY, 10**9)
    assert [entry.event for entry in gone] == [old]
    assert [entry.event for entry in Album(tmp_path).entries()] == [young]


def test_what_is_too_much_goes_the_oldest_first(tmp_path: Path) -> None:
    ids = _aged(tmp_path, 4, 3, 2, 1)
    each = Album(tmp_path).entries()[0].bytes
    gone = Album(tmp_path).prune(time.time(), 14 * DAY, 2 * each + each // 2)
    assert [entry.event for entry in gone] == ids[:2]


def test_a_clock_that_had_not_been_set_deletes_nothing_that_was_just_written(tmp_path: Path) -> None:
    (event,) = fill(tmp_path, 1000.0)
    assert Album(tmp_path).prune(time.time(), 14 * DAY, 10**9) == []
    assert [entry.event for entry in Album(tmp_path).entries()] == [event]


def test_a_file_that_was_renamed_is_named(tmp_path: Path) -> None:
    (event,) = fill(tmp_path, time.time())
    other = an_id()
    (tmp_path / f"{event}.evidence").rename(tmp_path / f"{other}.evidence")
    (entry,) = Album(tmp_path).entries()
    assert entry.problem == f"{other}.evidence holds the evidence of {event}: it was renamed"


def test_rubbish_with_the_name_of_evidence_is_named_and_the_rest_is_listed(tmp_path: Path) -> None:
    fill(tmp_path, time.time())
    rubbish = tmp_path / f"{an_id()}.evidence"
    rubbish.write_bytes(b"nothing")
    problems = [entry.problem for entry in Album(tmp_path).entries()]
    assert len(problems) == 2
    assert any(rubbish.name in problem for problem in problems)


def test_half_a_file_is_never_seen_and_swept_away_later(tmp_path: Path) -> None:
    album = Album(tmp_path)
    partial = tmp_path / f"{an_id()}.partial"
    partial.write_bytes(b"half")
    assert album.entries() == []
    album.prune(time.time(), 14 * DAY, 10**9)
    assert partial.exists()  # somebody may be at it
    album.prune(time.time() + 7200, 14 * DAY, 10**9)
    assert not partial.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "0199", "a" * 36])
def test_what_is_no_id_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(EvidenceError):
        Album(tmp_path).path(name)


def test_writing_the_same_event_again_replaces_it_as_a_whole(tmp_path: Path) -> None:
    event = an_id()
    album = Album(tmp_path)
    album.write(event, packed(event, pictures=1))
    album.write(event, packed(event, pictures=2))
    (entry,) = album.entries()
    assert entry.header is not None
    assert entry.header.pictures == 2
