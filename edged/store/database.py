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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edged.errors import StoreError
from edged.notices import DATABASE_DAMAGED
from edged.store import sqlite_library
from edged.store.migrations import MIGRATIONS
from edged.whole_file import give_to_owner, sync_folder

log = logging.getLogger(__name__)

# Small pages: a commit rewrites whole pages, and what we keep are rows of a few hundred bytes.
_PAGE_BYTES = 1024
# A log this long is folded into the file by whoever commits; usually `checkpoint` has done it long before.
_CHECKPOINT_PAGES = 8000
_BUSY_SECONDS = 5.0
_CORRUPT = ("malformed", "not a database", "corrupt")
# Free pages are given back to the disk where there are many: the rest is soon written again.
_SPARE_PAGES = 4096
_SPARE_FRACTION = 0.25
# So many at once, which whoever commits meanwhile waits for.
_GIVEN_BACK_AT_ONCE = 1024
_INCREMENTAL = 2  # PRAGMA auto_vacuum
# A file from before files could give pages back is rewritten when it is opened, once, if that does not take long.
_REWRITE_BYTES = 16 * 1024 * 1024
_COPY_TRIES = 5
# An empty file with its log and its index of the log takes about that much.
_LEAST_FREE_BYTES = 128 * 1024

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
                why = _no_room(path.parent, error) or f"{error} (check the disk and store.directory)"
                raise StoreError(f"{path} cannot be opened: {why}") from error
            if not replace_damaged:
                raise StoreError(f"{path} is damaged: {error} (restore it from a copy, or move it away)") from error
            self._begin_anew(error)

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns() // 1_000_000_000}")
        log.error(
            "%s is damaged (%s): it is kept as %s, and a new one is begun", self.path, error, aside.name,
            extra=DATABASE_DAMAGED.extra(),
        )  # fmt: skip
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
        # Root opens it, too, in a folder that is not root's: another file's rights are not changed through a link.
        with contextlib.suppress(OSError):
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.fchmod(fd, 0o600)
                give_to_owner(fd, self.path.parent)
            finally:
                os.close(fd)
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._wal_fd = -1
        self._folder: sqlite3.Connection | None = None
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            if connection.execute("PRAGMA page_count").fetchone() == (0,):
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # others are as they were made
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
            _learn_to_shrink(connection)
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
        """Fold the log into the file, so that it is written again from its beginning, and give some of the pages that
        are no longer used back to the disk. May run on any one thread.

        On a connection of its own, and passive: who reads and commits meanwhile is hardly held up.
        """
        if self._folder is None:
            self._folder = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        _give_back(self._folder, _GIVEN_BACK_AT_ONCE)
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


def _no_room(folder: Path, error: sqlite3.Error | None = None) -> str:
    """That the disk is full, and the cure: SQLite often says no more than `disk I/O error`. Empty if it is not."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return ""
    blocks, files = (found.f_bfree, found.f_ffree) if os.geteuid() == 0 else (found.f_bavail, found.f_favail)
    full = blocks * found.f_frsize < _LEAST_FREE_BYTES or (found.f_files and not files)
    if not full and "disk is full" not in str(error):
        return ""
    return (
        f"the disk is full at {folder} (make room: `sudo du -xh / | sort -h | tail` shows what takes it; or set "
        "store.directory to another disk)"
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite_library.Database]:
    """Look into a file and change nothing, also beside a daemon. Raises the database's `Error`."""
    # Without a log nobody has it open; an ordinary read would leave an empty log behind.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
        yield sqlite_library.Database(connection)


@dataclass(frozen=True)
class Shape:
    """What a file has of the migrations that this version knows. unknown: of a newer edged."""

    applied: list[str]
    pending: list[str]
    unknown: list[str]


def shape_of(path: Path, migrations: sqlite_library.Migrations) -> Shape:
    """Changes nothing. Raises the database's `Error`."""
    with reading(path) as database:
        applied = [each.name for each in migrations.applied(database)]
        pending = [each.name for each in migrations.pending(database)]
    known = _names(migrations)
    return Shape(applied, pending, [name for name in applied if name not in known])


