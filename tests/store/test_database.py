from __future__ import annotations

from pathlib import Path

import pytest

from edged.errors import StoreError
from edged.store.database import Database, inspect
from edged.store.outbox import SqliteOutbox
from tests.bus.outbox_suite import numbers, outgoing


def test_every_file_says_which_steps_it_has_taken(tmp_path: Path) -> None:
    database = Database(tmp_path / "front.db")
    rows = database.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = 'edged' ORDER BY name"
    ).fetchall()
    assert rows[0] == ("0001_outbox",)
    assert len(rows) == len({name for (name,) in rows})
    assert sorted(rows) == rows
    database.close()
    database = Database(tmp_path / "front.db")  # and takes none twice
    assert len(database.execute("SELECT * FROM _sqlite_migrations").fetchall()) == len(rows)
    database.close()


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "front.db"
    path.write_bytes(b"not a database at all" * 100)
    outbox = SqliteOutbox(database := Database(path))
    assert database.set_aside is not None
    assert database.set_aside.name.startswith("front.db.corrupt-")
    assert database.set_aside.read_bytes() == b"not a database at all" * 100
    assert "is damaged" in caplog.text
    outbox.add(outgoing(1))
    assert numbers(outbox) == [1]
    outbox.close()


def test_pages_overwritten_in_the_middle_are_noticed_at_the_opening(tmp_path: Path) -> None:
    path = tmp_path / "front.db"
    outbox = SqliteOutbox(Database(path))
    for number in range(200):
        outbox.add(outgoing(number, size=300))
    outbox.close()
    assert inspect(path) == (200, "")
    with path.open("r+b") as file:
        file.seek(10 * 1024)
        file.write(b"\xff" * 40 * 1024)
    assert inspect(path)[1] != ""
    database = Database(path)
    assert database.set_aside is not None
    outbox = SqliteOutbox(database)
    assert len(outbox) == 0
    outbox.close()


def test_a_log_that_was_cut_in_a_power_failure_costs_its_end_only(tmp_path: Path) -> None:
    path, cut = tmp_path / "front.db", tmp_path / "cut.db"
    outbox = SqliteOutbox(Database(path), batch_seconds=60)
    for number in range(50):
        outbox.add(outgoing(number))
    log = Path(f"{path}-wal").read_bytes()
    cut.write_bytes(path.read_bytes())
    Path(f"{cut}-wal").write_bytes(log[: len(log) - 5000])
    outbox.close()
    outbox = SqliteOutbox(database := Database(cut))
    found = numbers(outbox)
    assert database.set_aside is None
    assert 0 < len(found) < 50
    assert found == list(range(len(found)))
    outbox.close()


def test_a_file_of_a_newer_edged_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "front.db"
    database = Database(path)
    database.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('edged', '0999_future', '')"
    )
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer edged \(it has 0999_future\): install that one again"):
        Database(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["front.db"]


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"check the disk and store\.directory"):
        Database(tmp_path / "nowhere" / "front.db")


def test_only_its_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    outbox = SqliteOutbox(Database(tmp_path / "front.db"))
    outbox.add(outgoing(1))
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("front.db", "front.db-wal", "front.db-shm"), 0
    )
    outbox.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "front.db")

    def half() -> None:
        with database.transaction():
            database.execute("UPDATE reserved SET keys = 7")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert database.execute("SELECT keys FROM reserved").fetchone() == (0,)
    database.close()


def test_steps_are_numbered_in_the_order_they_are_taken(tmp_path: Path) -> None:
    database = Database(tmp_path / "front.db")
    names = [name for (name,) in database.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    database.close()
    assert [int(name.split("_")[0]) for name in names] == list(range(1, len(names) + 1))
