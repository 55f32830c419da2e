"""The journal gets lines with fields: under a real journald, in a mount namespace of its own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.logs import journal as edged_journal
from edged.notices import BROKER_LOST, BUG, CAMERA_LOST, CHILD_DIED, CHILD_FAILED, CHILD_REPLACED
from tests.logs.conftest import Journal


def found(entries: list[dict[str, Any]], **fields: str) -> list[dict[str, Any]]:
    return [each for each in entries if all(each.get(name) == value for name, value in fields.items())]


def test_each_line_has_its_fields_its_priority_and_its_number(journal: Journal) -> None:
    entries = journal.of(sys.executable, "-m", "tests.logs.talker", "auto")
    (small,) = found(entries, MESSAGE="a small thing")
    assert small["PRIORITY"] == "7"
    (ready,) = found(entries, MESSAGE="ready with 4 models")
    assert ready["_TRANSPORT"] == "journal"
    assert (ready["PRIORITY"], ready["EDGED_CAMERA"], ready["EDGED_PROCESS"]) == ("6", "front", "daemon")
    assert (ready["SYSLOG_IDENTIFIER"], ready["LOGGER"]) == ("edged-front", "edged.talker")
    assert ready["CODE_FILE"].endswith("talker.py")
    assert "MESSAGE_ID" not in ready
    (event,) = found(entries, EVENT_ID="0190")
    assert event["MESSAGE"] == "event 0190"
    (lost,) = found(entries, MESSAGE_ID=CAMERA_LOST.id)
    assert (lost["PRIORITY"], lost["EDGED_NOTICE"], lost["EDGED_STAGE"]) == ("4", "camera_lost", "daemon")
    (died,) = found(entries, MESSAGE_ID=CHILD_DIED.id)
    assert (died["EDGED_STAGE"], died["EDGED_PROCESS"]) == ("inference", "daemon")
    assert found(entries, MESSAGE="the end")[0]["PRIORITY"] == "2"
    # One process, one identity: nothing went by standard error.
    assert {each["_TRANSPORT"] for each in entries if each.get("_PID") == ready["_PID"]} == {"journal"}


def test_a_child_has_an_identity_of_its_own(journal: Journal) -> None:
    entries = journal.of(sys.executable, "-m", "tests.logs.talker", "journal", "capture")
    (ready,) = found(entries, MESSAGE="ready with 4 models")
    assert (ready["EDGED_PROCESS"], ready["EDGED_STAGE"]) == ("capture", "capture")
    assert ready["SYSLOG_IDENTIFIER"] == "edged-front-capture"
    hook = journal.of(sys.executable, "-m", "tests.logs.talker", "journal", "hook nods")
    (ready,) = found(hook, MESSAGE="ready with 4 models")
    assert (ready["EDGED_STAGE"], ready["SYSLOG_IDENTIFIER"]) == ("hook nods", "edged-front-hook-nods")


def test_repeats_are_counted_and_nothing_secret_comes_along(journal: Journal) -> None:
    entries = journal.of(sys.executable, "-m", "tests.logs.talker", "auto")
    full = [each for each in entries if each["MESSAGE"].startswith("the disk is full")]
    assert len(full) == 2
    assert re.fullmatch(r"the disk is full … 312 more times in \d+ s", full[1]["MESSAGE"])
    assert (full[1]["EDGED_REPEATED"], full[1]["PRIORITY"]) == ("312", "3")
    (bug,) = [each for each in entries if each["MESSAGE"].startswith("unexpected: ***")]
    assert "ValueError: rtsp://watcher:***@camera/ refused ***" in bug["MESSAGE"]
    for entry in entries:
        # The journal knows the command line of its own accord.
        assert "hunter2" not in str(entry)
        assert "opensesame" not in str(entry)
        assert not {"CODE_ARGS", "EXCEPTION_INFO", "ARGS", "MSG"} & set(entry)


def test_what_nobody_expected_is_one_line_with_a_number(journal: Journal) -> None:
    entries = journal.of(sys.executable, "-m", "tests.logs.talker", "auto")
    (ended,) = found(entries, MESSAGE_ID=BUG.id)
    assert re.fullmatch(
        r"the thread looker has ended by a bug: ZeroDivisionError: one by none \(talker\.py:\d+\)", ended["MESSAGE"]
    )
    (warned,) = [each for each in entries if each["MESSAGE"].startswith("FutureWarning")]
    assert re.fullmatch(r"FutureWarning: old ways \(talker\.py:\d+\)", warned["MESSAGE"])


def test_the_catalog_explains_each_line_to_people(journal: Journal) -> None:
    journal.of(sys.executable, "-m", "tests.logs.talker", "auto")
    assert "Subject: Camera front is lost" in journal.explained
    assert "Subject: The process inference of camera front has died" in journal.explained
    assert "What to do: The message says why." in journal.explained


@pytest.mark.parametrize("wanted", ["text", "json"])
def test_who_wants_lines_gets_lines(journal: Journal, wanted: str) -> None:
    entries = journal.of(sys.executable, "-m", "tests.logs.talker", wanted)
    own = [each for each in entries if "ready with" in each["MESSAGE"]]
    assert [each["_TRANSPORT"] for each in own] == ["stdout"]
    if wanted == "text":
        assert own[0]["MESSAGE"] == "edged[front]: ready with 4 models"
        assert own[0]["PRIORITY"] == "6"
    else:
        assert own[0]["MESSAGE"].startswith('{"at": ')


def test_a_whole_daemon_and_its_children_are_in_the_journal(journal: Journal, tmp_path: Path) -> None:
    """A child is killed, another gives up, and there is no broker."""
    entries = journal.of(sys.executable, "-m", "tests.logs.life_under_journald", tmp_path)
    daemon = found(entries, EDGED_PROCESS="daemon")
    assert {each["EDGED_CAMERA"] for each in entries if "EDGED_PROCESS" in each} == {"front"}
    (died,) = found(daemon, MESSAGE_ID=CHILD_DIED.id, EDGED_STAGE="capture")
    assert died["PRIORITY"] == "4"
    (replaced,) = found(daemon, MESSAGE_ID=CHILD_REPLACED.id, EDGED_STAGE="capture")
    assert replaced["MESSAGE"] == "capture runs again"
    assert found(daemon, MESSAGE_ID=CHILD_FAILED.id)[0]["EDGED_STAGE"] == "inference"
    assert found(daemon, MESSAGE_ID=BROKER_LOST.id)[0]["PRIORITY"] == "4"
    assert {each["MESSAGE_ID"] for each in found(daemon, EDGED_NOTICE="health_changed")}
    children = found(entries, EDGED_PROCESS="inference")
    assert children
    assert {each["_PID"] for each in children}.isdisjoint({each["_PID"] for each in daemon})
    assert {each["SYSLOG_IDENTIFIER"] for each in children} == {"edged-front-inference"}
    assert "Subject: The process capture of camera front has died" in journal.explained


def test_standard_error_is_the_journal_only_where_systemd_says_so_of_this_very_file(tmp_path: Path) -> None:
    with (tmp_path / "one").open("w") as one, (tmp_path / "other").open("w") as other:
        here = os.fstat(one.fileno())
        environment = {"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"}
        assert edged_journal.is_journal(one.fileno(), environment)
        assert not edged_journal.is_journal(other.fileno(), environment)
        assert not edged_journal.is_journal(-1, environment)
        for nonsense in ("", "8", "8:", "a:b", ":::"):
            assert not edged_journal.is_journal(one.fileno(), {"JOURNAL_STREAM": nonsense})
        assert not edged_journal.is_journal(one.fileno(), {})
