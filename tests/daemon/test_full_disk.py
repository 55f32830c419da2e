"""The disk under a real daemon is filled by somebody else, and emptied again: nothing that happened is lost, and health says
what is the matter as long as it lasts.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from edged.store import audit_check
from edged.store.history import Question, ask
from tests.daemon.conftest import ROOT, Theatre


def start(stage: Theatre, state: Path) -> None:
    stage.configure(
        store={"directory": str(state)},
        history={"enabled": True, "batch_seconds": 0.1},
        audit={"enabled": True, "kinds": ["presence"]},
        judgement={"presence": {"arrive_seconds": 0.1, "leave_seconds": 0.1}, "summary": {"window_seconds": 1}},
    )
    with stage.log_file.open("ab") as log:
        command = [sys.executable, "-m", "tests.daemon.puppet_daemon", str(stage.settings_file)]
        stage.daemon = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)


def fill(folder: Path) -> Path:
    """To the last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while free := shutil.disk_usage(folder).free:
            file.write(bytes(min(free, 1 << 20)))
    return filler


def presence(stage: Theatre) -> list[dict[str, Any]]:
    return stage.all("event/presence")


def happened(stage: Theatre) -> int:
    """How many came and went, as its metrics say, which need neither disk nor broker."""
    found = re.search(r"metrics at (http://\S+/metrics)", stage.log())
    assert found
    with urllib.request.urlopen(found[1], timeout=10) as answer:  # noqa: S310 - of a process of ours, on the loopback
        text = answer.read().decode()
    told = re.search(r'^edged_events_total\{[^}]*kind="presence"[^}]*\} ([0-9.]+)', text, re.MULTILINE)
    return int(float(told[1])) if told else 0


def come_and_go(stage: Theatre, times: int) -> None:
    for _ in range(times):
        for people in ("1", "0"):
            before = happened(stage)
            stage.pull("faces", people)
            stage.until(lambda before=before: happened(stage) > before)  # type: ignore[misc]


def reasons(stage: Theatre) -> str:
    return "; ".join((stage.last("health") or {}).get("reasons", []))


def test_a_disk_that_is_full_while_the_broker_is_away(stage: Theatre, small_disk: Path) -> None:
    start(stage, small_disk)
    stage.wait_for("ok")
    come_and_go(stage, 1)
    stage.until(lambda: len(presence(stage)) == 2)
    filler = fill(small_disk)
    come_and_go(stage, 1)
    stage.until(lambda: "cannot be written to the disk" in reasons(stage))
    stage.until(lambda: "not everything is recorded" in reasons(stage))
    assert stage.status() == "degraded"
    stage.ask("pause")
    stage.until(lambda: "a pause are not kept over a restart" in reasons(stage))
    stage.ask("resume")
    stage.until(lambda: stage.status() == "degraded")
    stage.broker.kill()
    come_and_go(stage, 4)
    filler.unlink()
    time.sleep(6.0)  # it is tried again every five seconds
    stage.bring_the_broker_back()
    stage.until(lambda: len(presence(stage)) >= 12, 40)
    stage.wait_for("ok")
    heard = presence(stage)
    assert [event["change"] for event in heard] == ["arrived", "left"] * 6
    assert [event["seq"] for event in heard] == sorted({event["seq"] for event in heard})
    stage.until(lambda: stage.last("health")["waiting_events"] == 0)
    assert (stage.last("health")["lost_events"], stage.last("health")["reasons"]) == (0, [])
    # All of it is in the past and in the trail, in order, and the trail is sound.
    ids = [event["id"] for event in heard]
    stage.until(lambda: _past(small_disk) == ids)
    verdict = audit_check.verify(small_disk)
    assert verdict.problems == []
    trail = [record.data for record in audit_check.records(small_disk) if record.kind == "presence"]
    assert [each["change"] for each in trail] == ["arrived", "left"] * 6
    assert json.loads((small_disk / "front.kept.json").read_text(encoding="utf-8"))["paused"] is False


def test_a_daemon_that_begins_on_a_full_disk_watches_on_and_says_so(stage: Theatre, small_disk: Path) -> None:
    filler = fill(small_disk)
    start(stage, small_disk)
    stage.wait_for("degraded")
    assert "not kept over a restart" in reasons(stage) or "cannot be written" in reasons(stage)
    come_and_go(stage, 1)
    stage.until(lambda: len(presence(stage)) == 2)
    filler.unlink()


def _past(folder: Path) -> list[str]:
    return [event["id"] for event in ask(folder, Question(kinds=("presence",)))]
