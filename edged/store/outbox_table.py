"""The table of waiting events, with the counts that its bounds need. No threads, no bounds, no clock of its own.

Everything raises the database's `Error` when the disk does not do its part; nothing has changed then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from edged import clock
from edged.bus.importance import importance
from edged.bus.outbox import OutgoingEvent, event_bytes
from edged.store.database import Database

_KEYS_AT_ONCE = 1000  # reserved with one write, so that keys rise over restarts though acknowledged rows are gone
# As `event_bytes` counts.
_COUNTS = (
    "SELECT importance, count(*), sum(length(CAST(topic AS BLOB)) + length(payload)) FROM event GROUP BY importance"
)
_ROW = "SELECT key, importance, length(CAST(topic AS BLOB)) + length(payload)"
_ROWS_OF_KEYS = _ROW + " FROM event WHERE key BETWEEN ? AND ?"
_ROWS_OF_IMPORTANCE = _ROW + " FROM event WHERE importance = ? ORDER BY key LIMIT ?"
_ROWS_WITH_AGE = _ROW + ", boot, added_ns, added_wall_ns FROM event WHERE key > ? ORDER BY key LIMIT ?"
# A board without a battery-backed clock begins in the past, and jumps: ages across boots are told by a clock that proved
# itself, and from times after this only.
_PLAUSIBLE_WALL_NS = 1_735_689_600 * 10**9  # 2025-01-01


class Row(NamedTuple):
    """What the counts know of an event."""

    key: int
    importance: int
    size_bytes: int


class EventTable:
    """Rows of one database. One caller at a time."""

    def __init__(self, database: Database, boot_id: str) -> None:
        """boot_id: of this run of the machine."""
        self._database = database
        self.count: int = 0
        self.size_bytes: int = 0
        self._levels: dict[int, int] = {}
        for level, count, size in database.execute(_COUNTS):
            self._levels[level] = count
            self.count += count
            self.size_bytes += size
        ((reserved,),) = database.execute("SELECT keys FROM reserved")
        ((highest,),) = database.execute("SELECT coalesce(max(key), 0) FROM event")
        self._reserved: int = max(reserved, highest) + 1
        self.first_free_key: int = self._reserved
        self._boot_id = boot_id
        self._boot = next(
            (number for (number,) in database.execute("SELECT number FROM boot WHERE id = ?", [boot_id])), 0
        )

    def _begin_boot(self) -> None:
        with self._database.transaction():
            self._database.execute("DELETE FROM boot WHERE number NOT IN (SELECT boot FROM event)")
            self._database.execute("INSERT INTO boot (id) VALUES (?)", [self._boot_id])
        ((self._boot,),) = self._database.execute("SELECT number FROM boot WHERE id = ?", [self._boot_id])

    def insert(self, key: int, event: OutgoingEvent) -> None:
        """One row, committed."""
        if not self._boot:
            self._begin_boot()
        level = importance(event.kind)
        values = (
            key, level, event.kind, event.topic, event.payload, event.captured_ns,
            self._boot, time.monotonic_ns(), time.time_ns(),
        )  # fmt: skip
        statement = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        if key >= self._reserved:
            with self._database.transaction():
                self._database.execute("UPDATE reserved SET keys = ?", [key + _KEYS_AT_ONCE])
                self._database.execute(statement, values)
            self._reserved = key + _KEYS_AT_ONCE
        else:
            self._database.execute(statement, values)
        self._levels[level] = self._levels.get(level, 0) + 1
        self.count += 1
        self.size_bytes += event_bytes(event)

    def fetch(self, after: int, before: int | None, limit: int) -> list[tuple[int, OutgoingEvent]]:
        """The oldest events with keys above `after` and, if given, below `before`."""
        rows = self._database.execute(
            "SELECT key, topic, kind, payload, captured_ns, boot FROM event WHERE key > ? AND key < ? "
            "ORDER BY key LIMIT ?",
            [after, 2**63 - 1 if before is None else before, limit],
        )
        # The clock of an earlier boot says nothing now.
        return [
            (key, OutgoingEvent(topic, kind, payload, captured_ns if boot == self._boot else None))
            for key, topic, kind, payload, captured_ns, boot in rows
        ]

    def rows(self, keys: set[int]) -> list[Row]:
        """Those of these that are there."""
        found: list[Row] = []
        for first, last in _runs(keys):
            found += map(Row._make, self._database.execute(_ROWS_OF_KEYS, [first, last]))
        return found

    def delete(self, keys: set[int]) -> None:
        """Delete rows, as one transaction. The counts are `forget`'s business."""
        with self._database.transaction():
            for first, last in _runs(keys):
                self._database.execute("DELETE FROM event WHERE key BETWEEN ? AND ?", [first, last])

    def forget(self, rows: list[Row]) -> None:
        """Count these no more."""
        for _, level, size in rows:
            self.count -= 1
            self.size_bytes -= size
            self._levels[level] -= 1
            if not self._levels[level]:
                del self._levels[level]

    def least_important(self, limit: int) -> list[Row]:
        """The oldest of the least important events that are there."""
        return [Row._make(row) for row in self._database.execute(_ROWS_OF_IMPORTANCE, [min(self._levels), limit])]

    def ages(self, after: int, limit: int) -> list[tuple[Row, float | None]]:
        """The oldest events above `after`, and for how many seconds they have waited; None: that cannot be told."""
        rows = self._database.execute(_ROWS_WITH_AGE, [after, limit])
        return [(Row(key, level, size), self._age_seconds(*added)) for key, level, size, *added in rows]

    def _age_seconds(self, boot: int, added_ns: int, added_wall_ns: int) -> float | None:
        if boot == self._boot:
            return (time.monotonic_ns() - added_ns) / 1e9
        now = int(clock.for_ages() * 1e9)
        if min(now, added_wall_ns) < _PLAUSIBLE_WALL_NS or now < added_wall_ns:
            return None
        return (now - added_wall_ns) / 1e9


def _runs(keys: set[int]) -> Iterator[tuple[int, int]]:
    """Keys as first and last of each unbroken run: events are acknowledged nearly in order."""
    ordered = sorted(keys)
    first = last = 0
    for key in ordered:
        if key == last + 1 and first:
            last = key
            continue
        if first:
            yield first, last
        first = last = key
    if first:
        yield first, last