def damage(path: Path) -> list[str]:
    """What PRAGMA integrity_check and foreign_key_check find; nothing if all is well. Changes nothing."""
    try:
        with reading(path) as database:
            found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)").fetchall()]
            orphans = database.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as error:
        return [str(error)]
    problems = [] if found == ["ok"] else found
    return problems + [f"a row of {row[0]} belongs to none of {row[2]}" for row in orphans[:5]]


def copy_database(source: Path, target: Path) -> None:
    """A copy of a file, as of one moment, whoever writes to it meanwhile; it has no log beside it and is on the disk.

    SQLite's online backup, in one step (https://www.sqlite.org/backup.html): readers of a log do not hold up writers.
    Raises StoreError, also where the copy would not be sound.
    """
    for _ in range(_COPY_TRIES):
        target.unlink(missing_ok=True)
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            before = _state_of(source)
            with reading(source) as database, contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
                database.conn.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            # Without a log it was read as a file that nobody has open: somebody may have opened it since.
            if before is None or before == _state_of(source):
                break
        except sqlite3.Error as error:
            why = _no_room(target.parent, error) or f"{error} (check the disk)"
            raise StoreError(f"{source} cannot be copied: {why}") from error
    else:
        raise StoreError(f"{source} changes too fast to be copied (try again)")
    if problems := damage(target):
        raise StoreError(f"{source} is damaged: {problems[0]} (restore it from a copy, or move it away)")
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _state_of(path: Path) -> tuple[int, int] | None:
    """What tells whether a file without a log was written; None: it has a log, which keeps readers apart from writers."""
    if Path(f"{path}-wal").exists():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def free_bytes(path: Path) -> int:
    """Room in a file that nothing uses. Changes nothing. Raises the database's `Error`."""
    with reading(path) as database:
        ((free,),) = database.execute("PRAGMA freelist_count")
        ((size,),) = database.execute("PRAGMA page_size")
    return int(free) * int(size)


def vacuum(path: Path) -> tuple[int, int]:
    """Write a file anew without what nothing uses; its bytes before and after. Nobody else may have it open.

    It needs room for another copy beside it, for a while. Raises StoreError.
    """
    try:
        before = path.stat().st_size
        with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return before, path.stat().st_size
    except (sqlite3.Error, OSError) as error:
        if any(word in str(error) for word in _CORRUPT):
            raise StoreError(f"{path} is damaged: {error} (restore it from a copy, or move it away)") from error
        why = _no_room(path.parent) or f"{error} (stop what uses it; another copy needs room here and in /var/tmp)"
        raise StoreError(f"{path} cannot be written anew: {why}") from error


def _learn_to_shrink(connection: sqlite3.Connection) -> None:
    """A file that was made before files could give pages back: written anew once, if it is small and nobody minds."""
    ((how,),) = connection.execute("PRAGMA auto_vacuum")
    ((pages,),) = connection.execute("PRAGMA page_count")
    ((size,),) = connection.execute("PRAGMA page_size")
    if how != _INCREMENTAL and pages * size <= _REWRITE_BYTES:
        # Somebody else reads it, or the disk is full: another time.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")


def _give_back(connection: sqlite3.Connection, limit: int) -> None:
    """At most so many of the free pages, if there are more than will soon be used again."""
    ((free,),) = connection.execute("PRAGMA freelist_count")
    ((pages,),) = connection.execute("PRAGMA page_count")
    if free > _SPARE_PAGES and free > pages * _SPARE_FRACTION:
        ((how,),) = connection.execute("PRAGMA auto_vacuum")
        if how == _INCREMENTAL:
            # One step of the statement frees one page, and `execute` takes one step only; this takes all. Where somebody
            # writes for long, or the disk is full, it can wait.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.executescript(f"PRAGMA incremental_vacuum({limit})")


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
