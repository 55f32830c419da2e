"""What a running daemon keeps: the audit trail and its published head, the past; over kills and a trail that was tampered with."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from edged.store import audit
from edged.store.audit import Head, Record
from edged.store.audit_check import records, verify
from edged.store.history import Question, ask
from tests.daemon.conftest import Theatre

RECORDED: dict[str, Any] = {
    "audit": {"kinds": ["presence", "config"], "publish_seconds": 1},
    "history": {"enabled": True, "batch_seconds": 0.1},
}


@pytest.fixture
def state() -> Path:
    return Path(os.environ["EDGED_STATE_DIR"])


def _begin(stage: Theatre) -> None:
    stage.configure(**RECORDED)
    stage.start()
    stage.wait_for("ok")


def _of(folder: Path, kind: str) -> list[Record]:
    return [record for record in records(folder) if record.kind == kind] if (folder / audit.NAME).exists() else []


def _until_more(stage: Theatre, folder: Path, kind: str, count: int) -> None:
    stage.until(lambda: len(_of(folder, kind)) > count)


def _end(stage: Theatre, number: int = signal.SIGTERM) -> None:
    assert stage.daemon is not None
    stage.daemon.send_signal(number)
    stage.daemon.wait(10)


def test_events_go_into_the_trail_and_its_head_is_published(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.pull("faces", "1")
    stage.until(lambda: _of(state, "presence"))
    stage.until(lambda: stage.last("audit"))
    first, second = list(records(state))[:2]
    assert (first.kind, second.kind, second.data["change"], second.camera) == ("begun", "presence", "arrived", "front")
    assert second.data["id"] == stage.all("event/presence")[0]["id"]
    stage.pull("faces", "0")
    stage.until(lambda: stage.last("audit")["record"] >= 3)
    told = stage.last("audit")
    assert verify(state, [("the broker", Head(told["record"], told["hash"]))]).problems == []


def test_at_the_end_the_last_head_is_told(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.pull("faces", "1")
    stage.until(lambda: _of(state, "presence"))
    _end(stage)
    stage.until(lambda: (stage.last("audit") or {}).get("record") == verify(state).records)
    assert stage.last("audit")["hash"] == verify(state).head.hash  # type: ignore[union-attr]


def test_settings_from_afar_are_recorded_with_their_paths(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.publish("config/change", {"inference": {"max_faces": 5}})
    stage.until(lambda: _of(state, "config"))
    assert _of(state, "config")[0].data["paths"] == ["inference.max_faces"]


def test_a_settings_file_that_was_edited_shows(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.pull("faces", "1")
    stage.until(lambda: _of(state, "presence"))
    for more in ({}, {"log": {"level": "debug"}}):
        _end(stage)
        stage.configure(**RECORDED, **more)
        begun = len(_of(state, "begun"))
        stage.start()
        _until_more(stage, state, "begun", begun)
    first, same, edited = (record.data["settings_sha256"] for record in _of(state, "begun"))
    assert first == same != edited


def test_a_daemon_that_is_killed_leaves_a_good_trail_and_the_next_goes_on(stage: Theatre, state: Path) -> None:
    _begin(stage)
    for faces in ("1", "0", "1"):
        count = len(_of(state, "presence"))
        stage.pull("faces", faces)
        _until_more(stage, state, "presence", count)
    _end(stage, signal.SIGKILL)
    assert verify(state).records >= 4
    stage.start()
    stage.until(lambda: len(_of(state, "begun")) == 2)
    assert [each for each in verify(state).problems if "head" not in each] == []


def test_a_trail_that_was_tampered_with_is_named_by_health_and_goes_on(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.pull("faces", "1")
    stage.until(lambda: _of(state, "presence"))
    _end(stage)
    path = state / audit.NAME
    path.write_bytes(path.read_bytes().replace(b'"arrived"', b'"removed"'))
    stage.heard.clear()
    stage.start()
    health = stage.wait_for("degraded")
    assert "line 2 (record 2) was changed" in " ".join(health["reasons"])
    stage.until(lambda: "record 2" in (stage.last("audit") or {}).get("problem", ""))


def test_a_trail_that_was_cut_while_it_runs_shows_in_the_trail(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.pull("faces", "1")
    stage.until(lambda: _of(state, "presence"))
    path = state / audit.NAME
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    stage.pull("faces", "0")
    stage.until(lambda: _of(state, "broken"))
    assert _of(state, "broken")[0].data["cut_after"] == 1


def test_events_are_kept_for_questions(stage: Theatre, state: Path) -> None:
    _begin(stage)
    stage.pull("faces", "1")
    stage.until(lambda: list(ask(state, Question(kinds=("presence",)))))
    (event,) = ask(state, Question(kinds=("presence",)))
    assert event == stage.all("event/presence")[0]
    _end(stage)
    kept = {past["id"] for past in ask(state, Question())}
    assert {event["id"] for topic, event in stage.heard if topic.startswith("event/")} <= kept


def test_without_anything_to_record_there_is_no_trail(stage: Theatre, state: Path) -> None:
    stage.start()
    stage.wait_for("ok")
    stage.pull("faces", "1")
    stage.until(lambda: stage.all("event/presence"))
    _end(stage)
    assert not (state / audit.NAME).exists()
    assert not list(state.glob("*.history.db"))


def test_a_trail_that_cannot_be_written_is_said_and_made_up_for(stage: Theatre, state: Path) -> None:
    (state / audit.NAME).mkdir()
    _begin_degraded(stage)
    stage.pull("faces", "1")
    stage.until(lambda: "not everything is recorded" in " ".join((stage.last("health") or {}).get("reasons", [])))
    (state / audit.NAME).rmdir()
    stage.until(lambda: _of(state, "presence"))
    stage.wait_for("ok")


def _begin_degraded(stage: Theatre) -> None:
    stage.configure(**RECORDED)
    stage.start()
    stage.until(lambda: stage.status() in ("ok", "degraded"))
