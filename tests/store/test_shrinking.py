"""Files that have grown give room back to the disk, a little at a time, and nobody who writes is held up."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edged.errors import StoreError
from edged.store.database import Database, copy_database, damage, free_bytes, vacuum
from edged.store.history import History
from tests.cli.edged_command import REPOSITORY, edged

DAY_MS = 86_400_000
NEW_YEAR_MS = 1_767_225_600_000


def grown(folder: Path, rows: int = 20_000) -> History:
    """Past events of a day long ago, and one of the day after."""
    past = History(folder, "front", keep_seconds=86400.0, limit_bytes=1 << 30)
    past.add(
        {"id": f"{number}", "at": "2026-01-01T00:00:00Z", "kind": "blink", "pad": "x" * 500} for number in range(rows)
    )
    past.add([{"id": "last", "at": "2026-01-02T00:00:01Z", "kind": "blink"}])
    return past


def test_a_file_that_was_emptied_shrinks_in_steps(tmp_path: Path) -> None:
    past = grown(tmp_path)
    path = tmp_path / "front.history.db"
    past.prune(NEW_YEAR_MS)
    full = path.stat().st_size
    assert full > 10_000_000
    assert past.prune(NEW_YEAR_MS + DAY_MS) == 20_000
    sizes = []
    for number in range(40):
        past.prune(NEW_YEAR_MS + DAY_MS + number)
        sizes.append(path.stat().st_size)
    assert sizes[-1] < 5_000_000
    # Never much at once: somebody may be about to write.
    steps = [before - after for before, after in zip([full, *sizes], sizes, strict=False)]
    assert max(steps) < 3_000_000
    past.close()
    assert damage(path) == []


def test_a_file_that_will_soon_be_full_again_is_left_as_it_is(tmp_path: Path) -> None:
    past = grown(tmp_path, rows=2000)
    path = tmp_path / "front.history.db"
    past.prune(NEW_YEAR_MS)
    full = path.stat().st_size
    assert past.prune(NEW_YEAR_MS + DAY_MS) == 2000
    for number in range(5):
        past.prune(NEW_YEAR_MS + DAY_MS + number)
    assert path.stat().st_size >= full
    past.close()


def older(path: Path, rows: int) -> None:
    """A file of today's tables as versions made it that did not give room back: full once, nearly empty now."""
    newest = max((REPOSITORY / "tests/store/released").glob("history.*.sql"))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("PRAGMA page_size=1024")
        made.executescript(newest.read_text(encoding="utf-8"))
        made.execute("BEGIN")
        made.executemany(
            "INSERT INTO past (id, at_ms, kind, person, payload) VALUES (?, 1, 'blink', '', ?)",
            ((f"n{number}", b"{}" + bytes(500)) for number in range(rows)),
        )
        made.execute("DELETE FROM past WHERE id GLOB 'n*'")
        made.execute("COMMIT")


def test_a_small_file_of_an_older_version_is_written_anew_once(tmp_path: Path) -> None:
    path = tmp_path / "front.history.db"
    older(path, 10_000)
    before = path.stat().st_size
    past = History(tmp_path, "front", keep_seconds=1e9, limit_bytes=1 << 30)
    past.close()
    assert path.stat().st_size < before / 10
    with contextlib.closing(sqlite3.connect(path)) as made:
        assert made.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert made.execute("SELECT id FROM past").fetchall() == [("e-1",)]


def test_a_large_one_is_not_and_the_daemon_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "front.history.db"
    older(path, 40_000)
    before = path.stat().st_size
    History(tmp_path, "front", keep_seconds=1e9, limit_bytes=1 << 30).close()
    assert path.stat().st_size == before
    told_before, after = vacuum(path)
    assert told_before == before
    assert after == path.stat().st_size < before / 10
    assert damage(path) == []


def test_somebody_who_reads_keeps_an_older_file_as_it_is_for_now(tmp_path: Path) -> None:
    path = tmp_path / "front.history.db"
    older(path, 5000)
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=WAL")
    before = path.stat().st_size
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN IMMEDIATE")
        reader.execute("INSERT INTO past (id, at_ms, kind, person, payload) VALUES ('r', 1, 'blink', '', '{}')")
        other = (
            "from pathlib import Path; import sys; from edged.store.database import Database;"
            "from edged.store.migrations import HISTORY_MIGRATIONS;"
            "Database(Path(sys.argv[1]), HISTORY_MIGRATIONS).close()"
        )
        done = subprocess.run(
            [sys.executable, "-c", other, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        reader.execute("COMMIT")
    assert path.stat().st_size >= before * 0.9


def test_the_command_writes_all_anew_and_only_while_nothing_runs(tmp_path: Path) -> None:
    older(tmp_path / "front.history.db", 40_000)
    before = (tmp_path / "front.history.db").stat().st_size
    assert free_bytes(tmp_path / "front.history.db") > before / 2
    script = (
        "import sys, time; from pathlib import Path; from edged.store.directory import InstanceLock;"
        "lock = InstanceLock(Path(sys.argv[1]), 'front'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        done = edged("vacuum", "--state", str(tmp_path))
        assert done.returncode == 1
        assert f"another edged already runs as 'front': process {holder.pid}" in done.stderr
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    done = edged("vacuum", "--state", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"{before} ->" in done.stdout
    assert (tmp_path / "front.history.db").stat().st_size < before / 10


def test_a_copy_of_what_is_damaged_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "front.db")
    for number in range(300):
        database.execute("INSERT INTO boot (id) VALUES (?)", [f"{number}" * 50])
    database.close()
    content = bytearray((tmp_path / "front.db").read_bytes())
    content[8192:10240] = bytes(2048)
    (tmp_path / "front.db").write_bytes(bytes(content))
    with pytest.raises(StoreError, match="is damaged"):
        copy_database(tmp_path / "front.db", tmp_path / "copy.db")


def test_the_command_names_what_is_damaged_and_says_when_there_is_nothing(tmp_path: Path) -> None:
    done = edged("vacuum", "--state", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"there is no database in {tmp_path}\n")
    (tmp_path / "front.db").write_bytes(b"no database" * 1000)
    done = edged("vacuum", "--state", str(tmp_path))
    assert done.returncode == 1
    assert f"{tmp_path / 'front.db'} is damaged: file is not a database (restore it from a copy" in done.stderr
