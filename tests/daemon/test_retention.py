"""What is kept stays within its limits while the daemon runs, and what could not be cleared away is said."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged import clock
from edged.daemon.evidence import EvidenceClerk
from edged.daemon.recorder import Recorder
from edged.events import iso_utc
from edged.messages import EvidenceKept
from edged.settings import Settings
from edged.store import audit
from edged.store.audit_check import records
from edged.store.history import History, Question, ask
from tests.evidence.making import an_id, key_file


def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["EDGED_STATE_DIR"])


@pytest.fixture
def begun() -> Iterator[Callable[[Recorder], Recorder]]:
    there: list[Recorder] = []

    def begin(recorder: Recorder) -> Recorder:
        there.append(recorder)
        recorder.start()
        return recorder

    yield begin
    for recorder in there:
        recorder.close()


def test_evidence_that_takes_too_much_room_goes_when_more_is_kept_and_not_an_hour_later(
    folder: Path, tmp_path: Path, begun: Callable[[Recorder], Recorder]
) -> None:
    settings = Settings.model_validate(
        {"evidence": {"enabled": True, "key_file": key_file(tmp_path), "limit_megabytes": 1}}
    )
    recorder = Recorder(settings, folder)
    clerk = EvidenceClerk(settings, folder, recorder, lambda order: True)
    begun(recorder)
    album = folder / "evidence" / "front"
    album.mkdir(parents=True)

    def keep() -> Path:
        event = an_id()
        path = album / f"{event}.evidence"
        path.write_bytes(bytes(700_000))
        clerk.kept(EvidenceKept(event, 7, 700_000, "0" * 64))
        return path

    def recorded(what: str) -> list[Any]:
        there = (folder / audit.NAME).exists()
        return [each.data["event"] for each in records(folder) if each.data["what"] == what] if there else []

    first = keep()
    _until(lambda: recorded("kept"))
    assert first.exists()
    second = keep()
    _until(lambda: recorded("deleted"))
    assert recorded("deleted") == [first.name.removesuffix(".evidence")]
    assert not first.exists()
    assert second.exists()


def test_a_chore_that_fails_is_said_though_the_next_one_succeeds(
    folder: Path, begun: Callable[[Recorder], Recorder]
) -> None:
    recorder = Recorder(Settings(), folder)
    done: list[int] = []

    def fail() -> None:
        raise OSError(30, "Read-only file system")

    recorder.chore(fail)
    recorder.chore(lambda: done.append(1))
    begun(recorder)
    recorder.action("test", {"what": "wake"})
    _until(lambda: 1 in done)
    recorder.soon(lambda: done.append(2))
    _until(lambda: 2 in done)
    assert any("Read-only" in problem for problem in recorder.problems)


def test_past_events_grow_too_old_also_where_none_are_kept_any_more(
    folder: Path, begun: Callable[[Recorder], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "for_ages", time.time)  # as if a time server vouched for it
    now_ns = time.time_ns()
    past = History(folder, "front", keep_seconds=1e9, limit_bytes=10**9)
    past.add(
        {"id": an_id(), "at": iso_utc(now_ns - days * 86400 * 10**9), "kind": "identity", "person": "anna"}
        for days in (1, 40)
    )
    past.close()
    recorder = begun(Recorder(Settings(), folder))
    recorder.action("test", {"what": "wake"})
    _until(lambda: len(list(ask(folder, Question()))) == 1)
