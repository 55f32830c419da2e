"""`edged backup`: what is in it, what is not, and that nobody else can read it; also while somebody writes."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.store.gallery import Gallery
from edged.store.history import Question, ask
from tests.care.conftest import PASSPHRASE, PASSWORD, Installation
from tests.cli.edged_command import edged

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import itertools, sys
from pathlib import Path
from edged.store import audit
from edged.store.history import History
from tests.care.conftest import event
folder = Path(sys.argv[1])
past = History(folder, "front", keep_seconds=1e9, limit_bytes=1 << 26)
for number in itertools.count(1000):
    past.add([event(number)])
    audit.note(folder, "config", {"number": number}, by="daemon", camera="front")
    print(number, flush=True)
"""


def listed(machine: Installation, file: Path) -> dict[str, str]:
    """Path in the backup to part."""
    status, told = machine.run("restore", "--list", "--json", str(file))
    assert status == 0, told
    return {f"{item['root']}/{item['name']}": item["part"] for item in json.loads(told)["items"]}


def test_all_but_keys_and_what_belongs_to_the_moment_is_in_it(full: Installation, tmp_path: Path) -> None:
    file = tmp_path / "b.edged"
    status, told = full.run("backup", str(file))
    assert status == 0, told
    assert listed(full, file) == {
        "settings/front.toml": "settings",
        "settings/typing.toml": "settings",
        "state/gallery.db": "gallery",
        "state/gallery.key": "gallery",
        "state/front.kept.json": "kept",
        "state/actuator-typing.stopped": "kept",
        "state/front.history.db": "history",
        "state/audit.jsonl": "audit",
        "state/audit.head": "audit",
    }
    assert "3 keys and passwords" in told
    assert "--keys takes them along" in told


def test_keys_are_in_it_when_they_are_asked_for(full: Installation, tmp_path: Path) -> None:
    file = tmp_path / "b.edged"
    (full.settings / "edged.toml.example").write_text("# the package brings its own\n", encoding="utf-8")
    assert full.run("backup", str(file), "--keys", "--only", "settings")[0] == 0
    found = listed(full, file)
    assert {path for path, part in found.items() if part == "keys"} == {
        "settings/mqtt_password", "settings/front.key", "settings/typing.key",
    }  # fmt: skip
    assert set(found.values()) == {"settings", "keys"}


def test_nobody_else_reads_it_and_nothing_of_it_stands_there_in_clear(full: Installation, tmp_path: Path) -> None:
    file = tmp_path / "b.edged"
    assert full.run("backup", str(file), "--keys")[0] == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    for secret in (b"Annabella", PASSWORD.encode(), b"front", b"history", (full.state / "gallery.key").read_bytes()):
        assert secret not in content
    # Nothing of it is left beside it, or where copies stood for a while.
    assert [path.name for path in tmp_path.iterdir() if "b.edged" in path.name] == ["b.edged"]
    assert not list(full.state.glob(".edged-backup-*"))


