from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edged.errors import StoreError
from edged.settings import StoreSettings
from edged.store import audit
from edged.store.database import Database
from edged.store.directory import InstanceLock, state_directory
from edged.store.swap import claim


def test_the_setting_comes_before_the_environment_and_the_environment_before_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/systemd:{tmp_path}/second")
    monkeypatch.setenv("EDGED_STATE_DIR", str(tmp_path / "ours"))
    assert state_directory(StoreSettings(directory=tmp_path / "set")) == tmp_path / "set"
    assert state_directory(StoreSettings()) == tmp_path / "ours"
    monkeypatch.delenv("EDGED_STATE_DIR")
    assert state_directory(StoreSettings()) == tmp_path / "systemd"
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setattr("edged.store.directory._SYSTEM", tmp_path / "absent")
    assert state_directory(StoreSettings()) == tmp_path / "home" / "edged"
    assert (tmp_path / "home" / "edged").stat().st_mode & 0o077 == 0
    (tmp_path / "absent").mkdir()
    assert state_directory(StoreSettings()) == tmp_path / "absent"


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/state cannot be made: .* \(set store\.directory"):
        state_directory(StoreSettings(directory=tmp_path / "file" / "state"))


def test_a_second_daemon_of_a_camera_is_told_who_has_it(tmp_path: Path) -> None:
    with InstanceLock(tmp_path, "front"):
        with pytest.raises(StoreError, match=rf"another edged already runs as 'front': process {os.getpid()} holds"):
            InstanceLock(tmp_path, "front")
        InstanceLock(tmp_path, "back").close()
    InstanceLock(tmp_path, "front").close()


def test_the_lock_is_free_again_however_its_holder_ended(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from edged.store.directory import InstanceLock; "
        "held = InstanceLock(Path(sys.argv[1]), 'front'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=f"process {holder.pid} holds"):
        InstanceLock(tmp_path, "front")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    InstanceLock(tmp_path, "front").close()


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path, "front")
    child = subprocess.Popen(["sleep", "30"], close_fds=False)
    lock.close()
    try:
        InstanceLock(tmp_path, "front").close()
    finally:
        child.kill()
        child.wait()


def test_a_folder_that_cannot_be_written_costs_the_lock_and_not_the_daemon(tmp_path: Path) -> None:
    lock = InstanceLock(tmp_path / "absent", "front")
    assert "cannot be written" in lock.problem
    lock.close()


def test_a_lock_that_is_a_link_leads_nobody_astray(tmp_path: Path) -> None:
    """Root takes these locks, too, in a folder that belongs to the daemon's user."""
    precious = tmp_path / "shadow"
    precious.write_text("root:x")
    state = tmp_path / "state"
    state.mkdir()
    (state / "front.lock").symlink_to(precious)
    (state / ".edged-restore.lock").symlink_to(precious)
    (state / "audit.head").symlink_to(precious)
    (state / "front.db").symlink_to(precious)
    mode = precious.stat().st_mode
    with InstanceLock(state, "front") as lock:
        assert "front.lock cannot be written" in lock.problem
    with pytest.raises(StoreError, match=r"front\.lock cannot be written: .* \(it may be a link"):
        InstanceLock(state, "front", restoring=True)
    with pytest.raises(StoreError, match=r"edged-restore\.lock cannot be written"), claim(state):
        pass
    with pytest.raises(StoreError):
        audit.note(state, "config", {}, by="somebody")
    with contextlib.suppress(StoreError):
        Database(state / "front.db").close()
    assert precious.read_text() == "root:x"
    assert precious.stat().st_mode == mode
