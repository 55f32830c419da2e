"""`edged history`: questions, tables, deletions."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from pathlib import Path

import pytest

from edged.events import event_id, iso_utc
from edged.store.audit_check import records
from edged.store.history import History
from tests.cli.edged_command import edged


@pytest.fixture
def past() -> Path:
    folder = Path(os.environ["EDGED_STATE_DIR"])
    now_ns = time.time_ns()
    for camera, hours, more in (
        ("front", 48, {"kind": "identity", "person": "anna", "verdict": "known"}),
        ("front", 3, {"kind": "identity", "person": '=cmd|"/c calc"!A1', "verdict": "known"}),
        ("door", 2, {"kind": "security", "verdict": "phone", "reasons": [{"what": "phone"}]}),
        ("front", 1, {"kind": "presence", "change": "left", "people": 0, "first_frame": 7}),
    ):
        wall_ns = now_ns - hours * 3600 * 10**9
        payload = {"id": event_id(wall_ns, os.urandom(8)), "at": iso_utc(wall_ns), "camera": camera, **more}
        history = History(folder, camera, keep_seconds=10**7, limit_bytes=10**8)
        history.add([payload])
        history.close()
    return folder


def test_a_line_for_each_event_of_all_cameras(past: Path) -> None:
    found = edged("history")
    assert found.returncode == 0, found.stderr
    assert [line.split()[2] for line in found.stdout.splitlines()] == ["front", "front", "door", "front"]


def test_questions_narrow_it(past: Path) -> None:
    def kinds(*arguments: str) -> list[str]:
        found = edged("history", "--json", *arguments)
        assert found.returncode == 0, found.stderr
        return [json.loads(line)["kind"] for line in found.stdout.splitlines()]

    assert kinds("--since", "24h") == ["identity", "security", "presence"]
    assert kinds("--since", "24h", "--until", "90m") == ["identity", "security"]
    assert kinds("--kind", "security", "--kind", "presence") == ["security", "presence"]
    assert kinds("--camera", "door") == ["security"]
    assert kinds("--person", "anna") == ["identity"]
    assert kinds("--last", "1") == ["presence"]


def test_a_table_has_every_field_and_no_formulas(past: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(edged("history", "--csv").stdout)))
    assert [row["verdict"] for row in rows] == ["known", "known", "phone", ""]
    assert rows[1]["person"] == '\'=cmd|"/c calc"!A1'
    assert json.loads(rows[2]["reasons"]) == [{"what": "phone"}]
    assert rows[3]["people"] == "0"


def test_what_is_deleted_is_gone_and_recorded_without_its_name(past: Path) -> None:
    assert edged("history", "--person", "anna", "--purge").returncode == 1  # nobody there to say yes
    found = edged("history", "--person", "anna", "--purge", "--yes")
    assert found.stdout == "deleted 1 past events\n"
    assert edged("history", "--person", "anna").stdout == ""
    (record,) = records(past)
    assert (record.kind, record.data["events"], record.data["people"]) == ("history", 1, 1)
    assert "anna" not in json.dumps(record.data)
    assert b"anna" not in b"".join(path.read_bytes() for path in past.glob("*.history.db*"))


def test_a_deletion_that_cannot_be_recorded_is_not_done(past: Path) -> None:
    (past / "audit.jsonl").mkdir()
    found = edged("history", "--purge", "--yes")
    assert found.returncode == 1
    assert "audit.jsonl cannot be written" in found.stderr
    assert edged("history", "--person", "anna").stdout


def test_wrong_questions_are_named(past: Path) -> None:
    assert "Did you mean security?" in edged("history", "--kind", "securty").stderr
    assert "no history of camera back" in edged("history", "--camera", "back").stderr
    assert edged("history", "--json", "--csv").returncode == 2
    assert edged("history", "--purge", "--last", "3").returncode == 2


def test_without_a_past_there_is_nothing_to_tell() -> None:
    found = edged("history")
    assert (found.returncode, found.stdout) == (0, "")
