"""Past events of a camera, for questions: one SQLite file beside the outbox's, so that neither waits for the other.

What is asked for is read from all cameras' files at once, in the order of time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from edged.errors import StoreError
from edged.store.database import Database, Error, reading
from edged.store.migrations import HISTORY_MIGRATIONS

SUFFIX = ".history.db"
# Before this no clock was right: what is dated so is not judged by its age.
_PLAUSIBLE_MS = 1_735_689_600_000  # 2025-01-01
_DELETE_AT_ONCE = 500


@dataclass(frozen=True)
class Question:
    """Which past events. since_ms, until_ms: Unix milliseconds, the first included and the other not. Nothing named: all."""

    since_ms: int = 0
    until_ms: int = 2**62
    kinds: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


def path_of(folder: Path, camera: str) -> Path:
    """The file of a camera's past."""
    return folder / f"{camera}{SUFFIX}"


class History:
    """One camera's past, for whoever writes it. For one thread."""

    def __init__(self, folder: Path, camera: str, *, keep_seconds: float, limit_bytes: int) -> None:
        """Raises StoreError when the file cannot be opened; a damaged one is set aside, and its new name in `damage`."""
        self._database = Database(path_of(folder, camera), HISTORY_MIGRATIONS)
        self._keep_ms = int(keep_seconds * 1000)
        self._limit_bytes = limit_bytes
        aside = self._database.set_aside
        self.damage = f"past events were damaged and begun anew; the old file is {aside}" if aside else ""

    def add(self, payloads: Iterable[Mapping[str, Any]]) -> None:
        """Keep events, as one transaction; what is there already stays as it is. Raises StoreError."""
        rows = [
            (payload["id"], at_ms(payload["at"]), payload["kind"], *_people(payload), msgspec.json.encode(payload))
            for payload in payloads
        ]
        try:
            self._database.executemany(
                "INSERT OR IGNORE INTO past (id, at_ms, kind, person, other, payload) VALUES (?, ?, ?, ?, ?, ?)", rows
            )
        except Error as error:
            raise self._failure(error) from error

    def prune(self, now_ms: int) -> int:
        """Delete what is older than may be kept, and the oldest of what is too much; how many. Raises StoreError.

        now_ms: Unix milliseconds; 0: the clock cannot be trusted, so nothing is old.
        """
        gone = 0
        try:
            if now_ms > _PLAUSIBLE_MS:
                gone += self._database.execute(
                    "DELETE FROM past WHERE at_ms BETWEEN ? AND ?", [_PLAUSIBLE_MS, now_ms - self._keep_ms]
                ).rowcount
            while self._used_bytes() > self._limit_bytes:
                found = self._database.execute(
                    "DELETE FROM past WHERE key IN (SELECT key FROM past ORDER BY key LIMIT ?)", [_DELETE_AT_ONCE]
                ).rowcount
                gone += found
                if not found:
                    break
            self._database.checkpoint()
        except Error as error:
            raise self._failure(error) from error
        return gone

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def _used_bytes(self) -> int:
        """Pages that are in use: deleting frees pages for what comes, and does not make the file smaller."""
        ((pages,),) = self._database.execute("PRAGMA page_count")
        ((free,),) = self._database.execute("PRAGMA freelist_count")
        ((size,),) = self._database.execute("PRAGMA page_size")
        return int((pages - free) * size)

    def _failure(self, error: Exception) -> StoreError:
        return StoreError(f"{self._database.path.name} cannot be used: {error} (check the disk and store.directory)")


def at_ms(moment: str) -> int:
    """Unix milliseconds of UTC in ISO 8601, as events have it. Raises ValueError."""
    # Python 3.10 does not read the Z.
    return round(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() * 1000)


def _people(payload: Mapping[str, Any]) -> tuple[str, str]:
    """Whom an event is about, and whom it names besides: a face that was taken for one, and is now for another."""
    named = [name for field in ("person", "previous_person") if isinstance(name := payload.get(field), str)]
    first, second, *_ = (*dict.fromkeys(named), "", "")
    return first, second


def cameras(folder: Path) -> list[str]:
    """Those that have a past."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def ask(folder: Path, question: Question, *, newest: int = 0) -> Iterator[dict[str, Any]]:
    """Payloads of past events, the oldest first. newest: only so many, the last ones; 0: all.

    Raises StoreError when a file cannot be read.
    """
    found = heapq.merge(
        *(_ask_one(path, question, newest) for path in _files(folder, question)), key=lambda row: row[0]
    )
    if not newest:
        yield from (payload for _, payload in found)
        return
    yield from (payload for _, payload in list(found)[-newest:])


def forget(folder: Path, question: Question) -> int:
    """Delete past events, so that nothing of them is left in the files; how many. Raises StoreError."""
    gone = 0
    for path in _files(folder, question):
        database = Database(path, HISTORY_MIGRATIONS)
        where, values = _where(question)
        try:
            database.execute("PRAGMA secure_delete=ON")
            gone += database.execute(f"DELETE FROM past WHERE {where}", values).rowcount  # noqa: S608 - `_where` has no values
            # What was deleted still stands in the log until that is emptied.
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except Error as error:
            raise StoreError(f"{path} cannot be used: {error}") from error
        finally:
            database.close()
    return gone


def _files(folder: Path, question: Question) -> list[Path]:
    there = cameras(folder)
    if unknown := [camera for camera in question.cameras if camera not in there]:
        known = f"there is one of {', '.join(there)}" if there else "history.enabled = true begins one"
        raise StoreError(f"no history of camera {unknown[0]} in {folder} ({known})")
    return [path_of(folder, camera) for camera in question.cameras or there]


def _where(question: Question) -> tuple[str, list[Any]]:
    parts, values = ["at_ms >= ? AND at_ms < ?"], list[Any]((question.since_ms, question.until_ms))
    if question.kinds:
        parts.append(f"kind IN ({_marks(question.kinds)})")
        values += question.kinds
    if question.people:
        # Never empty ones, so that the indexes, which have nobody else's events, may be used.
        named = (f"({column} IN ({_marks(question.people)}) AND {column} != '')" for column in ("person", "other"))
        parts.append(f"({' OR '.join(named)})")
        values += question.people * 2
    return " AND ".join(parts), values


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))


def _ask_one(path: Path, question: Question, newest: int) -> Iterator[tuple[int, dict[str, Any]]]:
    where, values = _where(question)
    # Of the newest so many, as of all, the oldest comes first.
    statement = (
        f"SELECT at_ms, payload FROM (SELECT * FROM past WHERE {where} ORDER BY at_ms DESC, key DESC LIMIT ?) "  # noqa: S608 - `_where` has no values
        "ORDER BY at_ms, key"
    )
    try:
        with reading(path) as database:
            for row in database.query(statement, [*values, newest or -1]):
                yield row["at_ms"], msgspec.json.decode(row["payload"])
    except (Error, msgspec.MsgspecError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
