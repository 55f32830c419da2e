"""Files as released versions made them, as SQL texts in `released/`: `python -m tests.store.releasing` writes what is missing.

Run it with the version that is about to be released, after a migration was added; what is there is never written again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from edged.actuators.twilio.progress import Progress, Sending
from edged.bus.outbox import OutgoingEvent
from edged.jobs import JobState
from edged.store.database import Database
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector
from edged.store.history import History
from edged.store.migrations import (
    GALLERY_MIGRATIONS,
    HISTORY_MIGRATIONS,
    JOB_MIGRATIONS,
    MIGRATIONS,
    TWILIO_MIGRATIONS,
)
from edged.store.outbox import SqliteOutbox
from edged.store.sqlite_library import Database as SqliteDatabase
from edged.store.sqlite_library import Migrations

RELEASED = Path(__file__).with_name("released")
KEY = bytes(range(32))
VECTOR = struct.pack("<128f", 1.0, *[0.0] * 127)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
TOLD = JobState("job-1", "typing", "type", "succeeded", "2026-03-01T12:00:00.000Z", "typed 5 characters")
SENDING = Sending("job-2", 0, "sms", "alice", True, 1_790_000_000.0, 1_790_000_030.0)
PAST = {"id": "e-1", "at": "2026-03-01T12:00:00.000Z", "kind": "identity", "camera": "front", "person": "Zoë 'O'"}


def outbox(folder: Path) -> Path:
    """Two events that wait."""
    path = folder / "front.db"
    made = SqliteOutbox(Database(path), batch_seconds=0.0, boot_id="an earlier boot")
    for kind, payload in (("blink", b'{"a":1}'), ("security", bytes(range(256)))):
        made.add(OutgoingEvent(f"edged/camera/front/event/{kind}", kind, payload, 42))
    made.close()
    return path


def jobs(folder: Path) -> Path:
    """One job that is over, and what is kept by name."""
    path = folder / "actuator-typing.jobs.db"
    database = Database(path, JOB_MIGRATIONS)
    database.execute(
        "INSERT INTO job VALUES ('job-1', 'nonce-1', 'type', 'succeeded', 1, 1, 1.5, 2.5, 1, 0, 'request', 'd1', ?, NULL)",
        [msgspec.json.encode(TOLD)],
    )
    database.execute("INSERT INTO fact VALUES ('trusted_since', ?)", [msgspec.json.encode(12.5)])
    database.close()
    return path


def history(folder: Path) -> Path:
    """One past event of somebody."""
    made = History(folder, "front", keep_seconds=1e10, limit_bytes=1 << 26)
    made.add([PAST])
    made.close()
    return folder / "front.history.db"


def twilio(folder: Path) -> Path:
    """One message that was taken."""
    path = folder / "actuator-twilio.twilio.db"
    made = Progress(Database(path, TWILIO_MIGRATIONS))
    made.begin(SENDING)
    made.taken(SENDING, "SM1", "queued", 1_790_000_001.0)
    made.close()
    return path


def gallery(folder: Path) -> Path:
    """Somebody with a picture, and a stranger; sealed with KEY."""
    (folder / "key").write_bytes(KEY)
    with Gallery(folder, folder / "key") as made:
        made.enrol("Zoë 'O'", [NewVector("m", "1", VECTOR, 0.9, "image", "a.png", PICTURE)], 1_790_000_000.0)
        made.add_stranger([NewVector("m", "1", VECTOR, 0.5, "stranger")], 1_790_000_000.0)
    return folder / "gallery.db"


SETS: dict[str, tuple[Migrations, Callable[[Path], Path]]] = {
    "outbox": (MIGRATIONS, outbox),
    "jobs": (JOB_MIGRATIONS, jobs),
    "history": (HISTORY_MIGRATIONS, history),
    "twilio": (TWILIO_MIGRATIONS, twilio),
    "gallery": (GALLERY_MIGRATIONS, gallery),
}


def names(migrations: Migrations) -> list[str]:
    """All steps, in order."""
    with contextlib.closing(sqlite3.connect(":memory:")) as nothing:
        return [each.name for each in migrations.pending(SqliteDatabase(nothing))]


def released(of: str, step: str) -> Path:
    """The text of a file whose last step this is."""
    return RELEASED / f"{of}.{step}.sql"


def main() -> None:
    """Write what is missing for the newest steps."""
    for of, (migrations, make) in SETS.items():
        path = released(of, names(migrations)[-1])
        if not path.exists():
            with (
                tempfile.TemporaryDirectory() as folder,
                contextlib.closing(sqlite3.connect(make(Path(folder)))) as made,
            ):
                path.write_text("\n".join(made.iterdump()) + "\n", encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
