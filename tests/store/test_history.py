"""Past events: what is asked for is found, what is too old or too much goes, what is forgotten is gone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edged.errors import StoreError
from edged.events import event_id, iso_utc
from edged.store import history
from edged.store.history import History, Question, ask, forget

NOW_MS = 1_780_000_000_000
DAY_MS = 86_400_000


def _event(at_ms: int, kind: str = "blink", camera: str = "front", **more: Any) -> dict[str, Any]:
    identity = event_id(at_ms * 1_000_000, os.urandom(8))
    return {"id": identity, "at": iso_utc(at_ms * 1_000_000), "camera": camera, "kind": kind, **more}


def _keep(folder: Path, events: list[dict[str, Any]], camera: str = "front") -> None:
    past = History(folder, camera, keep_seconds=30 * 86400, limit_bytes=10**8)
    past.add(events)
    past.close()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Two cameras with events of three kinds, an hour apart."""
    _keep(tmp_path, [
        _event(NOW_MS, "identity", person="anna", verdict="known"),
        _event(NOW_MS + 7_200_000, "security", verdict="phone"),
        _event(NOW_MS + 10_800_000, "identity", person=None, previous_person="anna", verdict="gone"),
    ])  # fmt: skip
    _keep(tmp_path, [_event(NOW_MS + 3_600_000, "identity", "door", person="bob")], "door")
    return tmp_path


def test_events_of_all_cameras_come_in_the_order_of_time(three: Path) -> None:
    found = list(ask(three, Question()))
    assert [event["camera"] for event in found] == ["front", "door", "front", "front"]
    assert found[0]["person"] == "anna"


def test_a_question_may_name_kind_camera_person_and_time(three: Path) -> None:
    assert [event["verdict"] for event in ask(three, Question(kinds=("security",)))] == ["phone"]
    assert [event["person"] for event in ask(three, Question(cameras=("door",)))] == ["bob"]
    assert len(list(ask(three, Question(people=("anna",))))) == 2
    assert len(list(ask(three, Question(people=("anna", "bob"), kinds=("identity",))))) == 3
    assert len(list(ask(three, Question(since_ms=NOW_MS + 1, until_ms=NOW_MS + 7_200_000)))) == 1


def test_only_the_newest_come_where_so_few_are_wanted(three: Path) -> None:
    assert [event["kind"] for event in ask(three, Question(), newest=2)] == ["security", "identity"]


def test_a_camera_without_a_past_is_named(three: Path) -> None:
    with pytest.raises(StoreError, match=r"no history of camera back .*door, front"):
        list(ask(three, Question(cameras=("back",))))


def test_the_same_event_twice_is_one(tmp_path: Path) -> None:
    event = _event(NOW_MS)
    _keep(tmp_path, [event])
    _keep(tmp_path, [event, _event(NOW_MS + 1)])
    assert len(list(ask(tmp_path, Question()))) == 2


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    _keep(tmp_path, [_event(NOW_MS - 31 * DAY_MS), _event(NOW_MS - 29 * DAY_MS), _event(1000)])
    past = History(tmp_path, "front", keep_seconds=30 * 86400, limit_bytes=10**8)
    assert past.prune(NOW_MS) == 1
    past.close()
    # What a clock without a battery dated is not known to be old.
    assert [history.at_ms(event["at"]) for event in ask(tmp_path, Question())] == [1000, NOW_MS - 29 * DAY_MS]


def test_what_is_too_much_goes_the_oldest_first_and_the_file_stays_small(tmp_path: Path) -> None:
    past = History(tmp_path, "front", keep_seconds=30 * 86400, limit_bytes=1_000_000)
    for batch in range(40):
        past.add(_event(NOW_MS + batch * 1000 + number, filling="x" * 200) for number in range(200))
        past.prune(NOW_MS)
    past.close()
    kept = [history.at_ms(event["at"]) for event in ask(tmp_path, Question())]
    assert kept[-1] == NOW_MS + 39_199
    assert 500 < len(kept) < 4000
    assert kept == sorted(kept)
    assert history.path_of(tmp_path, "front").stat().st_size < 2_500_000


def test_who_is_forgotten_is_gone_from_the_file_too(tmp_path: Path) -> None:
    _keep(tmp_path, [_event(NOW_MS, "identity", person="annabella"), _event(NOW_MS + 1, "identity", person="bob")])
    writer = History(tmp_path, "front", keep_seconds=30 * 86400, limit_bytes=10**8)
    assert forget(tmp_path, Question(people=("annabella",))) == 1
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    writer.close()
    assert b"annabella" not in left
    assert [event["person"] for event in ask(tmp_path, Question())] == ["bob"]


def test_who_is_forgotten_is_gone_also_where_a_face_was_taken_for_them_before_it_was_anothers(tmp_path: Path) -> None:
    _keep(tmp_path, [
        _event(NOW_MS, "identity", person="bob", previous_person="annabella"),
        _event(NOW_MS + 1, "identity", person="bob", previous_person="bob"),
    ])  # fmt: skip
    assert len(list(ask(tmp_path, Question(people=("annabella",))))) == 1
    assert len(list(ask(tmp_path, Question(people=("bob", "annabella"))))) == 2
    assert forget(tmp_path, Question(people=("annabella",))) == 1
    assert b"annabella" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_reader_does_not_hold_up_who_writes(tmp_path: Path) -> None:
    _keep(tmp_path, [_event(NOW_MS + number) for number in range(100)])
    found = ask(tmp_path, Question())
    next(found)
    _keep(tmp_path, [_event(NOW_MS + 1000)])
    assert len(list(found)) == 99
    assert len(list(ask(tmp_path, Question()))) == 101


def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path) -> None:
    _keep(tmp_path, [_event(NOW_MS)])
    path = history.path_of(tmp_path, "front")
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match=r"front\.history\.db cannot be read"):
        list(ask(tmp_path, Question()))
    past = History(tmp_path, "front", keep_seconds=86400, limit_bytes=10**8)
    assert "begun anew" in past.damage
    past.add([_event(NOW_MS)])
    past.close()
    assert len(list(ask(tmp_path, Question()))) == 1


def test_questions_change_nothing(three: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in three.iterdir()}
    list(ask(three, Question()))
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in three.iterdir()} == before


def test_a_name_is_data_and_never_part_of_the_question(three: Path) -> None:
    assert list(ask(three, Question(people=("x' OR 1=1 --",)))) == []
    with sqlite3.connect(history.path_of(three, "front")) as connection:
        assert connection.execute("SELECT count(*) FROM past").fetchone() == (3,)
    connection.close()
