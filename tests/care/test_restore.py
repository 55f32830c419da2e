"""`edged restore`: all that was there comes back; what cannot be used is refused before anything is changed."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged.care.backup_file import Item, Manifest, opened, sha256_of, write_backup
from edged.care.places import places
from edged.care.restore import restore
from edged.judgement.security import Blocked
from edged.store import audit
from edged.store.gallery import Gallery
from edged.store.history import Question, ask
from edged.store.kept import Kept, KeptFile
from tests.care.conftest import PASSPHRASE, PASSWORD, Installation
from tests.cli.edged_command import REPOSITORY, edged


@pytest.fixture
def backup(full: Installation, tmp_path: Path) -> Path:
    """Of all there is, with keys."""
    file = tmp_path / "b.edged"
    status, told = full.run("backup", str(file), "--keys")
    assert status == 0, told
    return file


def changed(backup: Path, change: Callable[[Path, Manifest], Manifest]) -> Path:
    """Another backup, by somebody who has the passphrase: `change` gets a folder with its files and the manifest."""
    folder = backup.with_suffix(".files")
    with opened(backup, PASSPHRASE) as reader:
        manifest = reader.manifest
        for item in manifest.items:
            (folder / item.path).parent.mkdir(parents=True, exist_ok=True)
        reader.read_all(lambda item: folder / item.path)
    manifest = change(folder, manifest)
    other = backup.with_suffix(".other")
    write_backup(other, PASSPHRASE, manifest, {item.path: folder / item.path for item in manifest.items})
    return other


def resealed(folder: Path, manifest: Manifest) -> Manifest:
    """Digests of the files as they are now."""
    items = [
        msgspec.structs.replace(item, bytes=(folder / item.path).stat().st_size, sha256=sha256_of(folder / item.path))
        for item in manifest.items
    ]
    return msgspec.structs.replace(manifest, items=items)


def test_on_another_machine_all_is_as_it_was(full: Installation, fresh: Installation, backup: Path) -> None:
    status, told = fresh.run("restore", str(backup), "--yes")
    assert status == 0, told
    with Gallery(full.state) as before, Gallery(fresh.state) as after:
        assert after.contents() == before.contents()
        assert after.contents().problems == []
    assert list(ask(fresh.state, Question())) == list(ask(full.state, Question()))
    for name in ("front.toml", "typing.toml", "front.key", "typing.key", "mqtt_password"):
        assert (fresh.settings / name).read_bytes() == (full.settings / name).read_bytes()
    kept = KeptFile(fresh.state / "front.kept.json").now
    before_kept = KeptFile(full.state / "front.kept.json").now
    assert msgspec.structs.replace(kept, trusted_since=0.0) == before_kept
    # What was signed before may have been carried out after the backup was made.
    assert kept.trusted_since == pytest.approx(time.time(), abs=60)
    assert (fresh.state / "actuator-typing.stopped").exists()
    assert not (fresh.state / "front.db").exists()
    verdict = edged("audit", "verify", environment={"EDGED_STATE_DIR": str(fresh.state)})
    assert verdict.returncode == 0, verdict.stdout


def test_rights_are_as_they_were_and_never_wider(fresh: Installation, backup: Path) -> None:
    assert fresh.run("restore", str(backup), "--yes")[0] == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in fresh.settings.iterdir() if path.is_file()}
    assert modes == {"front.toml": 0o644, "typing.toml": 0o644, "front.key": 0o600, "typing.key": 0o600,
                     "mqtt_password": 0o640}  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in fresh.state.iterdir()} == {0o600}
    assert not (fresh.state / ".edged-restore").exists()
    assert not (fresh.settings / ".edged-restore").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_what_root_puts_back_belongs_to_whose_folder_it_is(fresh: Installation, backup: Path) -> None:
    os.chown(fresh.state, 65534, 65534)
    assert fresh.run("restore", str(backup), "--yes")[0] == 0
    assert {(path.stat().st_uid, path.stat().st_gid) for path in fresh.state.iterdir()} == {(65534, 65534)}
    assert (fresh.settings / "front.key").stat().st_uid == 0


def test_only_what_was_asked_for_comes_back(fresh: Installation, backup: Path) -> None:
    assert fresh.run("restore", str(backup), "--yes", "--only", "gallery,history")[0] == 0
    assert list(fresh.settings.iterdir()) == []
    there = {path.name for path in fresh.state.iterdir() if "lock" not in path.name}
    assert there == {"gallery.db", "gallery.key", "front.history.db"}
    status, told = fresh.run("restore", str(backup), "--yes", "--only", "evidence")
    assert status == 2
    assert "there is no part 'evidence'" in told


def test_an_old_log_never_meets_a_new_database(full: Installation, backup: Path) -> None:
    # As a killed daemon leaves it: what was written last stands in the log only.
    script = (
        "import os, sys; from pathlib import Path; from edged.store.history import History;"
        "from tests.care.conftest import event;"
        "past = History(Path(sys.argv[1]), 'front', keep_seconds=1e9, limit_bytes=1 << 26);"
        "past.add(event(number) for number in range(5000, 5300)); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(full.state)], cwd=REPOSITORY, check=False)
    assert (full.state / "front.history.db-wal").stat().st_size > 0
    assert full.run("restore", str(backup), "--yes")[0] == 0
    found = [payload["id"] for payload in ask(full.state, Question())]
    assert found == [f"e{number}" for number in range(200)]


def test_a_block_and_an_emergency_stop_that_are_in_force_stay(full: Installation, backup: Path) -> None:
    KeptFile(full.state / "front.kept.json").replace(blocked=Blocked("spoof", 1), nonces={"n2": 9e9}, revision=9)
    (full.state / "actuator-other.stopped").write_text("{}")
    assert full.run("restore", str(backup), "--yes")[0] == 0
    kept = KeptFile(full.state / "front.kept.json").now
    assert kept.blocked == Blocked("spoof", 1)
    assert kept.nonces == {"n1": 9e9, "n2": 9e9}
    assert kept.revision == 4
    assert (full.state / "actuator-other.stopped").exists()


def test_a_pause_that_is_in_force_stays(full: Installation, tmp_path: Path) -> None:
    KeptFile(full.state / "front.kept.json").replace(paused=False)
    assert full.run("backup", str(tmp_path / "unpaused.edged"))[0] == 0
    KeptFile(full.state / "front.kept.json").replace(paused=True)
    assert full.run("restore", str(tmp_path / "unpaused.edged"), "--yes")[0] == 0
    assert KeptFile(full.state / "front.kept.json").now.paused


def test_folders_that_it_makes_are_closed(backup: Path, fresh: Installation, tmp_path: Path) -> None:
    fresh.settings, fresh.state = tmp_path / "new" / "etc", tmp_path / "new" / "kept"
    assert fresh.run("restore", str(backup), "--yes")[0] == 0
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (fresh.settings, fresh.state)] == [0o750, 0o700]


def test_a_trail_that_goes_on_from_the_backups_is_kept(full: Installation, backup: Path) -> None:
    head = audit.note(full.state, "config", {"after": True}, by="daemon")
    status, told = full.run("restore", str(backup), "--yes")
    assert status == 0
    assert "it goes on from the one in the backup" in told
    verdict = edged(
        "audit", "verify", "--head", f"{head.seq}:{head.hash}", environment={"EDGED_STATE_DIR": str(full.state)}
    )
    assert verdict.returncode == 0, verdict.stdout
    shown = edged("audit", "show", environment={"EDGED_STATE_DIR": str(full.state)}).stdout
    assert '"restored"' in shown
    assert '"made"' in shown


def test_another_trail_is_set_aside_and_not_lost(fresh: Installation, backup: Path) -> None:
    audit.note(fresh.state, "config", {"mine": True}, by="daemon")
    mine = (fresh.state / audit.NAME).read_bytes()
    status, told = fresh.run("restore", str(backup), "--yes")
    assert status == 0
    (aside,) = fresh.state.glob("audit-*.jsonl")
    assert aside.read_bytes() == mine
    assert f"it is kept as {aside.name}" in told
    assert edged("audit", "verify", environment={"EDGED_STATE_DIR": str(fresh.state)}).returncode == 0


# --- refused --------------------------------------------------------------------------------------------------------


def newer_database(folder: Path, manifest: Manifest) -> Manifest:
    with sqlite3.connect(folder / "state/front.history.db") as database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('edged history', '0999_x', '')"
        )
    database.close()
    return resealed(folder, manifest)


def damaged_database(folder: Path, manifest: Manifest) -> Manifest:
    path = folder / "state/front.history.db"
    content = bytearray(path.read_bytes())
    content[3000:6000] = os.urandom(3000)
    path.write_bytes(bytes(content))
    return resealed(folder, manifest)


def no_database(folder: Path, manifest: Manifest) -> Manifest:
    (folder / "state/front.history.db").write_bytes(b"text")
    return resealed(folder, manifest)


def tampered_gallery(folder: Path, manifest: Manifest) -> Manifest:
    with sqlite3.connect(folder / "state/gallery.db") as database:
        database.execute("UPDATE person SET name = 'Mallory' WHERE name = 'Annabella'")
    database.close()
    return resealed(folder, manifest)


def gallery_without_key(folder: Path, manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, items=[each for each in manifest.items if each.name != "gallery.key"])


def newer_kept(folder: Path, manifest: Manifest) -> Manifest:
    (folder / "state/front.kept.json").write_bytes(msgspec.json.encode(Kept(version=99)))
    return resealed(folder, manifest)


def newer_format(folder: Path, manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, format=2)


def another_file(folder: Path, manifest: Manifest) -> Manifest:
    path = folder / "settings/front.toml"
    path.write_bytes(path.read_bytes().replace(b"localhost", b"elsewhere"))
    return manifest


def out_of_its_folder(folder: Path, manifest: Manifest) -> Manifest:
    (folder / "settings/../../evil").write_text("x")
    return msgspec.structs.replace(
        manifest, items=[Item("settings", "settings", "../../evil", 1, "", 0o644), *manifest.items]
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (newer_database, "front.history.db was written by a newer edged (it has 0999_x): install that one"),
        (damaged_database, "front.history.db in the backup is damaged"),
        (no_database, "front.history.db in the backup is damaged"),
        (tampered_gallery, "the gallery in the backup was tampered with"),
        (gallery_without_key, "a gallery without its key"),
        (newer_kept, "front.kept.json was written by a newer edged (version 99)"),
        (newer_format, "was written by a newer edged (format 2, this one knows 1)"),
        (another_file, "settings/front.toml is not what the manifest says it is"),
        (out_of_its_folder, "its manifest has names that cannot be: 'settings/../../evil'"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_changed(
    full: Installation, backup: Path, change: Callable[[Path, Manifest], Manifest], reason: str
) -> None:
    before = full.files()
    status, told = full.run("restore", str(changed(backup, change)), "--yes")
    assert status == 1
    assert reason in told
    assert "Traceback" not in told
    assert full.files() == before


@pytest.mark.parametrize("what", ["cut", "bit", "passphrase", "text", "nothing"])
def test_a_file_that_is_no_sound_backup_is_refused(full: Installation, backup: Path, what: str) -> None:
    content = backup.read_bytes()
    if what == "cut":
        backup.write_bytes(content[:-20])
    elif what == "bit":
        backup.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    elif what == "passphrase":
        full.passphrase.write_text("another passphrase altogether")
    else:
        backup.write_bytes(b"" if what == "nothing" else b"hello\n")
    before = full.files()
    status, told = full.run("restore", str(backup), "--yes")
    assert status == 1
    assert told.startswith("edged: b.edged ")
    assert "Traceback" not in told
    assert full.files() == before


def test_without_an_answer_nothing_is_changed(full: Installation, backup: Path) -> None:
    before = full.files()
    status, told = full.run("restore", str(backup))  # standard input is empty
    assert status == 1
    assert "put it in place?" in told
    assert full.files() == before


def test_settings_that_this_version_refuses_are_said_before(full: Installation, backup: Path) -> None:
    def with_wrong_settings(folder: Path, manifest: Manifest) -> Manifest:
        path = folder / "settings/front.toml"
        path.write_bytes(path.read_bytes() + b'[capture2]\nsecret = "hunter2"\n')
        return resealed(folder, manifest)

    status, told = full.run("restore", str(changed(backup, with_wrong_settings)))
    assert status == 1
    assert "this version refuses front.toml: capture2" in told
    assert "hunter2" not in told


def test_what_runs_is_named_and_must_be_stopped(full: Installation, backup: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from edged.store.directory import InstanceLock;"
        "lock = InstanceLock(Path(sys.argv[1]), 'actuator-typing'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(full.state)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        before = full.files()
        status, told = full.run("restore", str(backup), "--yes")
        assert status == 1
        assert (
            f"actuator-typing runs (process {holder.pid}), and a restore needs it stopped: sudo systemctl stop " in told
        )
        assert "edged-actuator@typing" in told
        assert full.files() == before
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert full.run("restore", str(backup), "--yes")[0] == 0


def test_without_room_it_is_refused_before_anything_is_written(full: Installation, backup: Path) -> None:
    def huge(folder: Path, manifest: Manifest) -> Manifest:
        first, *rest = manifest.items
        return msgspec.structs.replace(manifest, items=[*rest, msgspec.structs.replace(first, bytes=10**15)])

    folder = backup.with_suffix(".files")
    with opened(backup, PASSPHRASE) as reader:
        manifest = huge(folder, reader.manifest)
    before = full.files()
    # The archive cannot have it; that there is no room is found out first.
    other = backup.with_suffix(".huge")
    write_manifest_only(other, manifest)
    status, told = full.run("restore", str(other), "--yes")
    assert status == 1
    assert "MB are needed (make room)" in told
    assert full.files() == before


def write_manifest_only(path: Path, manifest: Manifest) -> None:
    import tarfile

    from edged.care.sealed_stream import SealingWriter

    with path.open("wb") as sink:
        sealing = SealingWriter(sink, PASSPHRASE)
        content = msgspec.json.encode(manifest)
        with tarfile.open(fileobj=sealing, mode="w|gz") as archive:
            member = tarfile.TarInfo("manifest.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        sealing.finish()


# --- killed ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_there_is_the_old_or_the_new(full: Installation, backup: Path) -> None:
    """The whole command, killed at random moments; what the next command finds is judged."""
    marks = {"front.toml": full.settings / "front.toml", "kept": full.state / "front.kept.json"}
    chance = random.Random(5)
    seen = set()
    for _ in range(8):
        marks["front.toml"].write_text('camera = "front"\n')
        KeptFile(marks["kept"]).replace(revision=777)
        old_history = full.state / "front.history.db"
        with sqlite3.connect(old_history) as database:
            database.execute("DELETE FROM past")
        database.close()
        process = subprocess.Popen(
            [sys.executable, "-m", "edged", "restore", str(backup), "--yes", "--settings", str(full.settings),
             "--state", str(full.state), "--passphrase-file", str(full.passphrase)],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        # The answer to the question it would ask comes just before the decision.
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        # Whatever a daemon does first finishes what was decided.
        edged("faces", "list", environment={"EDGED_STATE_DIR": str(full.state)})
        new_settings = "password_file" in marks["front.toml"].read_text()
        new_kept = KeptFile(marks["kept"]).now.revision == 4
        new_history = bool(list(ask(full.state, Question())))
        assert new_settings == new_kept == new_history
        assert not (full.state / ".edged-restore").exists()
        seen.add(new_settings)
    assert seen  # which of both depends on the moment; never a third


def test_resuming_where_nothing_was_cut_off_says_so(full: Installation) -> None:
    status, told = full.run("restore", "--resume")
    assert status == 0
    assert "no restore was cut off" in told


# --- where things go ------------------------------------------------------------------------------------------------


def test_where_settings_name_the_folder_it_goes_there(
    full: Installation, fresh: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGED_STATE_DIR")
    settings = full.settings / "front.toml"
    settings.write_text(settings.read_text() + f'[store]\ndirectory = "{full.state}"\n')
    where = places(full.settings)
    assert (where.state, where.state_named) == (full.state, True)
    file = tmp_path / "b.edged"
    done = edged(
        "backup", str(file), "--settings", str(full.settings), environment={"EDGED_BACKUP_PASSPHRASE": PASSPHRASE}
    )
    assert done.returncode == 0, done.stderr
    full.state.rename(tmp_path / "gone")
    plan = restore(file, PASSPHRASE, settings=fresh.settings, agree=lambda plan: bool(plan.steps))
    assert plan is not None
    assert list(ask(full.state, Question()))


def test_several_folders_of_what_is_kept_are_taken_one_at_a_time(full: Installation, tmp_path: Path) -> None:
    for name in ("front", "typing"):
        settings = full.settings / f"{name}.toml"
        settings.write_text(settings.read_text() + f'[store]\ndirectory = "{tmp_path / name}"\n')
    done = edged(
        "backup", str(tmp_path / "b"), "--settings", str(full.settings),
        environment={"EDGED_BACKUP_PASSPHRASE": PASSPHRASE},
    )  # fmt: skip
    assert done.returncode == 1
    assert "name several folders of what is kept" in done.stderr


def test_the_list_shows_no_secret(full: Installation, backup: Path) -> None:
    status, told = full.run("restore", "--list", str(backup))
    assert status == 0
    assert "settings/mqtt_password" in told
    assert PASSWORD not in told
    status, told = full.run("restore", "--list", "--json", str(backup))
    shown: dict[str, Any] = json.loads(told)
    assert shown["format"] == 1
