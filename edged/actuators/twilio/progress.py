"""How far each job has come, on disk: what was sent, and which chains wait for whom. No texts, no numbers."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Any

import msgspec

from edged.actuators.twilio.settings import Channel
from edged.errors import StoreError
from edged.store.database import Database, Error

# Longer than any rate limit looks back (limit_seconds is 31 days at most).
_KEEP_SECONDS = 32 * 86400.0
_SENDING = "SELECT job, step, channel, recipient, emergency, first_at, given_up_at, sid, taken_at, status, code FROM sending WHERE "
_ALERT = (
    "SELECT job, keypad, opened_at, step, step_began_at, tries, notes, acknowledged_at, acknowledged_by, over "
    "FROM alert WHERE "
)


@dataclass(frozen=True)
class Sending:
    """One message or call. Times are Unix seconds. sid: None while it is not known whether Twilio has it.

    given_up_at: when the last request came to nothing; while it is under way, when it does so at the latest.
    """

    job: str
    step: int
    channel: Channel
    recipient: str
    emergency: bool
    first_at: float
    given_up_at: float
    sid: str | None = None
    taken_at: float | None = None
    status: str = ""
    code: int = 0


@dataclass(frozen=True)
class Alert:
    """One chain under way. step: the present one, from 0. tries: requests of this step that came to nothing."""

    job: str
    keypad: str
    opened_at: float
    step: int
    step_began_at: float
    tries: int
    notes: list[str]
    acknowledged_at: float | None
    acknowledged_by: str
    over: bool


class Progress:
    """Safe for several threads. Every method raises StoreError when the disk fails."""

    def __init__(self, database: Database) -> None:
        """The database is closed by `close`."""
        self._database = database
        self._lock = threading.Lock()
        self._closed = False

    # -- sendings -----------------------------------------------------------------------------------------------

    def sending(self, job: str, step: int) -> Sending | None:
        """What was begun of a job's step."""
        return self._sending("job = ? AND step = ?", job, step)

    def sendings(self, job: str) -> list[Sending]:
        """All that was begun of a job."""
        return [_sending(row) for row in self._all(_SENDING + "job = ? ORDER BY step", job)]

    def begin(self, sending: Sending) -> None:
        """It is about to be asked for. Outlives a power cut once this has returned."""
        self._run(
            "INSERT INTO sending (job, step, channel, recipient, emergency, first_at, given_up_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (job, step) DO UPDATE SET given_up_at = excluded.given_up_at",
            sending.job, sending.step, sending.channel, sending.recipient, sending.emergency, sending.first_at,
            sending.given_up_at, sync=True,
        )  # fmt: skip

    def unclear(self, sending: Sending, now: float) -> None:
        """The request was given up now."""
        self._run(
            "UPDATE sending SET given_up_at = ? WHERE job = ? AND step = ?", now, sending.job, sending.step, sync=True
        )

    def not_sent(self, sending: Sending) -> None:
        """It was certainly not done, so that nothing of it counts."""
        self._run("DELETE FROM sending WHERE job = ? AND step = ? AND sid IS NULL", sending.job, sending.step)

    def taken(self, sending: Sending, sid: str, status: str, now: float) -> bool:
        """Twilio has it, as sid. False when that sid is another sending's."""
        taken = self._run(
            "UPDATE OR IGNORE sending SET sid = ?, status = ?, taken_at = ? WHERE job = ? AND step = ? AND sid IS NULL",
            sid, status, now, sending.job, sending.step, sync=True,
        )  # fmt: skip
        return taken == 1

    def stands(self, sending: Sending, status: str, code: int) -> None:
        """How it stands at Twilio."""
        self._run(
            "UPDATE sending SET status = ?, code = ? WHERE job = ? AND step = ?",
            status, code, sending.job, sending.step,
        )  # fmt: skip

    def recent(self, recipient: str, *, emergency: bool, since: float, but: tuple[str, int] = ("", 0)) -> int:
        """How many went to somebody since a moment, without one."""
        ((count,),) = self._all(
            "SELECT count(*) FROM sending WHERE recipient = ? AND emergency = ? AND first_at > ? "
            "AND NOT (job = ? AND step = ?)",
            recipient, emergency, since, *but,
        )  # fmt: skip
        return int(count)

    def unclear_calls(self, since: float) -> list[Sending]:
        """Calls given up after a moment of which nobody knows whether they went out."""
        rows = self._all(_SENDING + "channel = 'call' AND sid IS NULL AND given_up_at > ?", since)
        return [_sending(row) for row in rows]

    # -- chains -------------------------------------------------------------------------------------------------

    def open_alert(self, job: str, now: float) -> Alert:
        """The job's chain, begun now if it was not."""
        self._run(
            "INSERT OR IGNORE INTO alert (job, keypad, opened_at, step, step_began_at, tries, notes) "
            "VALUES (?, ?, ?, 0, ?, 0, ?)",
            job, secrets.token_urlsafe(18), now, now, b"[]", sync=True,
        )  # fmt: skip
        found = self.alert(job)
        assert found is not None
        return found

    def alert(self, job: str) -> Alert | None:
        """A job's chain."""
        return self._alert("job = ?", job)

    def alert_of_keypad(self, keypad: str) -> Alert | None:
        """The chain that a call belongs to."""
        return self._alert("keypad = ?", keypad)

    def open_alerts(self) -> list[str]:
        """Jobs whose chains wait for an acknowledgement."""
        rows = self._all("SELECT job FROM alert WHERE NOT over AND acknowledged_at IS NULL ORDER BY rowid")
        return [str(job) for (job,) in rows]

    def step(self, alert: Alert, note: str, now: float) -> None:
        """The next step begins. note: what became of this one."""
        self._run(
            "UPDATE alert SET step = ?, step_began_at = ?, tries = 0, notes = ? WHERE job = ?",
            alert.step + 1, now, msgspec.json.encode([*alert.notes, note]), alert.job, sync=True,
        )  # fmt: skip

    def tried(self, alert: Alert) -> None:
        """A request of this step came to nothing."""
        self._run("UPDATE alert SET tries = tries + 1 WHERE job = ?", alert.job)

    def acknowledge(self, job: str, by: str, now: float) -> bool:
        """Somebody has seen it. False when it was acknowledged before, is over, or is not there."""
        return bool(self._run(
            "UPDATE alert SET acknowledged_at = ?, acknowledged_by = ? "
            "WHERE job = ? AND acknowledged_at IS NULL AND NOT over",
            now, by, job, sync=True,
        ))  # fmt: skip

    def close_alert(self, job: str) -> None:
        """Nobody needs to acknowledge it any more."""
        self._run("UPDATE alert SET over = 1 WHERE job = ?", job)

    # -- all ----------------------------------------------------------------------------------------------------

    def forget_old(self, now: float) -> None:
        """What no limit looks back to."""
        self._run("DELETE FROM sending WHERE first_at < ?", now - _KEEP_SECONDS)
        self._run("DELETE FROM alert WHERE opened_at < ?", now - _KEEP_SECONDS)

    def close(self) -> None:
        """Give the file back. What a late answer of Twilio would note is not noted any more."""
        with self._lock:
            self._closed = True
            self._database.close()

    def _sending(self, where: str, *values: Any) -> Sending | None:
        rows = self._all(_SENDING + where, *values)
        return _sending(rows[0]) if rows else None

    def _alert(self, where: str, *values: Any) -> Alert | None:
        rows = self._all(_ALERT + where, *values)
        if not rows:
            return None
        job, keypad, opened_at, step, began_at, tries, notes, at, by, over = rows[0]
        decoded = msgspec.json.decode(notes, type=list[str])
        return Alert(job, keypad, opened_at, step, began_at, tries, decoded, at, by, bool(over))

    def _run(self, statement: str, *values: Any, sync: bool = False) -> int:
        """How many rows it changed."""
        with self._lock:
            if self._closed:
                raise StoreError("the actuator has ended")
            try:
                changed = self._database.execute(statement, values).rowcount
                if sync:
                    self._database.sync()
            except (Error, OSError) as error:
                raise self._failure(error) from error
            return changed

    def _all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._closed:
                raise StoreError("the actuator has ended")
            try:
                return list(self._database.execute(statement, values).fetchall())
            except (Error, OSError) as error:
                raise self._failure(error) from error

    def _failure(self, error: Exception) -> StoreError:
        return StoreError(f"{self._database.path.name} cannot be used: {error} (check the disk and store.directory)")


def _sending(row: tuple[Any, ...]) -> Sending:
    job, step, channel, recipient, emergency, first_at, given_up_at, sid, taken_at, status, code = row
    return Sending(job, step, channel, recipient, bool(emergency), first_at, given_up_at, sid, taken_at, status, code)
