"""What is kept of what happens: the audit trail and the past, written by a thread of its own.

A card that is slow, full or gone, and another process that holds the trail's lock, hold up nothing: what is to be recorded
waits in memory, up to a bound, and health says so. What is handed over is in the trail within moments, so little is lost
when this process is killed; the past is written in batches, which spares the card.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edged
from edged import clock
from edged.errors import EdgedError, StoreError
from edged.events import iso_utc
from edged.notices import AUDIT_DAMAGED, BUG
from edged.settings import Settings
from edged.store.audit import NAME, Head, Trail
from edged.store.audit_check import verify
from edged.store.history import History, at_ms, path_of
from edged.topics import AuditState

log = logging.getLogger(__name__)

BY = "edged run"
_MOST_WAITING = 10_000
_RETRY_SECONDS = 5.0
_PRUNE_SECONDS = 3600.0
_END_SECONDS = 2.0
# Fields of an event that a record has of its own, or that say nothing later.
_LEFT_OUT = frozenset({"at", "camera", "kind", "v", "frame", "at_ms"})


@dataclass(frozen=True)
class _Entry:
    """To be written in the trail."""

    kind: str
    data: Mapping[str, Any]
    wall_ns: int
    # Does not begin a trail by itself.
    aside: bool = False


@dataclass(frozen=True)
class _Past:
    payload: Mapping[str, Any]


@dataclass
class _Chores:
    """What is done every now and then, on the thread that may wait for the card."""

    due: float = 0.0
    all: list[Callable[[], None]] = field(default_factory=list)
    once: list[Callable[[], None]] = field(default_factory=list)


class Recorder:
    """Records for one life of a daemon. Every method but the thread's own is for the daemon's thread, and returns at once."""

    def __init__(self, settings: Settings, folder: Path | None) -> None:
        """folder: of what is kept; None: nothing can be kept here, which the caller says."""
        self._settings = settings
        self._folder = folder
        self._audits = folder is not None and settings.audit.enabled
        self._remembers = folder is not None and settings.history.enabled
        self._queue: queue.SimpleQueue[_Entry | _Past | Callable[[], None] | None] = queue.SimpleQueue()
        self._entries: deque[_Entry] = deque()
        self._past: list[Mapping[str, Any]] = []
        self._past_due = 0.0
        self._lost = 0
        self._trail: Trail | None = None
        self._history: History | None = None
        self._chores = _Chores()
        self._head: Head | None = None
        self._told: tuple[Head | None, str] = (None, "")
        self._told_at = 0.0
        self._damage = ""
        self._troubles: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin; look first whether the trail is what was written."""
        self._thread.start()

    def chore(self, work: Callable[[], None]) -> None:
        """Have something done every hour, beginning soon, that may wait for the card. Before `start`."""
        self._chores.all.append(work)

    def soon(self, work: Callable[[], None]) -> None:
        """Have something done once, now, that may wait for the card."""
        self._queue.put(work)

    def event(self, payload: Mapping[str, Any]) -> None:
        """An event was told."""
        kind = payload["kind"]
        if self._audits and kind in self._settings.audit.kinds:
            data = {name: value for name, value in payload.items() if name not in _LEFT_OUT}
            self._put(_Entry(kind, data, at_ms(payload["at"]) * 1_000_000))
        if self._remembers and (not self._settings.history.kinds or kind in self._settings.history.kinds):
            self._put(_Past(payload))

    def action(self, kind: str, data: Mapping[str, Any]) -> None:
        """Something was done that belongs in the trail: evidence kept or deleted, a command carried out."""
        if self._audits:
            self._put(_Entry(kind, data, time.time_ns()))

    def begun(self) -> None:
        """The daemon starts, or restarts. Recorded where there is a trail already, or once there is something in it."""
        if self._audits:
            data = {"version": edged.__version__, "settings_sha256": _digest(self._settings)}
            self._put(_Entry("begun", data, time.time_ns(), aside=True))

    def state_due(self, now: float) -> AuditState | None:
        """How far the trail has come, if that should be told now (CLOCK_MONOTONIC seconds)."""
        standing = (self._head, self._damage)
        if self._head is None or standing == self._told:
            return None
        if self._told[0] is not None and now - self._told_at < self._settings.audit.publish_seconds:
            return None
        self._told, self._told_at = standing, now
        return AuditState(iso_utc(time.time_ns()), self._head.seq, self._head.hash, self._damage)

    def last_state(self) -> AuditState | None:
        """The same, without waiting for its time: before the end."""
        self._told_at = float("-inf")
        return self.state_due(0.0)

    @property
    def problems(self) -> tuple[str, ...]:
        """For health: one plain sentence each."""
        return (*filter(None, [self._damage]), *tuple(self._troubles.values()))

    def close(self, timeout_seconds: float = _END_SECONDS) -> None:
        """Write what waits and end; gives up on a card that hangs."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout_seconds)

    def _put(self, what: _Entry | _Past) -> None:
        if self._queue.qsize() < _MOST_WAITING:
            self._queue.put(what)
        else:
            self._lost += 1

    # -- the recorder's thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._open()
            ending = False
            while not ending:
                ending = self._take()
                self._write_entries()
                self._write_past(now=ending)
                self._do_chores()
        except Exception:
            log.exception("internal error in the recorder", extra=BUG.extra())
            self._troubles["recorder"] = "nothing is recorded any more: edged has a bug (see the log)"
        finally:
            if self._trail is not None:
                self._trail.close()
            if self._history is not None:
                self._history.close()

    def _open(self) -> None:
        if self._folder is None:
            return
        if self._audits:
            self._trail = Trail(self._folder)
            if (self._folder / NAME).exists():
                self._look_at_trail(self._folder)
        if self._remembers:
            with self._trouble("history"):
                self._open_history(self._folder)
        elif path_of(self._folder, self._settings.camera).exists():
            # Kept once, and not any more: what is there grows too old nevertheless.
            folder = self._folder
            self._chores.all.append(lambda: self._prune_left(folder))

    def _look_at_trail(self, folder: Path) -> None:
        try:
            verdict = verify(folder)
        except StoreError as error:
            log.error("%s", error)
            self._troubles["audit"] = str(error)
            return
        self._head = verdict.head if not verdict.problems else None
        if verdict.problems:
            self._damage = (
                f"the audit trail is not what was written: {verdict.problems[0]} "
                "(edged audit verify says all; edged audit renew keeps it aside and begins another)"
            )
            log.error("%s", self._damage, extra=AUDIT_DAMAGED.extra())

    def _past_in(self, folder: Path) -> History:
        kept = self._settings.history
        return History(
            folder,
            self._settings.camera,
            keep_seconds=kept.keep_days * 86400,
            limit_bytes=kept.limit_megabytes * 1024 * 1024,
        )

    def _prune_left(self, folder: Path) -> None:
        past = self._past_in(folder)
        try:
            past.prune(int(clock.for_ages() * 1000))
        finally:
            past.close()

    def _open_history(self, folder: Path) -> None:
        self._history = self._past_in(folder)
        if self._history.damage:
            self._troubles["damage"] = self._history.damage
        self._chores.all.append(self._prune_history)

    def _prune_history(self) -> None:
        if self._history is not None:
            self._history.prune(int(clock.for_ages() * 1000))

    def _take(self) -> bool:
        """Wait for something to do and sort it; True when it is time to end."""
        seconds = _RETRY_SECONDS
        if self._past:
            seconds = min(seconds, max(0.0, self._past_due - time.monotonic()))
        try:
            item = self._queue.get(timeout=seconds)
            while True:
                if item is None:
                    return True
                if isinstance(item, _Entry):
                    self._entries.append(item)
                elif not isinstance(item, _Past):
                    self._chores.once.append(item)
                else:
                    if not self._past:
                        self._past_due = time.monotonic() + self._settings.history.batch_seconds
                    self._past.append(item.payload)
                item = self._queue.get_nowait()
        except queue.Empty:
            return False

    def _write_entries(self) -> None:
        trail = self._trail
        if trail is None or not any(self._worth_writing(trail, entry) for entry in self._entries):
            return
        with self._trouble("audit"):
            while self._entries:
                entry = self._entries[0]
                trail.append(entry.kind, entry.data, by=BY, camera=self._settings.camera, wall_ns=entry.wall_ns)
                self._entries.popleft()
            if self._lost:
                trail.append("lost", {"records": self._lost}, by=BY, camera=self._settings.camera)
                self._lost = 0
            trail.sync()
            self._head = trail.head
        while len(self._entries) > _MOST_WAITING:
            self._entries.popleft()
            self._lost += 1

    @staticmethod
    def _worth_writing(trail: Trail, entry: _Entry) -> bool:
        return not entry.aside or trail.path.exists()

    def _write_past(self, *, now: bool) -> None:
        if not self._past or (not now and time.monotonic() < self._past_due):
            return
        with self._trouble("history"):
            if self._history is None and self._folder is not None:
                self._open_history(self._folder)
            if self._history is not None:
                self._history.add(self._past)
            self._past.clear()
        if self._past:
            self._past_due = time.monotonic() + _RETRY_SECONDS
            del self._past[:-_MOST_WAITING]

    def _do_chores(self) -> None:
        once, self._chores.once = self._chores.once, []
        for work in once:
            with self._trouble("chore"):
                work()
        if time.monotonic() < self._chores.due:
            return
        self._chores.due = time.monotonic() + _PRUNE_SECONDS
        for number, work in enumerate(self._chores.all):
            # Each by itself: that one succeeds does not make good what another could not.
            with self._trouble(f"chore {number}"):
                work()

    def _trouble(self, what: str) -> _Attempt:
        return _Attempt(self._troubles, what)


class _Attempt:
    """The block of `Recorder._trouble`: what fails inside is told by health, until it works again."""

    def __init__(self, troubles: dict[str, str], what: str) -> None:
        self._troubles = troubles
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, (EdgedError, OSError)):
            if self._what not in self._troubles:
                log.error("%s", error)
            self._troubles[self._what] = f"not everything is recorded: {error}"
            return True
        if error is None:
            self._troubles.pop(self._what, None)
        return False


def _digest(settings: Settings) -> str:
    """The same for the same settings, so that the trail shows a settings file that was edited. Without secrets."""
    return hashlib.sha256(settings.model_dump_json(exclude={"mqtt": {"password"}}).encode()).hexdigest()
