"""A real daemon: backed up while it runs and writes, restored while it is stopped, and as it was when it is back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.daemon.trust import Trust
from edged.errors import SignatureRefused
from edged.keys import make_key, read_key
from edged.settings import Settings
from edged.signing import signature
from edged.store.history import Question, ask
from edged.store.kept import KeptFile
from edged.store.swap import Swap, claim
from tests.care.conftest import PASSPHRASE
from tests.cli.edged_command import edged
from tests.daemon.conftest import ROOT, Theatre, stage, theatre

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


def test_what_a_killed_restore_had_decided_is_finished_by_the_daemon_that_starts(stage: Theatre) -> None:
    state = Path(os.environ["EDGED_STATE_DIR"])
    KeptFile(state / "front.kept.json").replace(revision=3)
    killed = (
        "import os, sys; from pathlib import Path; from edged.store import swap;"
        "swap._perform = lambda *_: os._exit(9); state = Path(sys.argv[1]); prepared = swap.Swap(state);"
        "kept = (state / 'front.kept.json').read_text().replace('\"revision\": 3', '\"revision\": 41');"
        "prepared.place(state, 'front.kept.json').write_text(kept); prepared.commit()"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(state)], cwd=ROOT, check=False)
    assert done.returncode == 9
    assert KeptFile(state / "front.kept.json").now.revision == 3
    stage.start()
    well(stage)
    assert stage.until(lambda: stage.last("config/state"))["revision"] == 41
    assert not (state / ".edged-restore").exists()


def test_while_a_restore_is_under_way_a_daemon_ends_and_says_why(stage: Theatre) -> None:
    state = Path(os.environ["EDGED_STATE_DIR"])
    with claim(state):
        Swap(state).place(state, "front.kept.json").write_text("{}")
        daemon = stage.start()
        assert daemon.wait(20) == 1
        assert "a restore is under way" in stage.log()
    stage.start()
    stage.wait_for("ok")


def test_a_command_that_was_signed_before_a_restore_is_not_carried_out_again(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    settings = Settings.model_validate({"signing": {"key_file": str(tmp_path / "key")}})
    kept = KeptFile(tmp_path / "front.kept.json")
    now = 1_790_000_000.0

    def signed(issued_at: float) -> dict[str, Any]:
        command = {
            "camera": settings.camera, "command": "release", "issued_at": issued_at, "expires_at": issued_at + 60,
            "nonce": f"n{issued_at}", "options": {},
        }  # fmt: skip
        return {**command, "signature": signature(command, read_key(tmp_path / "key"))}

    Trust(settings, kept, now, 0.0).check("release", signed(now - 1), now, 0.0)
    kept.replace(trusted_since=now + 10, nonces={})
    trust = Trust(settings, kept, now + 20, 20.0)
    with pytest.raises(SignatureRefused, match="before edged started or was restored"):
        trust.check("release", signed(now - 1), now + 20, 20.0)
    after = now + 30
    assert trust.check("release", signed(after), after, after - now).command == "release"
