"""What an actuator must not forget: the ids it has seen, and durable jobs. One SQLite file.

A change is committed, so it outlives this process, when the method returns; `sync` makes it outlive a power cut. The
engine syncs before it promises anything, before it acts, and before it tells how a job ended. Sensitive text never gets here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from edged.actuators.job import Job, Order
from edged.actuators.sensitive import Text
from edged.errors import StoreError
from edged.jobs import JobState
from edged.store.database import Database, Error

# An id is known for this long after its request expired: longer than any broker keeps a session for us
# (mqtt.session_expiry_seconds is a week at most), and longer than any request is good for.
KEEP_SECONDS = 8 * 86400.0
# Accepted jobs are counted for this long (limit_seconds of a policy or binding is 31 days at most).
COUNT_SECONDS = 31 * 86400.0
# Kept whatever their age: a clock that jumps ahead and back must not wipe the memory.
KEEP_AT_LEAST = 10_000
# What the row says of a job that is taken up again, until it is begun again: the next start must know it as well.
_INTERRUPTED = "interrupted"


class _Work(msgspec.Struct, frozen=True):
    text: str | None
    options: dict[str, Any]
    issued_at: float
    expires_at: float
    nonce: str
    source: str


@dataclass(frozen=True)
class Unfinished:
    """A job that had not come to its end when the actuator did. order: None of what is not durable. interrupted: an
    attempt was cut off, by this end or one before, and was not taken up again since.
    """

    told: JobState
    order: Order | None
    attempt: int
    interrupted: bool


class Ledger:
    """One actuator's memory. Not safe for several threads at once. Every method raises StoreError when the disk fails."""

    def __init__(self, database: Database) -> None:
        """The database is closed by `close`."""
        self._database = database
        with contextlib.suppress(Error):  # a disk that fails says so with the first job
            database.execute("PRAGMA secure_delete=ON")

    def told(self, job_id: str) -> JobState | None:
        """What was last told of a job; None: the id has never been seen."""
        row = self._one("SELECT told FROM job WHERE id = ?", job_id)
        return None if row is None else msgspec.json.decode(row[0], type=JobState)

    def digest(self, job_id: str) -> str:
        """What a job asks for, as its digest; empty where that is not known."""
        row = self._one("SELECT digest FROM job WHERE id = ?", job_id)
        return "" if row is None else str(row[0])

    def nonce_used(self, nonce: str) -> bool:
        """Has any request had it?"""
        return self._one("SELECT 1 FROM job WHERE nonce = ?", nonce) is not None

    def add(self, job: Job, told: JobState, *, durable: bool) -> None:
        """Remember a job that was accepted."""
        order = job.order
        work = None
        if durable:
            if order.text is not None and order.text.sensitive:
                raise ValueError("sensitive text is not kept on disk")
            clear = None if order.text is None else order.text.value
            work = msgspec.json.encode(
                _Work(clear, dict(order.options), order.issued_at, order.expires_at, order.nonce, order.source)
            )
        self._insert(order, told, job.changed_at, final=False, counts=True, work=work)

    def note(self, order: Order, told: JobState) -> None:
        """Remember what was answered at once, such as a refusal: the same id again gets the same answer."""
        self._insert(order, told, order.issued_at, final=True, counts=False, work=None)

    def change(self, job: Job, told: JobState) -> None:
        """Remember how a job stands now."""
        cut = job.interrupted and not job.final
        self._run(
            "UPDATE job SET state = ?, final = ?, attempt = ?, told = ?, sent = 0, "
            "work = CASE WHEN ? THEN NULL ELSE work END WHERE id = ?",
            _INTERRUPTED if cut else job.state, job.final, job.attempt, msgspec.json.encode(told), job.final, job.id,
        )  # fmt: skip
        if job.final and job.spec.durable and job.order.text is not None:
            self._scrub()

    def end_unfinished(self, told: JobState) -> None:
        """As `change`, for a job that no longer is in anybody's hands."""
        self._run(
            "UPDATE job SET state = ?, final = 1, told = ?, sent = 0, work = NULL WHERE id = ?",
            told.state, msgspec.json.encode(told), told.id,
        )  # fmt: skip
        self._scrub()

    def sent(self, job_id: str) -> None:
        """The last state is in the outbox, which sees to the rest."""
        self._run("UPDATE job SET sent = 1 WHERE id = ?", job_id)

    def unsent(self) -> list[JobState]:
        """Last words that may not have reached the outbox."""
        rows = self._all("SELECT told FROM job WHERE final = 1 AND sent = 0 ORDER BY rowid")
        return [msgspec.json.decode(told, type=JobState) for (told,) in rows]

    def unfinished(self) -> list[Unfinished]:
        """Jobs without an end, in the order they came."""
        rows = self._all("SELECT told, work, attempt, state FROM job WHERE final = 0 ORDER BY rowid")
        return [_unfinished(told, work, attempt, state) for told, work, attempt, state in rows]

    def count(self, action: str, since: float) -> tuple[int, float]:
        """How many jobs of an action were accepted after a moment, and when the first of them (Unix seconds)."""
        row = self._one(
            "SELECT count(*), min(added_at) FROM job WHERE action = ? AND counts AND added_at > ?", action, since
        )
        assert row is not None
        return int(row[0]), float(row[1] or since)

    def accepted_since(self, source: str, since: float) -> list[float]:
        """When jobs of a source were accepted after a moment, the oldest first (Unix seconds)."""
        rows = self._all(
            "SELECT added_at FROM job WHERE source = ? AND counts AND added_at > ? ORDER BY added_at", source, since
        )
        return [float(at) for (at,) in rows]

    def fact(self, name: str) -> bytes | None:
        """Something kept by name."""
        row = self._one("SELECT value FROM fact WHERE name = ?", name)
        return None if row is None else bytes(row[0])

    def keep_fact(self, name: str, value: bytes | None) -> None:
        """Keep, or forget (None), and be sure of it."""
        if value is None:
            self._run("DELETE FROM fact WHERE name = ?", name)
        else:
            self._run("INSERT OR REPLACE INTO fact VALUES (?, ?)", name, value)
        self.sync()

    @property
    def trusted_since(self) -> float:
        """What was issued before (Unix seconds) may have been done and forgotten; 0 where nobody said when it began."""
        kept = self.fact("trusted_since")
        return 0.0 if kept is None else msgspec.json.decode(kept, type=float)

    @property
    def begun(self) -> bool:
        """It is known from when on requests may be trusted. A ledger that was just made does not know it yet."""
        return self.fact("trusted_since") is not None

    def begin(self, since: float) -> None:
        """It is empty, be it new or lost: what was issued before is not to be trusted (Unix seconds)."""
        self.keep_fact("trusted_since", msgspec.json.encode(since))

    def beside(self, suffix: str) -> Path:
        """The name of a file that belongs to this one."""
        path = self._database.path
        return path.with_name(f"{path.name.removesuffix('.db').removesuffix('.jobs')}.{suffix}")

    def forget_old(self, now: float) -> None:
        """Ids past every redelivery and every count are let go, but for the newest."""
        self._run(
            "DELETE FROM job WHERE final AND sent AND expires_at < ? AND NOT (counts AND added_at > ?) "
            "AND rowid <= (SELECT max(rowid) FROM job) - ?",
            now - KEEP_SECONDS, now - COUNT_SECONDS, KEEP_AT_LEAST,
        )  # fmt: skip

    def sync(self) -> None:
        """All of it outlives a power cut from here on."""
        try:
            self._database.sync()
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(
        self, order: Order, told: JobState, added_at: float, *, final: bool, counts: bool, work: bytes | None
    ) -> None:
        self._run(
            "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?, ?, ?, ?)",
            order.id, order.nonce, order.action, told.state, final, counts, added_at, order.expires_at,
            order.source, order.digest, msgspec.json.encode(told), work,
        )  # fmt: skip

    def _run(self, statement: str, *values: Any) -> None:
        try:
            self._database.execute(statement, values)
        except (Error, OSError) as error:
            raise self._failure(error) from error

    def _scrub(self) -> None:
        """What somebody was to be told is nobody's business once it is over."""
        try:
            self._database.scrub()
        except (Error, OSError) as error:
            raise self._failure(error) from error

    def _one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        found = self._all(statement, *values)
        return found[0] if found else None

    def _all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return list(self._database.execute(statement, values).fetchall())
        except (Error, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StoreError:
        return StoreError(f"{self._database.path.name} cannot be used: {error} (check the disk and store.directory)")


def _unfinished(told: bytes, work: bytes | None, attempt: int, state: str) -> Unfinished:
    last = msgspec.json.decode(told, type=JobState)
    interrupted = state in ("running", _INTERRUPTED)
    if work is None:
        return Unfinished(last, None, attempt, interrupted)
    kept = msgspec.json.decode(work, type=_Work)
    text = None if kept.text is None else Text(kept.text)
    order = Order(
        last.id, last.action, text, kept.options, kept.issued_at, kept.expires_at, kept.nonce, kept.source
    )  # fmt: skip
    return Unfinished(last, order, attempt, interrupted)
