"""Files of every released version are read by this one, and what is in them survives; killed in between as well."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.actuators.durable import Ledger
from edged.actuators.twilio.progress import Progress
from edged.errors import StoreError
from edged.store.database import Database, shape_of
from edged.store.gallery import Gallery
from edged.store.history import Question, ask
from edged.store.outbox import SqliteOutbox
from edged.store.sqlite_library import Database as SqliteDatabase
from edged.store.sqlite_library import Migrations
from tests.store.releasing import KEY, PAST, PICTURE, SENDING, SETS, TOLD, VECTOR, names, released

ROOT = Path(__file__).resolve().parents[2]
STEPS = [(of, step) for of, (migrations, _) in SETS.items() for step in names(migrations)]


def file_of(of: str, step: str, folder: Path) -> Path:
    """A file as that version left it."""
    path = folder / {"history": "front.history.db", "gallery": "gallery.db"}.get(of, "some.db")
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.executescript(released(of, step).read_text(encoding="utf-8"))
    return path


def schema(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'")
    return {re.sub(r"\s+", " ", sql) for (sql,) in rows}


@pytest.mark.parametrize(("of", "step"), STEPS)
def test_a_released_step_is_never_changed(of: str, step: str, tmp_path: Path) -> None:
    assert released(of, step).exists(), "python -m tests.store.releasing writes it"
    migrations, _ = SETS[of]
    steps = names(migrations)
    after = steps[steps.index(step) + 1 :]
    then = sqlite3.connect(file_of(of, step, tmp_path))
    with contextlib.closing(then), contextlib.closing(sqlite3.connect(":memory:")) as now:
        migrations.apply(SqliteDatabase(now), stop_before=after)
        assert schema(now) == schema(then)


def outbox_says(folder: Path) -> Any:
    box = SqliteOutbox(Database(folder / "some.db"))
    found = [(event.topic, event.kind, event.payload) for _, event in box.pending(0, 10)]
    box.close()
    return found


def jobs_say(folder: Path) -> Any:
    with Ledger(Database(folder / "some.db", SETS["jobs"][0])) as ledger:
        return ledger.told("job-1"), ledger.nonce_used("nonce-1"), ledger.trusted_since, ledger.unsent()


def twilio_says(folder: Path) -> Any:
    progress = Progress(Database(folder / "some.db", SETS["twilio"][0]))
    found = progress.sendings("job-2")
    progress.close()
    return [(one.job, one.channel, one.recipient, one.sid, one.status, one.first_at) for one in found]


def gallery_says(folder: Path) -> Any:
    (folder / "key").write_bytes(KEY)
    with Gallery(folder, folder / "key") as opened:
        contents = opened.contents()
        return (
            sorted(person.name for person in contents.people.values()),
            [(one.vector, one.has_picture) for one in contents.vectors],
            opened.picture(contents.vectors[0].id),
            opened.problems(),
        )


EXPECTED: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "outbox": (
        outbox_says,
        [("edged/camera/front/event/blink", "blink", b'{"a":1}'),
         ("edged/camera/front/event/security", "security", bytes(range(256)))],
    ),
    "jobs": (jobs_say, (TOLD, True, 12.5, [TOLD])),
    "history": (lambda folder: list(ask(folder, Question(people=("Zoë 'O'",)))), [PAST]),
    "twilio": (twilio_says, [("job-2", "sms", "alice", "SM1", "queued", SENDING.first_at)]),
    "gallery": (
        gallery_says,
        (["Zoë 'O'", "unknown-1"], [(VECTOR, True), (VECTOR, False)], PICTURE, []),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("of", "step"), STEPS)
def test_what_was_kept_at_each_step_is_still_known(of: str, step: str, tmp_path: Path) -> None:
    path = file_of(of, step, tmp_path)
    if of == "history":
        Database(path, SETS[of][0]).close()
    says, expected = EXPECTED[of]
    assert says(tmp_path) == expected
    shape = shape_of(path, SETS[of][0])
    assert (shape.applied, shape.pending, shape.unknown) == (names(SETS[of][0]), [], [])


# --- any rows, through any steps ------------------------------------------------------------------------------------

VALUES = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "REAL": st.floats(allow_nan=False),
    "TEXT": st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
    "BLOB": st.binary(),
}


def rows_of(connection: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every table that is ours."""
    connection.row_factory = sqlite3.Row
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_sqlite_*'"
    ).fetchall()
    return {
        name: sorted((dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')), key=repr)  # noqa: S608
        for (name,) in tables
    }


def survives(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> bool:
    """Every row is there with the columns it had; others may have been added."""
    return all(
        sorted(({column: row[column] for column in (rows[0] if rows else {})} for row in after[table]), key=repr)
        == rows
        for table, rows in before.items()
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), chosen=st.sampled_from(STEPS))
def test_any_rows_survive_every_step(data: st.DataObject, chosen: tuple[str, str], tmp_path: Path) -> None:
    of, step = chosen
    path = tmp_path / f"{os.urandom(6).hex()}.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.executescript(released(of, step).read_text(encoding="utf-8"))
        for table in rows_of(made):
            made.row_factory = None
            columns = made.execute(f'PRAGMA table_info("{table}")').fetchall()
            for _ in range(data.draw(st.integers(0, 4))):
                values = [data.draw(VALUES[kind.upper()]) for _, _, kind, *_ in columns]
                marks = ", ".join("?" * len(values))
                # What the table itself does not take was never in a file.
                made.execute(f'INSERT OR IGNORE INTO "{table}" VALUES ({marks})', values)  # noqa: S608
        before = rows_of(made)
    Database(path, SETS[of][0]).close()
    with contextlib.closing(sqlite3.connect(path)) as made:
        assert survives(before, rows_of(made))
        assert made.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


# --- the way itself, on steps of a test's own -----------------------------------------------------------------------

TOY = """
import os, signal, sys
from pathlib import Path
from edged.store.database import Database
from edged.store.sqlite_library import Migrations

steps = Migrations("toy")

@steps(name="0001")
def _first(database):
    database.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")

@steps(name="0002")
def _second(database):
    database.execute("ALTER TABLE thing ADD COLUMN size REAL NOT NULL DEFAULT 0")
    if "2" in sys.argv[2:]:
        os.kill(os.getpid(), signal.SIGKILL)
    database.execute("UPDATE thing SET size = length(name)")

@steps(name="0003")
def _third(database):
    database.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, thing INTEGER REFERENCES thing (id), note TEXT)")
    database.execute("INSERT INTO other (thing, note) SELECT id, name FROM thing")
    if "3" in sys.argv[2:]:
        os.kill(os.getpid(), signal.SIGKILL)
    database.execute("ALTER TABLE thing RENAME COLUMN name TO title")

Database(Path(sys.argv[1]), steps).close()
"""


@pytest.mark.parametrize("killed", ["2", "3"])
def test_killed_in_the_middle_of_a_step_the_next_start_goes_on(killed: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.db"
    first = Migrations("toy")

    @first(name="0001")
    def _first(database: SqliteDatabase) -> None:
        database.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")

    database = Database(path, first)
    database.executemany("INSERT INTO thing VALUES (?, ?)", [(number, "x" * number) for number in range(1, 50)])
    database.close()
    done = subprocess.run([sys.executable, "-c", TOY, str(path), killed], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert shape_of(path, first).applied == ["0001", "0002"][: int(killed) - 1]
    subprocess.run([sys.executable, "-c", TOY, str(path)], cwd=ROOT, check=True)
    with contextlib.closing(sqlite3.connect(path)) as made:
        assert made.execute("SELECT id, title, size FROM thing ORDER BY id").fetchall() == [
            (number, "x" * number, float(number)) for number in range(1, 50)
        ]
        assert made.execute("SELECT count(*) FROM other").fetchone() == (49,)
    # And back: the older version leaves it alone.
    content = path.read_bytes()
    with pytest.raises(StoreError, match="written by a newer edged"):
        Database(path, first)
    assert path.read_bytes() == content


def test_every_kind_of_file_is_tested() -> None:
    source = (ROOT / "edged/store/migrations.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w*MIGRATIONS) = ", source, re.MULTILINE)) == {
        "MIGRATIONS", "JOB_MIGRATIONS", "HISTORY_MIGRATIONS", "TWILIO_MIGRATIONS", "GALLERY_MIGRATIONS",
    }  # fmt: skip
    assert len(SETS) == 5
