"""What root makes in the daemon's folder is the daemon's: `sudo edged faces enroll` must not lock it out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.store.database import Database
from edged.store.directory import InstanceLock
from edged.store.gallery_seal import KEY_FILE, read_key
from edged.whole_file import write_whole

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    os.chown(made, NOBODY, NOBODY)
    return made


def test_every_file_that_root_makes_there_belongs_to_the_owner_of_the_folder(folder: Path) -> None:
    database = Database(folder / "front.db")
    database.execute("CREATE TABLE told (what TEXT)")
    read_key(folder, None)
    lock = InstanceLock(folder, "front")
    write_whole(folder / "kept.json", b"{}", folder / "kept.json.new")
    try:
        owners = {
            file.name: (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777)
            for file in folder.iterdir()
        }
    finally:
        lock.close()
        database.close()
    assert {"front.db", "front.db-wal", "front.db-shm", "front.lock", "kept.json", KEY_FILE} == set(owners)
    assert set(owners.values()) == {(NOBODY, NOBODY, 0o600)}


def test_a_file_with_another_name_elsewhere_stays_roots(folder: Path) -> None:
    """Whoever owns the folder could have linked any file of the machine there."""
    secret = folder.parent / "shadow"
    secret.write_bytes(b"")
    secret.chmod(0o600)
    (folder / "front.db").hardlink_to(secret)
    Database(folder / "front.db").close()
    assert secret.stat().st_uid == 0
