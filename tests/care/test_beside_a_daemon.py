"""A real daemon: backed up while it runs and writes, restored while it is stopped, and as it was when it is back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edged.store.history import Question, ask
from tests.care.conftest import PASSPHRASE
from tests.cli.edged_command import edged
from tests.daemon.conftest import Theatre, stage, theatre

__all__ = ["stage", "theatre"]  # fixtures


def run(settings: Path, *arguments: str) -> tuple[int, str]:
    done = edged(*arguments, "--settings", str(settings), environment={"EDGED_BACKUP_PASSPHRASE": PASSPHRASE})
    return done.returncode, done.stdout + done.stderr


def well(theatre: Theatre) -> dict[str, Any]:
    """The next health that tells of pictures; the toy names its settings in it once they were changed."""
    theatre.heard[:] = [each for each in theatre.heard if each[0] != "health"]
    health: dict[str, Any] = theatre.until(
        lambda: (found := theatre.last("health")) and found["frames_per_second"] and found
    )
    assert health["status"] == "ok" or all(reason.startswith("follows") for reason in health["reasons"])
    return health


def come_and_go(theatre: Theatre, times: int) -> None:
    for _ in range(times):
        for faces, change in (("1", "arrived"), ("0", "left")):
            count = len(theatre.all("event/presence"))
            theatre.pull("faces", faces)
            theatre.until(lambda count=count: len(theatre.all("event/presence")) > count)  # type: ignore[misc]
            assert theatre.last("event/presence")["change"] == change


def test_a_daemon_is_backed_up_running_and_comes_back_as_it_was(stage: Theatre, tmp_path: Path) -> None:
    state = Path(os.environ["EDGED_STATE_DIR"])
    settings = tmp_path / "etc"
    settings.mkdir()
    (settings / "front.toml").write_text('camera = "front"\n')
    stage.configure(history={"enabled": True, "batch_seconds": 0.05})
    stage.start()
    stage.wait_for("ok")
    # A wish from afar that proves itself becomes the last known good.
    stage.publish("config/set", {"judgement": {"presence": {"leave_seconds": 0.3}}}, retain=False)
    stage.until(lambda: (found := stage.last("config/state")) and found["revision"] and not found["on_probation"])
    come_and_go(stage, 2)
    stage.until(lambda: len(list(ask(state, Question(kinds=("presence",))))) >= 4)
    file = tmp_path / "b.edged"
    status, told = run(settings, "backup", str(file))
    assert status == 0, told
    assert well(stage)["lost_events"] == 0
    at_backup = [event["id"] for event in ask(state, Question(kinds=("presence",)))]
    come_and_go(stage, 1)
    # While it runs it cannot be put back, and the daemon does not notice.
    assert stage.daemon is not None
    status, told = run(settings, "restore", str(file), "--yes")
    assert status == 1
    assert f"front runs (process {stage.daemon.pid})" in told
    well(stage)
    stage.daemon.terminate()
    stage.daemon.wait()
    for path in state.glob("front.kept.json"):
        path.unlink()
    status, told = run(settings, "restore", str(file), "--yes")
    assert status == 0, told
    found = [event["id"] for event in ask(state, Question(kinds=("presence",)))]
    assert found[: len(at_backup)] == at_backup
    assert len(found) <= len(at_backup) + 1
    stage.heard.clear()
    stage.start()
    well(stage)
    effective = stage.until(lambda: stage.last("config/state"))
    assert effective["settings"]["judgement"]["presence"]["leave_seconds"] == 0.3
    come_and_go(stage, 1)
