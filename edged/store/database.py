"""Opens SQLite files: the only file that imports sqlite3.

WAL with synchronous=NORMAL: a commit is one write to the page cache, which outlives the process but not the power.
What must outlive the power is made durable by `Database.sync`, one fdatasync of the write-ahead log
(https://www.sqlite.org/wal.html, section 2.2; pragma synchronous).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edged.errors import StoreError
from edged.store import sqlite_library
from edged.store.migrations import MIGRATIONS
from edged.whole_file import sync_folder

log = logging.getLogger(__name__)

# Small pages: a commit rewrites whole pages, and what we keep are rows of a few hundred bytes.
_PAGE_BYTES = 1024
# A log this long is folded into the file by whoever commits; usually `checkpoint` has done it long before.
_CHECKPOINT_PAGES = 8000
_BUSY_SECONDS = 5.0
_CORRUPT = ("malformed", "not a database", "corrupt")

Error = sqlite3.Error


def _names(migrations: sqlite_library.Migrations) -> set[str]:
    with contextlib.closing(sqlite3.connect(":memory:")) as nothing:
        return {each.name for each in migrations.pending(sqlite_library.Database(nothing))}


class Database:
    """One SQLite file. Not safe for use by several threads at once: whoever shares it holds a lock."""

    def __init__(
        self, path: Path, migrations: sqlite_library.Migrations = MIGRATIONS, *, replace_damaged: bool = True
    ) -> None:
        """Open or create, and bring to the newest shape. A damaged file is set aside and a new one begun; `set_aside` is where it went.

        replace_damaged: False leaves a damaged file alone and raises. Raises StoreError when the file cannot be opened,
        or was written by a newer edged.
        """
        self.path = path
        self._migrations = migrations
        self.set_aside: Path | None = None
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not any(word in str(error) for word in _CORRUPT):
                raise StoreError(f"{path} cannot be opened: {error} (check the disk and store.directory)") from error
            if not replace_damaged:
                raise StoreError(f"{path} is damaged: {error} (restore it from a copy, or move it away)") from error
            self._begin_anew(error)

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns() // 1_000_000_000}")
        log.error("%s is damaged (%s): it is kept as %s, and a new one is begun", self.path, error, aside.name)
        try:
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
            self.path.rename(aside)
            self._open()
        except (OSError, sqlite3.Error) as again:
            raise StoreError(f"{self.path} is damaged and cannot be replaced: {again}") from error
        self.set_aside = aside

    def _open(self) -> None:
        # Before SQLite makes it for everybody to read; the log beside it gets the same rights.
        with contextlib.suppress(OSError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.path.chmod(0o600)
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._wal_fd = -1
        self._folder: sqlite3.Connection | None = None
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit={_PAGE_BYTES * _CHECKPOINT_PAGES}")
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"malformed: {verdict}")
            database = sqlite_library.Database(connection)
            if newer := sorted({each.name for each in self._migrations.applied(database)} - _names(self._migrations)):
                raise StoreError(
                    f"{self.path} was written by a newer edged (it has {', '.join(newer)}): install that one again, "
                    "or move the file away"
                )
            self._migrations.apply(database)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def execute(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Run one statement, which is a transaction of its own unless one is open."""
        return self._connection.execute(statement, tuple(values))

    def executemany(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for each row, as one transaction."""
        with self.transaction():
            self._connection.executemany(statement, rows)

    @contextlib.contextmanager
    def transaction(self) -> Any:
        """All of it or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def sync(self) -> None:
        """What is committed survives a power cut once this has returned. Raises OSError. May run on any thread."""
        if self._wal_fd < 0:
            self._wal_fd = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            # The name of a log that was just created must last as well.
            sync_folder(self.path.parent)
        os.fdatasync(self._wal_fd)

    def checkpoint(self) -> None:
        """Fold the log into the file, so that it is written again from its beginning. May run on any one thread.

        On a connection of its own, and passive: who reads and commits meanwhile is not held up.
        """
        if self._folder is None:
            self._folder = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        self._folder.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def scrub(self) -> None:
        """Leave nothing of what was deleted: fold the log into the file and cut it off. Raises sqlite3.Error.

        Of use together with PRAGMA secure_delete, which overwrites what is deleted in the file itself.
        """
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Fold the log into the file and close."""
        if self._folder is not None:
            with contextlib.suppress(sqlite3.Error):
                self._folder.close()
            self._folder = None
        if self._wal_fd >= 0:
            os.close(self._wal_fd)
            self._wal_fd = -1
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite_library.Database]:
    """Look into a file and change nothing, also beside a daemon. Raises the database's `Error`."""
    # Without a log nobody has it open; an ordinary read would leave an empty log behind.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
        yield sqlite_library.Database(connection)


def inspect(path: Path) -> tuple[int, str]:
    """How many events wait in a file, and what is wrong with it, if anything. Changes nothing, also beside a daemon."""
    if not path.exists():
        return 0, ""
    try:
        with reading(path) as database:
            ((verdict,),) = database.execute("PRAGMA quick_check(1)")
            if verdict != "ok":
                return 0, str(verdict)
            if {each.name for each in MIGRATIONS.applied(database)} - _names(MIGRATIONS):
                return 0, "written by a newer edged"
            ((waiting,),) = database.execute("SELECT count(*) FROM event")
            return int(waiting), ""
    except sqlite3.Error as error:
        return 0, str(error)
