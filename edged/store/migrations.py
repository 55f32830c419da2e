"""The shape of the database, as numbered steps. A step that was released is never changed: another one follows it."""

from __future__ import annotations

from edged.store.sqlite_library import Database, Migrations

MIGRATIONS = Migrations("edged")


@MIGRATIONS(name="0001_outbox")
def _outbox(database: Database) -> None:
    # added_ns: CLOCK_MONOTONIC of the boot with this number; added_wall_ns: UTC, as far as the clock was right.
    database.execute(
        "CREATE TABLE event (key INTEGER PRIMARY KEY, importance INTEGER NOT NULL, kind TEXT NOT NULL, "
        "topic TEXT NOT NULL, payload BLOB NOT NULL, captured_ns INTEGER, boot INTEGER NOT NULL, "
        "added_ns INTEGER NOT NULL, added_wall_ns INTEGER NOT NULL)"
    )
    database.execute("CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)")
    # Keys below this have been given out, or may have been.
    database.execute("CREATE TABLE reserved (id INTEGER PRIMARY KEY CHECK (id = 1), keys INTEGER NOT NULL)")
    database.execute("INSERT INTO reserved VALUES (1, 0)")
