"""The shape of the database, as numbered steps. A step that was released is never changed: another one follows it."""

from __future__ import annotations

from edged.store.sqlite_library import Database, Migrations

MIGRATIONS = Migrations("edged")  # of a camera's database, and of the outbox of an actuator
JOB_MIGRATIONS = Migrations("edged jobs")  # of an actuator's memory
HISTORY_MIGRATIONS = Migrations("edged history")  # of a camera's past events
TWILIO_MIGRATIONS = Migrations("edged twilio")  # of what an actuator has sent through Twilio
GALLERY_MIGRATIONS = Migrations("edged gallery")  # of the people who are recognised


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


@JOB_MIGRATIONS(name="0001_jobs")
def _jobs(database: Database) -> None:
    # told: the last job state as it was published; work: what is needed to take a durable job up again. source: who wished
    # it; digest: what it asks for, as only holders of the key can read it.
    # Times are Unix seconds, for ids must be known again after the machine was off.
    database.execute(
        "CREATE TABLE job (id TEXT PRIMARY KEY, nonce TEXT NOT NULL UNIQUE, action TEXT NOT NULL, state TEXT NOT NULL, "
        "final INTEGER NOT NULL, counts INTEGER NOT NULL, added_at REAL NOT NULL, expires_at REAL NOT NULL, "
        "attempt INTEGER NOT NULL, sent INTEGER NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL, told BLOB NOT NULL, "
        "work BLOB)"
    )
    database.execute("CREATE INDEX job_open ON job (final, sent)")
    database.execute("CREATE INDEX job_action ON job (action, added_at)")
    # What must be known again, by name: from when on requests are trusted.
    database.execute("CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL)")


@TWILIO_MIGRATIONS(name="0001_sendings")
def _sendings(database: Database) -> None:
    # One message or call to one person. It is noted before Twilio is asked: without a sid it may have been sent.
    # Neither texts nor numbers. first_at: Unix seconds of the first request; given_up_at: of the end of the last one.
    database.execute(
        "CREATE TABLE sending (job TEXT NOT NULL, step INTEGER NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL, "
        "emergency INTEGER NOT NULL, first_at REAL NOT NULL, given_up_at REAL NOT NULL, sid TEXT UNIQUE, taken_at REAL, "
        "status TEXT NOT NULL DEFAULT '', code INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, step))"
    )
    database.execute("CREATE INDEX sending_recipient ON sending (recipient, emergency, first_at)")
    # A chain under way. keypad: what its calls give to be called back with. notes: what became of the steps before.
    database.execute(
        "CREATE TABLE alert (job TEXT PRIMARY KEY, keypad TEXT NOT NULL UNIQUE, opened_at REAL NOT NULL, "
        "step INTEGER NOT NULL, step_began_at REAL NOT NULL, tries INTEGER NOT NULL, notes BLOB NOT NULL, "
        "acknowledged_at REAL, acknowledged_by TEXT NOT NULL DEFAULT '', over INTEGER NOT NULL DEFAULT 0)"
    )


@GALLERY_MIGRATIONS(name="0001_gallery")
def _gallery(database: Database) -> None:
    # Times are Unix seconds. stranger: nobody named this one yet. mac: seals the row (gallery_seal.py).
    database.execute(
        "CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, "
        "stranger INTEGER NOT NULL, created_at REAL NOT NULL, first_seen_at REAL, last_seen_at REAL, mac BLOB NOT NULL)"
    )
    # vector: float32, little-endian, of length 1; of the model file and its preparation that version names.
    # source: image, camera, learned or stranger; origin: the image's file name. picture: PNG, only where it was asked for.
    database.execute(
        "CREATE TABLE embedding (id INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER NOT NULL REFERENCES person (id), "
        "model TEXT NOT NULL, version TEXT NOT NULL, vector BLOB NOT NULL, quality REAL NOT NULL, added_at REAL NOT NULL, "
        "source TEXT NOT NULL, origin TEXT NOT NULL, picture BLOB, mac BLOB NOT NULL)"
    )
    database.execute("CREATE INDEX embedding_person ON embedding (person)")
    # One row: how many there are of each, the sum of their seals, and the number of the last stranger.
    database.execute(
        "CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 1), people INTEGER NOT NULL, embeddings INTEGER NOT NULL, "
        "total BLOB NOT NULL, last_stranger INTEGER NOT NULL, mac BLOB NOT NULL)"
    )
    # Where copies went, so that whoever is forgotten can be told of them.
    database.execute("CREATE TABLE export (path TEXT PRIMARY KEY, made_at REAL NOT NULL)")


@HISTORY_MIGRATIONS(name="0001_past")
def _past(database: Database) -> None:
    # at_ms: UTC, Unix milliseconds, as far as the clock was right. person: whom the event is about, else empty.
    database.execute(
        "CREATE TABLE past (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, "
        "kind TEXT NOT NULL, person TEXT NOT NULL, payload BLOB NOT NULL)"
    )
    database.execute("CREATE INDEX past_at ON past (at_ms)")
    database.execute("CREATE INDEX past_person ON past (person, at_ms) WHERE person != ''")


@HISTORY_MIGRATIONS(name="0002_other")
def _other(database: Database) -> None:
    # Whom an event names besides the one it is about, else empty.
    database.execute("ALTER TABLE past ADD COLUMN other TEXT NOT NULL DEFAULT ''")
    database.execute("CREATE INDEX past_other ON past (other, at_ms) WHERE other != ''")
