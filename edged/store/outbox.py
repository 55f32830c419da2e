"""The outbox on disk: events outlive a dead broker, a killed daemon and, but for the last seconds, a pulled plug.

`add` returns when the event is committed: the operating system has it, so it outlives this process from then on.
Kinds that must survive a power cut are on the disk as well (fdatasync) before `pending` hands them out; the others
follow within `batch_seconds`, unless the broker has acknowledged them by then, which spares the card. What is
acknowledged is deleted in batches, too: a daemon that is killed may send the last `batch_seconds` again, with the same ids.

The keeper, a thread of its own, does what a slow card takes long for: syncs, and folding the log into the file. Who adds
and who sends wait for neither.

A disk that is full or fails costs no event: they wait in memory, up to a bound, and go to the disk when it takes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from edged.bus.importance import must_survive_power_cut
from edged.bus.outbox import MemoryOutbox, OutgoingEvent
from edged.errors import StoreError
from edged.notices import BUG, EVENTS_KEPT, EVENTS_LOST, EVENTS_UNKEPT
from edged.store.database import Database, Error
from edged.store.outbox_table import EventTable

log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DELETE_AT_ONCE = 512
_RETRY_SECONDS = 5.0
_AGE_LOOK_SECONDS = 3600.0
# Commits between two foldings of the log: an hour of it must not pile up, and folding costs the card two syncs.
_COMMITS_PER_CHECKPOINT = 500
# When there is no room a little more is made than is needed, so that a full outbox does not search with every event.
_SLACK = 200


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
        """batch_seconds: at 0 every event is on the disk when `add` returns. boot_id: of this run of the machine; None
        asks the kernel. Raises StoreError when the database cannot be read.
        """
        self._database = database
        self._limit_count = limit_count
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._batch_seconds = batch_seconds
        try:
            self._table = EventTable(database, boot_id or _boot_id())
        except Error as error:
            database.close()
            raise StoreError(f"{database.path} cannot be read: {error} (check the disk and store.directory)") from error
        self._next_key = self._table.first_free_key
        self._lock = threading.RLock()
        self._lost = 0
        self._settled: set[int] = set()  # acknowledged, counted no more, not deleted yet
        self._held: list[int] = []  # committed, but not handed out before they are on the disk; nor is what follows
        self._front = MemoryOutbox()  # where events wait that the disk did not take
        self._ready: Callable[[], None] = _nobody
        self._problem = ""
        self._retry_at = 0.0
        self._dirty = False
        self._commits = 0
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._stop = threading.Event()
        with self._disk("write"):
            self._forget_old()
        self._keeper = threading.Thread(target=self._keep, name="outbox", daemon=True)
        self._keeper.start()

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
            if self._table.count == 0:
                return self._front.oldest_seconds
            with self._disk("read"):
                for row, age_seconds in self._table.ages(0, len(self._settled) + 1):
                    if row.key not in self._settled:
                        return age_seconds
            return None

    def __len__(self) -> int:
        return self._table.count + len(self._front)

    def listen(self, ready: Callable[[], None]) -> None:
        """Called, on the keeper's thread, when events that were held back are handed out from now on."""
        self._ready = ready

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
                if self._batch_seconds <= 0:
                    self._database.sync()
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
                found = [
                    (key, event)
                    for key, event in self._table.fetch(after, self._held[0] if self._held else None, limit)
                    if key not in self._settled
                ]
            if len(found) < limit and len(self._front) and not self._held:
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
                rows = self._table.rows(wanted - self._settled)
                self._settled.update(row.key for row in rows)
                self._table.forget(rows)
            if len(self._settled) >= _DELETE_AT_ONCE or self._batch_seconds <= 0:
                self._delete_settled()
            elif self._settled:
                self._work.set()

    def close(self) -> None:
        """Put everything on the disk and close the database."""
        with self._lock:
            if self._stop.is_set():
                return
            self._stop.set()
        self._work.set()
        self._urgent.set()
        self._keeper.join(10.0)
        with self._lock:
            if len(self._front):
                self._flush_front()
            self._delete_settled()
            if self._table.count:
                with self._disk("write"):
                    self._database.sync()
            if len(self._front):
                log.error(
                    "%d events end with this process: %s", len(self._front), self._problem, extra=EVENTS_LOST.extra()
                )
            self._database.close()

    # -- rows ---------------------------------------------------------------------------------------------------

    def _insert(self, key: int, event: OutgoingEvent) -> None:
        """One row, committed and counted, and the keeper's to sync. Raises the database's error."""
        self._table.insert(key, event)
        self._commits += 1
        if self._batch_seconds <= 0:
            return
        if must_survive_power_cut(event.kind):
            self._held.append(key)
            self._urgent.set()
        else:
            self._dirty = True
        self._work.set()

    def _holds(self, key: int) -> bool:
        """The row is there though something failed after it was committed."""
        with self._disk("read"):
            return bool(self._table.rows({key}))
        return False

    def _delete_settled(self) -> None:
        if self._settled:
            with self._disk("write"):
                self._table.delete(self._settled)
                self._commits += 1
                self._settled.clear()

    def _make_room(self) -> None:
        table = self._table
        while table.count and (table.count > self._limit_count or table.size_bytes > self._limit_bytes):
            self._delete_settled()
            if self._settled:
                return  # the disk does not delete: it has said so
            if self._lost == 0:
                sentence = "the outbox is full: the oldest of the least important events are dropped"
                log.warning("%s", sentence, extra=EVENTS_LOST.extra())
            rows = table.least_important(max(1, table.count - self._limit_count, self._limit_count // _SLACK))
            table.delete({row.key for row in rows})
            table.forget(rows)
            self._lost += len(rows)

    def _forget_old(self) -> None:
        """Drop what is older than the limit; the oldest are at the front. What cannot be dated stays."""
        after = 0
        while aged := self._table.ages(after, 256):
            after = aged[-1][0].key
            old = [
                row
                for row, age in aged
                if age is not None and age > self._limit_seconds and row.key not in self._settled
            ]
            if old:
                self._table.delete({row.key for row in old})
                self._table.forget(old)
                self._lost += len(old)
                log.warning("%d events were too old to be told and are dropped", len(old), extra=EVENTS_LOST.extra())
            if any(age is not None and age <= self._limit_seconds for _, age in aged):
                return

    # -- a disk that fails --------------------------------------------------------------------------------------

    def _disk(self, doing: Literal["read", "write"]) -> _Attempt:
        """What fails inside becomes `problem`, and is not raised."""
        return _Attempt(self, doing)

    def _failed(self, doing: str, error: BaseException) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        sentence = f"events cannot be {'written to' if doing == 'write' else 'read from'} the disk: {error}"
        if not self._problem:
            folder = self._database.path.parent
            log.error(
                "%s; they wait in memory (is %s full or read-only?)", sentence, folder, extra=EVENTS_UNKEPT.extra()
            )
        self._problem = f"{sentence} (make room, or check the card and store.directory)"

    def _succeeded(self) -> None:
        if self._problem and not len(self._front):
            log.info("events are written to the disk again", extra=EVENTS_KEPT.extra())
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
        while not self._stop.is_set():
            happened = self._work.wait(_RETRY_SECONDS if len(self._front) else _AGE_LOOK_SECONDS)
            self._work.clear()
            if happened:
                # What comes meanwhile belongs to this batch, unless something may not wait.
                self._urgent.wait(self._batch_seconds)
            held: list[int] = []
            try:
                with self._lock:
                    if self._stop.is_set():
                        return
                    self._urgent.clear()
                    held = list(self._held)
                    self._tend(aged=not happened)
                    dirty, self._dirty = self._dirty and self._table.count > 0, False
                # Without the lock: a slow card must not hold up who adds and who sends.
                if held or dirty:
                    with self._disk("write"):
                        self._database.sync()
                if self._commits >= _COMMITS_PER_CHECKPOINT:
                    self._commits = 0
                    with self._disk("write"):
                        self._database.checkpoint()
            except Exception:
                log.exception("internal error in the outbox's keeper", extra=BUG.extra())
            # Also when the disk refused, which health says: late is bad, never is worse.
            if held:
                with self._lock:
                    del self._held[: len(held)]
                self._ready()

    def _tend(self, *, aged: bool) -> None:
        if len(self._front):
            self._flush_front()
        self._delete_settled()
        if aged:
            with self._disk("write"):
                self._forget_old()


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


def _nobody() -> None:
    """Listens."""


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"unknown since {time.time_ns()}"
