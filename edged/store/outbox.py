"""The outbox on disk: events outlive a dead broker, a killed daemon and, but for the last seconds, a pulled plug.

`add` returns when the event is committed: the operating system has it, so it outlives this process from then on.
Kinds that must survive a power cut are on the disk as well (fdatasync); the others follow within `batch_seconds`, unless
the broker has acknowledged them by then, which spares the card. What is acknowledged is deleted in batches, too: a
daemon that is killed may send the last `batch_seconds` again, with the same ids.

A disk that is full or fails costs no event: they wait in memory, up to a bound, and go to the disk when it takes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from edged.bus.importance import importance, must_survive_power_cut
from edged.bus.outbox import MemoryOutbox, OutgoingEvent, event_bytes
from edged.store.database import Database, Error

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_KEYS_AT_ONCE = 1000  # reserved with one write, so that keys rise over restarts though acknowledged rows are gone
_DELETE_AT_ONCE = 512
_RETRY_SECONDS = 5.0
_AGE_LOOK_SECONDS = 3600.0
# When there is no room a little more is made than is needed, so that a full outbox does not search with every event.
_SLACK = 200
# A board without a battery-backed clock begins in the past: ages across boots are told from times after this only.
_PLAUSIBLE_WALL_NS = 1_735_689_600 * 10**9  # 2025-01-01


class SqliteOutbox:
    """An Outbox in a database, which it closes. Safe for use by several threads."""

    def __init__(
        self,
        database: Database,
        *,
        limit_count: int = 100_000,
        limit_bytes: int = 64 * 1024 * 1024,
        limit_seconds: float = 14 * 86400.0,
        batch_seconds: float = 2.0,
        boot_id: str | None = None,
    ) -> None:
        """boot_id: of this run of the machine; None asks the kernel."""
        self._database = database
        self._limit_count = limit_count
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._batch_seconds = batch_seconds
        self._lock = threading.RLock()
        self._count = self._bytes = self._lost = 0
        self._levels: dict[int, int] = {}
        self._settled: set[int] = set()  # acknowledged, counted no more, not deleted yet
        self._front = MemoryOutbox()  # where events wait that the disk did not take
        self._problem = ""
        self._retry_at = 0.0
        self._dirty = False
        self._work = threading.Event()
        self._closing = False
        self._stop = threading.Event()
        self._boot = 0
        self._next_key = self._reserved = 0
        self._begin(boot_id or _boot_id())
        self._keeper = threading.Thread(target=self._keep, name="outbox", daemon=True)
        self._keeper.start()

    def _begin(self, boot_id: str) -> None:
        database = self._database
        with self._disk("read"):
            for level, count, size in database.execute(
                "SELECT importance, count(*), sum(length(CAST(topic AS BLOB)) + length(payload)) FROM event GROUP BY 1"
            ):
                self._levels[level] = count
                self._count += count
                self._bytes += size
            ((reserved,),) = database.execute("SELECT keys FROM reserved")
            ((highest,),) = database.execute("SELECT coalesce(max(key), 0) FROM event")
            self._next_key = self._reserved = max(reserved, highest) + 1
            self._forget_old()
        with self._disk("write"):
            database.execute("INSERT OR IGNORE INTO boot (id) VALUES (?)", [boot_id])
            database.execute(
                "DELETE FROM boot WHERE id != ? AND number NOT IN (SELECT DISTINCT boot FROM event)", [boot_id]
            )
            ((self._boot,),) = database.execute("SELECT number FROM boot WHERE id = ?", [boot_id])

    # -- the Outbox ---------------------------------------------------------------------------------------------

    @property
    def lost(self) -> int:
        """Events dropped for lack of room or for their age, since this outbox was opened."""
        return self._lost + self._front.lost

    @property
    def problem(self) -> str:
        """Why the disk does not take events."""
        return self._problem

    @property
    def oldest_seconds(self) -> float | None:
        """For how long the oldest event has waited; None when none waits or that cannot be told."""
        with self._lock:
            if self._count == 0:
                return self._front.oldest_seconds
            with self._disk("read"):
                rows = self._database.execute(
                    "SELECT key, boot, added_ns, added_wall_ns FROM event ORDER BY key LIMIT ?",
                    [len(self._settled) + 1],
                )
                for key, boot, added_ns, added_wall_ns in rows:
                    if key not in self._settled:
                        return self._age_seconds(boot, added_ns, added_wall_ns)
            return None

    def __len__(self) -> int:
        return self._count + len(self._front)

    def add(self, event: OutgoingEvent) -> int:
        """Commit an event and return its key. What the disk does not take waits in memory."""
        with self._lock:
            key = self._next_key
            self._next_key += 1
            if len(self._front) and not self._flush_front():
                self._front.put(key, event)  # behind those that wait there already
                return key
            with self._disk("write"):
                self._insert(key, event)
                if must_survive_power_cut(event.kind) or self._batch_seconds <= 0:
                    self._database.sync()
                else:
                    self._dirty = True
                    self._work.set()
                self._make_room()
                return key
            if not self._holds(key):
                self._front.put(key, event)
            return key

    def pending(self, after: int, limit: int) -> list[tuple[int, OutgoingEvent]]:
        """The oldest events with a key above `after`, from the disk and then from memory."""
        with self._lock:
            if self._settled and after < max(self._settled):
                self._delete_settled()
            found: list[tuple[int, OutgoingEvent]] = []
            with self._disk("read"):
                rows = self._database.execute(
                    "SELECT key, topic, kind, payload, captured_ns, boot FROM event WHERE key > ? ORDER BY key LIMIT ?",
                    [after, limit],
                )
                found = [
                    (key, OutgoingEvent(topic, kind, payload, captured_ns if boot == self._boot else None))
                    for key, topic, kind, payload, captured_ns, boot in rows
                    if key not in self._settled
                ]
            if len(found) < limit and len(self._front):
                found += self._front.pending(after, limit - len(found))
            return found

    def acknowledge(self, keys: Iterable[int]) -> None:
        """Forget these: at once for `len` and `pending`, on the disk within `batch_seconds`."""
        wanted = set(keys)
        if not wanted:
            return
        with self._lock:
            if len(self._front):
                self._front.acknowledge(wanted)
            with self._disk("read"):
                for key, level, size in self._rows(wanted - self._settled):
                    self._settled.add(key)
                    self._uncount(level, 1, size)
            if len(self._settled) >= _DELETE_AT_ONCE or self._batch_seconds <= 0:
                self._delete_settled()
            elif self._settled:
                self._work.set()

    def close(self) -> None:
        """Put everything on the disk and close the database."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._stop.set()
        self._work.set()
        self._keeper.join(10.0)
        with self._lock:
            if len(self._front):
                self._flush_front()
            self._delete_settled()
            if self._count:
                with self._disk("write"):
                    self._database.sync()
            if len(self._front):
                log.error("%d events end with this process: %s", len(self._front), self._problem)
            self._database.close()

    # -- rows ---------------------------------------------------------------------------------------------------

    def _insert(self, key: int, event: OutgoingEvent) -> None:
        """One row, committed, and counted. Raises the database's error, and nothing has happened then."""
        values = (
            key, importance(event.kind), event.kind, event.topic, event.payload, event.captured_ns,
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
        level = importance(event.kind)
        self._levels[level] = self._levels.get(level, 0) + 1
        self._count += 1
        self._bytes += event_bytes(event)

    def _holds(self, key: int) -> bool:
        """The row is there though something failed after it was committed."""
        with self._disk("read"):
            return bool(self._rows({key}))
        return False

    def _rows(self, keys: set[int]) -> list[tuple[int, int, int]]:
        """Key, importance and size of those that are there."""
        columns = "SELECT key, importance, length(CAST(topic AS BLOB)) + length(payload) FROM event"
        found: list[tuple[int, int, int]] = []
        for first, last in _runs(keys):
            found += self._database.execute(f"{columns} WHERE key BETWEEN ? AND ?", [first, last])
        return found

    def _delete(self, keys: set[int]) -> None:
        with self._database.transaction():
            for first, last in _runs(keys):
                self._database.execute("DELETE FROM event WHERE key BETWEEN ? AND ?", [first, last])

    def _delete_settled(self) -> None:
        if self._settled:
            with self._disk("write"):
                self._delete(self._settled)
                self._settled.clear()

    def _uncount(self, level: int, count: int, size: int) -> None:
        self._count -= count
        self._bytes -= size
        self._levels[level] -= count
        if not self._levels[level]:
            del self._levels[level]

    def _make_room(self) -> None:
        while self._count and (self._count > self._limit_count or self._bytes > self._limit_bytes):
            least = min(self._levels)
            self._delete_settled()
            victims = self._database.execute(
                "SELECT key, importance, length(CAST(topic AS BLOB)) + length(payload) FROM event "
                "WHERE importance = ? ORDER BY key LIMIT ?",
                [least, max(1, self._count - self._limit_count, self._limit_count // _SLACK)],
            ).fetchall()
            if self._lost == 0:
                log.warning("the outbox is full: the oldest of the least important events are dropped")
            self._drop(victims)

    def _forget_old(self) -> None:
        """Drop what is older than the limit; the oldest are at the front. What cannot be dated stays."""
        after = 0
        while True:
            rows = self._database.execute(
                "SELECT key, importance, length(CAST(topic AS BLOB)) + length(payload), boot, added_ns, added_wall_ns "
                "FROM event WHERE key > ? ORDER BY key LIMIT 256",
                [after],
            ).fetchall()
            old = []
            young = not rows
            for key, level, size, *added in rows:
                after = key
                age = self._age_seconds(*added)
                if age is not None and age <= self._limit_seconds:
                    young = True
                    break
                if age is not None and key not in self._settled:
                    old.append((key, level, size))
            if old:
                self._drop(old)
            if young:
                return

    def _drop(self, rows: list[tuple[int, int, int]]) -> None:
        self._delete({key for key, _, _ in rows})
        for _, level, size in rows:
            self._uncount(level, 1, size)
        self._lost += len(rows)

    def _age_seconds(self, boot: int, added_ns: int, added_wall_ns: int) -> float | None:
        if boot == self._boot:
            return (time.monotonic_ns() - added_ns) / 1e9
        now = time.time_ns()
        if min(now, added_wall_ns) < _PLAUSIBLE_WALL_NS or now < added_wall_ns:
            return None
        return (now - added_wall_ns) / 1e9

    # -- a disk that fails --------------------------------------------------------------------------------------

    def _disk(self, doing: Literal["read", "write"]) -> _Attempt:
        """What fails inside becomes `problem`, and is not raised."""
        return _Attempt(self, doing)

    def _failed(self, doing: str, error: BaseException) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        sentence = f"events cannot be {'written to' if doing == 'write' else 'read from'} the disk: {error}"
        if not self._problem:
            log.error("%s; they wait in memory (is %s full or read-only?)", sentence, self._database.path.parent)
        self._problem = f"{sentence} (make room, or check the card and store.directory)"

    def _succeeded(self) -> None:
        if self._problem and not len(self._front):
            log.info("events are written to the disk again")
            self._problem = ""

    def _flush_front(self) -> bool:
        """Move what waits in memory to the disk, in order; True when all of it is there."""
        if time.monotonic() < self._retry_at:
            return False
        while waiting := self._front.pending(0, 256):
            moved = []
            with self._disk("write"):
                for key, event in waiting:
                    self._insert(key, event)
                    moved.append(key)
            self._front.acknowledge(moved)
            if len(moved) < len(waiting):
                return False
        with self._disk("write"):
            self._database.sync()
            self._make_room()
        return True

    # -- the keeper's thread ------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Once something happened: let the batch fill, then delete what was acknowledged and sync what was not."""
        while not self._stop.is_set():
            self._work.wait(_RETRY_SECONDS if len(self._front) else _AGE_LOOK_SECONDS)
            happened = self._work.is_set()
            self._work.clear()
            if happened and not self._stop.is_set():
                self._stop.wait(self._batch_seconds)  # what comes meanwhile belongs to this batch
            with self._lock:
                if self._stop.is_set():
                    return
                if len(self._front):
                    self._flush_front()
                self._delete_settled()
                dirty = self._dirty and self._count > 0
                self._dirty = False
                if not happened:
                    with self._disk("write"):
                        self._forget_old()
            if dirty:
                # Without the lock: a slow card must not hold up who adds and who sends.
                with self._disk("write"):
                    self._database.sync()


class _Attempt:
    """The block of `SqliteOutbox._disk`."""

    def __init__(self, outbox: SqliteOutbox, doing: Literal["read", "write"]) -> None:
        self._outbox = outbox
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if error is None:
            if self._doing == "write":
                self._outbox._succeeded()
            return False
        if isinstance(error, (Error, OSError)):
            self._outbox._failed(self._doing, error)
            return True
        return False


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


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"unknown since {time.time_ns()}"