def test_it_is_whole_while_others_write(full: Installation, fresh: Installation, tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(full.state)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    try:
        before = int(writer.stdout.readline())
        for number in range(3):
            status, told = full.run("backup", str(tmp_path / f"{number}.edged"))
            assert status == 0, told
            assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    last = [int(line) for line in writer.stdout.read().splitlines()][-1]
    writer.stdout.close()
    for number in range(3):
        status, told = fresh.run("restore", str(tmp_path / f"{number}.edged"), "--yes")
        assert status == 0, told
        found = [int(payload["id"][1:]) for payload in ask(fresh.state, Question())]
        written = sorted(each for each in found if each >= 1000)
        # All that was there up to a moment, and nothing after it.
        assert written == list(range(1000, written[-1] + 1))
        assert before <= written[-1] <= last + 1
        verdict = edged("audit", "verify", environment={"EDGED_STATE_DIR": str(fresh.state)})
        assert verdict.returncode == 0, verdict.stdout


def test_a_copy_is_named_when_somebody_in_it_is_forgotten(full: Installation, tmp_path: Path) -> None:
    file = tmp_path / "b.edged"
    assert full.run("backup", str(file))[0] == 0
    with Gallery(full.state) as gallery:
        assert file in gallery.forget("Annabella").backups


def test_a_gallery_that_was_tampered_with_is_refused_and_the_rest_can_be_kept(
    full: Installation, tmp_path: Path
) -> None:
    with sqlite3.connect(full.state / "gallery.db") as database:
        database.execute("UPDATE person SET name = 'Mallory' WHERE name = 'Annabella'")
    database.close()
    file = tmp_path / "b.edged"
    status, told = full.run("backup", str(file))
    assert status == 1
    assert "the gallery was tampered with" in told
    assert not file.exists()
    assert full.run("backup", str(file), "--only", "settings,history")[0] == 0


def test_a_damaged_database_is_named(full: Installation, tmp_path: Path) -> None:
    path = full.state / "front.history.db"
    content = bytearray(path.read_bytes())
    for place in range(2048, len(content), 1024):
        content[place : place + 200] = os.urandom(200)
    path.write_bytes(bytes(content))
    status, told = full.run("backup", str(tmp_path / "b.edged"))
    assert status == 1
    assert "front.history.db" in told
    assert not (tmp_path / "b.edged").exists()


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(full: Installation, tmp_path: Path) -> None:
    file = tmp_path / "b.edged"
    file.write_text("mine")
    status, told = full.run("backup", str(file))
    assert (status, file.read_text()) == (1, "mine")
    assert "is there already" in told
    assert full.run("backup", str(file), "--replace")[0] == 0
    assert file.read_bytes().startswith(b"edged backup 1\n")


def test_keys_elsewhere_are_named_not_taken(full: Installation, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.key"
    outside.write_text("k")
    settings = full.settings / "front.toml"
    settings.write_text(settings.read_text().replace("front.key", str(outside)))
    status, told = full.run("backup", str(tmp_path / "b.edged"), "--keys")
    assert status == 0
    assert f"front.toml names {outside} (signing.key_file), which is outside of {full.settings}" in told


def passphrase_run(full: Installation, file: Path, **environment: str) -> tuple[int, str]:
    done = edged(
        "backup", str(file), "--only", "settings", "--settings", str(full.settings), "--state", str(full.state),
        environment=environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_passphrase_comes_from_a_variable_too_and_from_nowhere_it_is_refused(
    full: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "b.edged"
    status, told = passphrase_run(full, file)
    assert status == 1
    assert "there is no passphrase" in told
    status, told = passphrase_run(full, file, EDGED_BACKUP_PASSPHRASE="short")
    assert status == 1
    assert "5 characters and must have 12" in told
    assert not file.exists()
    assert passphrase_run(full, file, EDGED_BACKUP_PASSPHRASE=PASSPHRASE)[0] == 0
    assert listed(full, file).keys() == {"settings/front.toml", "settings/typing.toml"}


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_passphrase_that_everybody_can_read_is_none(full: Installation, tmp_path: Path, mode: int) -> None:
    full.passphrase.chmod(mode)
    status, told = full.run("backup", str(tmp_path / "b.edged"))
    assert status == 1
    assert "is open to every user of this machine" in told


def test_the_variable_of_the_passphrase_is_no_wrong_setting() -> None:
    done = edged("config", "show", environment={"EDGED_BACKUP_PASSPHRASE": PASSPHRASE})
    assert done.returncode == 0, done.stderr
    assert PASSPHRASE not in done.stdout


def test_where_there_is_nothing_there_is_no_backup(fresh: Installation, tmp_path: Path) -> None:
    status, told = fresh.run("backup", str(tmp_path / "b.edged"))
    assert status == 1
    assert "there is nothing to keep" in told


def test_leftovers_of_a_killed_backup_go_with_a_later_one(full: Installation, tmp_path: Path) -> None:
    leftover = full.state / ".edged-backup-dead"
    leftover.mkdir()
    (leftover / "state.gallery.db").write_text("faces")
    os.utime(leftover, (time.time() - 90_000,) * 2)
    assert full.run("backup", str(tmp_path / "b.edged"))[0] == 0
    assert not leftover.exists()
